-- AlterTable
ALTER TABLE "chat_links" ADD COLUMN     "invited_phone" TEXT;

-- CreateTable
CREATE TABLE "links" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "bot_id" BIGINT NOT NULL,
    "code" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "utm_source" TEXT,
    "utm_medium" TEXT,
    "utm_campaign" TEXT,
    "utm_content" TEXT,
    "utm_term" TEXT,
    "welcome_text" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "single_use" BOOLEAN NOT NULL DEFAULT false,
    "entity_type" TEXT,
    "entity_id" TEXT,
    "client_phone" TEXT,
    "used_at" TIMESTAMPTZ(3),
    "used_by" BIGINT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" TEXT NOT NULL,

    CONSTRAINT "links_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "arrivals" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "chat_id" BIGINT,
    "link_id" BIGINT,
    "message_id" BIGINT,
    "payload" TEXT NOT NULL,
    "utm" JSONB NOT NULL DEFAULT '{}',
    "entity_type" TEXT,
    "entity_id" TEXT,
    "obstacle" TEXT,
    "presses" INTEGER NOT NULL DEFAULT 1,
    "pressed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "wrote_at" TIMESTAMPTZ(3),
    "found_type" TEXT,
    "found_id" TEXT,
    "due_at" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "outcome" TEXT,
    "detail" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "arrivals_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "links_portal_id_id_idx" ON "links"("portal_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "links_bot_id_code_key" ON "links"("bot_id", "code");

-- CreateIndex
CREATE INDEX "arrivals_link_id_idx" ON "arrivals"("link_id");

-- CreateIndex
CREATE INDEX "arrivals_message_id_idx" ON "arrivals"("message_id");

-- CreateIndex
CREATE INDEX "arrivals_portal_id_due_at_idx" ON "arrivals"("portal_id", "due_at");

-- CreateIndex
CREATE UNIQUE INDEX "arrivals_chat_id_payload_key" ON "arrivals"("chat_id", "payload");

-- AddForeignKey
ALTER TABLE "links" ADD CONSTRAINT "links_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "links" ADD CONSTRAINT "links_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "bots"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "arrivals" ADD CONSTRAINT "arrivals_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "arrivals" ADD CONSTRAINT "arrivals_chat_id_fkey" FOREIGN KEY ("chat_id") REFERENCES "chat_links"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "arrivals" ADD CONSTRAINT "arrivals_link_id_fkey" FOREIGN KEY ("link_id") REFERENCES "links"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "arrivals" ADD CONSTRAINT "arrivals_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE SET NULL ON UPDATE CASCADE;
