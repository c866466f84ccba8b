-- AlterTable
ALTER TABLE "lanes" ADD COLUMN     "wait_told" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "waits_until" TIMESTAMPTZ(3);
