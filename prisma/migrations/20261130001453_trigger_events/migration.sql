-- AlterTable
ALTER TABLE "portal_features" ADD COLUMN     "settings" JSONB NOT NULL DEFAULT '{}';

-- CreateTable
CREATE TABLE "trigger_events" (
    "chat_id" BIGINT NOT NULL,
    "event" TEXT NOT NULL,
    "subject" TEXT NOT NULL DEFAULT '',
    "portal_id" BIGINT NOT NULL,
    "times" INTEGER NOT NULL DEFAULT 1,
    "told" INTEGER NOT NULL DEFAULT 0,
    "happened_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "due_at" TIMESTAMPTZ(3),
    "claim" BIGINT NOT NULL DEFAULT 0,
    "started_at" TIMESTAMPTZ(3),
    "outcome" TEXT,
    "detail" TEXT,

    CONSTRAINT "trigger_events_pkey" PRIMARY KEY ("chat_id","event","subject")
);

-- CreateIndex
CREATE INDEX "trigger_events_due_at_idx" ON "trigger_events"("due_at");

-- CreateIndex
CREATE INDEX "trigger_events_portal_id_idx" ON "trigger_events"("portal_id");

-- AddForeignKey
ALTER TABLE "trigger_events" ADD CONSTRAINT "trigger_events_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "trigger_events" ADD CONSTRAINT "trigger_events_chat_id_fkey" FOREIGN KEY ("chat_id") REFERENCES "chat_links"("id") ON DELETE CASCADE ON UPDATE CASCADE;
