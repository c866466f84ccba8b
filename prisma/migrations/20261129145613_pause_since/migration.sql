-- AlterTable
ALTER TABLE "portals" ADD COLUMN     "answers_paused_since" TIMESTAMPTZ(3);
