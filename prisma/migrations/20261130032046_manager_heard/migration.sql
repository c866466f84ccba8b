-- AlterTable
ALTER TABLE "manager_bots" ADD COLUMN     "heard_at" TIMESTAMPTZ(3);
