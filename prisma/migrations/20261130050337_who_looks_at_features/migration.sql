-- AlterTable
ALTER TABLE "portal_features" ADD COLUMN     "claimed_until" TIMESTAMPTZ(3);
