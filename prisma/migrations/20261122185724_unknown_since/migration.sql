-- AlterTable
ALTER TABLE "deliveries" ADD COLUMN     "unknown_since" TIMESTAMPTZ(3);

-- What is in doubt stays in doubt.
UPDATE "deliveries" SET "unknown_since" = coalesce("started_at", "created_at") WHERE "unknown";

-- AlterTable
ALTER TABLE "deliveries" DROP COLUMN "unknown";
