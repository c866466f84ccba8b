-- AlterTable
ALTER TABLE "lines" ADD COLUMN     "welcome_text" TEXT;
