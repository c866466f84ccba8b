-- AlterTable
ALTER TABLE "rest_limits" ADD COLUMN     "code" TEXT,
ADD COLUMN     "detail" TEXT,
ADD COLUMN     "since" TIMESTAMPTZ(3),
ADD COLUMN     "tries" INTEGER NOT NULL DEFAULT 0;

-- Pairs that were given up for the bill or the application are as good as before: only invalid_grant and NOT_INSTALLED
-- speak of the pair itself.
UPDATE "tokens" SET "state" = 'valid', "state_reason" = NULL
 WHERE "state" = 'dead'
   AND lower("state_reason") IN ('invalid_client', 'wrong_client', 'unauthorized_client', 'payment_required', 'access_denied',
     'invalid_scope', 'insufficient_scope', 'invalid_request');
UPDATE "portals" SET "state" = 'active', "state_reason" = NULL, "updated_at" = now()
 WHERE "state" = 'reauthorise'
   AND lower(split_part("state_reason", ':', 1)) IN ('invalid_client', 'wrong_client', 'unauthorized_client', 'payment_required',
     'access_denied', 'invalid_scope', 'insufficient_scope', 'invalid_request')
   AND "id" IN (SELECT "portal_id" FROM "tokens" WHERE "state" = 'valid' AND ("is_admin" OR "is_installer"));
