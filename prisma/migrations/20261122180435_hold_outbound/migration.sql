-- AlterTable
ALTER TABLE "portals" ADD COLUMN     "hold_outbound_until" TIMESTAMPTZ(3);
