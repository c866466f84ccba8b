-- AlterTable
ALTER TABLE "endpoints" ADD COLUMN     "cooldown_until" TIMESTAMPTZ(3);
