-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "trace" TEXT;
