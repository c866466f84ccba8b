-- AlterTable
ALTER TABLE "managed_bots" ADD COLUMN     "portal_id" BIGINT;

-- Those that were made before: the portal of the newest request that they were connected by, if their owner has not changed.
UPDATE "managed_bots" m SET "portal_id" = (
  SELECT r."portal_id" FROM "bot_requests" r
   WHERE r."bot_telegram_id" = m."telegram_id" AND r."person_id" = m."owner_id" AND r."state" IN ('made', 'connected')
   ORDER BY r."id" DESC LIMIT 1);
