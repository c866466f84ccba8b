-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "bitrix_line_id" TEXT;

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
