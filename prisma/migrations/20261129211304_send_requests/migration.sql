-- CreateEnum
CREATE TYPE "SendRequestState" AS ENUM ('received', 'sending', 'waiting', 'reporting', 'done');

-- CreateTable
CREATE TABLE "send_requests" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "source" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "state" "SendRequestState" NOT NULL,
    "chat_id" BIGINT,
    "message_id" BIGINT,
    "payload" JSONB NOT NULL DEFAULT '{}',
    "report" JSONB,
    "outcome" JSONB,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "error_code" TEXT,
    "error_detail" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "done_at" TIMESTAMPTZ(3),

    CONSTRAINT "send_requests_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "send_requests_message_id_idx" ON "send_requests"("message_id");

-- CreateIndex
CREATE INDEX "send_requests_chat_id_idx" ON "send_requests"("chat_id");

-- CreateIndex
CREATE UNIQUE INDEX "send_requests_portal_id_source_key_key" ON "send_requests"("portal_id", "source", "key");

-- AddForeignKey
ALTER TABLE "send_requests" ADD CONSTRAINT "send_requests_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "send_requests" ADD CONSTRAINT "send_requests_chat_id_fkey" FOREIGN KEY ("chat_id") REFERENCES "chat_links"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "send_requests" ADD CONSTRAINT "send_requests_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Those that are done stay for the keys they were known by. Only the others are looked for.
CREATE INDEX "send_requests_open" ON "send_requests"("state", "due_at") WHERE "state" <> 'done';
