-- AlterTable
ALTER TABLE "lanes" ADD COLUMN     "busy_endpoint" TEXT,
ADD COLUMN     "claim" BIGINT NOT NULL DEFAULT 0;
