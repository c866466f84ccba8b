-- AlterTable
ALTER TABLE "rest_limits" ADD COLUMN     "code" TEXT,
ADD COLUMN     "detail" TEXT,
ADD COLUMN     "since" TIMESTAMPTZ(3),
ADD COLUMN     "tries" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "lines" ADD COLUMN     "operator_data" TEXT,
ADD COLUMN     "operator_names" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "start_opens_session" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "chat_links" ADD COLUMN     "dialog_open" BOOLEAN,
ADD COLUMN     "dialog_title" TEXT,
ADD COLUMN     "last_source" TEXT,
ADD COLUMN     "looked_session_id" TEXT,
ADD COLUMN     "refused_photo" TEXT;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "bitrix_line_id" TEXT,
ADD COLUMN     "can_wait" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "not_own_words" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "quoted" JSONB,
ADD COLUMN     "source" TEXT;

-- AlterTable
ALTER TABLE "lanes" ADD COLUMN     "wait_told" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "waits_until" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "dialog_reports" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "message_id" BIGINT,
    "kind" "DeliveryKind" NOT NULL,
    "line_id" TEXT,
    "bitrix_chat_id" TEXT NOT NULL,
    "external_chat_id" TEXT NOT NULL,
    "payload" JSONB,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "dialog_reports_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "dialog_reports_due_at_idx" ON "dialog_reports"("due_at");

-- CreateIndex
CREATE INDEX "dialog_reports_message_id_idx" ON "dialog_reports"("message_id");

-- CreateIndex
CREATE INDEX "dialog_reports_portal_id_idx" ON "dialog_reports"("portal_id");

-- AddForeignKey
ALTER TABLE "dialog_reports" ADD CONSTRAINT "dialog_reports_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "dialog_reports" ADD CONSTRAINT "dialog_reports_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Chats that are here keep NULL: people may have changed the titles of their dialogs by hand.
ALTER TABLE "chat_links" ALTER COLUMN "dialog_title" SET DEFAULT '';

-- Finds the few dialogs whose title the portal is still to be told (DialogTitlesRepository.due).
CREATE INDEX "chat_links_untitled" ON "chat_links"("portal_id")
  WHERE "bitrix_chat_id" IS NOT NULL AND "dialog_title" IS DISTINCT FROM "title"
    AND ("dialog_title" IS NOT NULL OR "type" <> 'private');

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
