-- CreateEnum
CREATE TYPE "BroadcastState" AS ENUM ('draft', 'running', 'paused', 'stopped', 'done');

-- CreateEnum
CREATE TYPE "RecipientState" AS ENUM ('waiting', 'sending', 'delivered', 'failed', 'uncertain', 'blocked', 'unsubscribed', 'gone', 'stopped');

-- AlterTable
ALTER TABLE "chat_links" ADD COLUMN     "advertised_at" TIMESTAMPTZ(3),
ADD COLUMN     "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "unsubscribed_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "forgotten_wishes" (
    "bot_telegram_id" BIGINT NOT NULL,
    "client" BYTEA NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "forgotten_wishes_pkey" PRIMARY KEY ("bot_telegram_id","client")
);

-- CreateTable
CREATE TABLE "broadcasts" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "name" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "buttons" TEXT NOT NULL DEFAULT '',
    "file" TEXT NOT NULL DEFAULT '',
    "has_unsubscribe" BOOLEAN NOT NULL DEFAULT true,
    "audience" JSONB NOT NULL DEFAULT '{}',
    "state" "BroadcastState" NOT NULL DEFAULT 'draft',
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "broadcasts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "broadcast_recipients" (
    "id" BIGSERIAL NOT NULL,
    "broadcast_id" BIGINT NOT NULL,
    "chat_id" BIGINT,
    "bot_id" BIGINT NOT NULL,
    "state" "RecipientState" NOT NULL DEFAULT 'waiting',
    "message_id" BIGINT,
    "delivered_at" TIMESTAMPTZ(3),
    "pressed_at" TIMESTAMPTZ(3),
    "answered_at" TIMESTAMPTZ(3),
    "unsubscribed_at" TIMESTAMPTZ(3),

    CONSTRAINT "broadcast_recipients_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "broadcasts_portal_id_id_idx" ON "broadcasts"("portal_id", "id");

-- CreateIndex
CREATE INDEX "broadcasts_state_idx" ON "broadcasts"("state");

-- CreateIndex
CREATE INDEX "broadcast_recipients_broadcast_id_state_bot_id_id_idx" ON "broadcast_recipients"("broadcast_id", "state", "bot_id", "id");

-- CreateIndex
CREATE INDEX "broadcast_recipients_chat_id_idx" ON "broadcast_recipients"("chat_id");

-- CreateIndex
CREATE INDEX "broadcast_recipients_message_id_idx" ON "broadcast_recipients"("message_id");

-- CreateIndex
CREATE UNIQUE INDEX "broadcast_recipients_broadcast_id_chat_id_key" ON "broadcast_recipients"("broadcast_id", "chat_id");

-- AddForeignKey
ALTER TABLE "broadcasts" ADD CONSTRAINT "broadcasts_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "broadcast_recipients" ADD CONSTRAINT "broadcast_recipients_broadcast_id_fkey" FOREIGN KEY ("broadcast_id") REFERENCES "broadcasts"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "broadcast_recipients" ADD CONSTRAINT "broadcast_recipients_chat_id_fkey" FOREIGN KEY ("chat_id") REFERENCES "chat_links"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "broadcast_recipients" ADD CONSTRAINT "broadcast_recipients_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- What is under way, of all broadcasts: how much one bot has, and what came to its end.
CREATE INDEX "broadcast_recipients_under_way" ON "broadcast_recipients"("bot_id") WHERE state = 'sending';

-- How `forgotten_wishes` names a client: nobody reads who it was, and the same client is recognised. The salt is random
-- and part of the function, so that a backup has it, too.
-- (\003B is a semicolon: Prisma ends a statement at each one that it sees.)
DO U&'
BEGIN
  EXECUTE format(
    ''CREATE FUNCTION forgotten_client(client text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS %L'',
    format(
      ''SELECT sha256(convert_to(%L || client, ''''UTF8''''))'',
      gen_random_uuid()::text || gen_random_uuid()::text))\003B
END';

-- Whoever deletes a chat (an erasure, the removal of a bot) need not think of it.
CREATE FUNCTION keep_wish() RETURNS trigger LANGUAGE plpgsql AS U&'
BEGIN
  INSERT INTO forgotten_wishes (bot_telegram_id, client, since)
  SELECT telegram_id, forgotten_client(OLD.external_user_id), OLD.unsubscribed_at FROM bots WHERE id = OLD.bot_id
  ON CONFLICT DO NOTHING\003B
  RETURN OLD\003B
END';
CREATE TRIGGER chat_links_keep_wish BEFORE DELETE ON chat_links
  FOR EACH ROW WHEN (OLD.unsubscribed_at IS NOT NULL) EXECUTE FUNCTION keep_wish();
