-- CreateEnum
CREATE TYPE "PortalState" AS ENUM ('active', 'reauthorise', 'uninstalled');

-- CreateEnum
CREATE TYPE "TokenState" AS ENUM ('valid', 'dead');

-- CreateEnum
CREATE TYPE "LineState" AS ENUM ('active', 'inactive', 'deleted');

-- CreateEnum
CREATE TYPE "BotMode" AS ENUM ('polling', 'webhook');

-- CreateEnum
CREATE TYPE "BotState" AS ENUM ('active', 'conflict', 'unauthorised', 'disabled');

-- CreateEnum
CREATE TYPE "ChatState" AS ENUM ('active', 'blocked');

-- CreateEnum
CREATE TYPE "Direction" AS ENUM ('inbound', 'outbound');

-- CreateEnum
CREATE TYPE "MessageState" AS ENUM ('queued', 'delivered', 'failed', 'uncertain', 'ignored');

-- CreateEnum
CREATE TYPE "Channel" AS ENUM ('inbound', 'outbound', 'status', 'reading');

-- CreateEnum
CREATE TYPE "DeliveryKind" AS ENUM ('message', 'note', 'status', 'reading');

-- CreateEnum
CREATE TYPE "DeliveryState" AS ENUM ('queued', 'sending');

-- CreateTable
CREATE TABLE "portals" (
    "id" BIGSERIAL NOT NULL,
    "member_id" TEXT NOT NULL,
    "domain" TEXT NOT NULL,
    "client_endpoint" TEXT NOT NULL,
    "oauth_origin" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "client_secret" TEXT,
    "application_token_hash" BYTEA,
    "scope" TEXT NOT NULL DEFAULT '',
    "language" TEXT NOT NULL DEFAULT 'en',
    "connector_id" TEXT NOT NULL,
    "state" "PortalState" NOT NULL DEFAULT 'active',
    "state_reason" TEXT,
    "installed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "portals_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tokens" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "user_id" TEXT NOT NULL,
    "is_admin" BOOLEAN NOT NULL DEFAULT false,
    "is_installer" BOOLEAN NOT NULL DEFAULT false,
    "access_token" TEXT NOT NULL,
    "refresh_token" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "refreshed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "state" "TokenState" NOT NULL DEFAULT 'valid',
    "state_reason" TEXT,

    CONSTRAINT "tokens_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "oauth_states" (
    "hash" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "oauth_states_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "rest_limits" (
    "portal_id" BIGINT NOT NULL,
    "method" TEXT NOT NULL,
    "until" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "rest_limits_pkey" PRIMARY KEY ("portal_id","method")
);

-- CreateTable
CREATE TABLE "lines" (
    "portal_id" BIGINT NOT NULL,
    "line_id" TEXT NOT NULL,
    "state" "LineState" NOT NULL DEFAULT 'active',
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "lines_pkey" PRIMARY KEY ("portal_id","line_id")
);

-- CreateTable
CREATE TABLE "bots" (
    "id" BIGSERIAL NOT NULL,
    "key" TEXT NOT NULL,
    "telegram_id" BIGINT NOT NULL,
    "username" TEXT,
    "name" TEXT,
    "token" TEXT NOT NULL,
    "mode" "BotMode" NOT NULL DEFAULT 'polling',
    "webhook_secret" TEXT,
    "next_offset" BIGINT,
    "portal_id" BIGINT,
    "line_id" TEXT,
    "state" "BotState" NOT NULL DEFAULT 'active',
    "state_reason" TEXT,
    "is_default" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "bots_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "endpoints" (
    "id" TEXT NOT NULL,
    "owner" TEXT,
    "fence" BIGINT NOT NULL DEFAULT 0,
    "expires_at" TIMESTAMPTZ(3) NOT NULL DEFAULT '-infinity'::timestamptz,

    CONSTRAINT "endpoints_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "processed_events" (
    "source" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "processed_events_pkey" PRIMARY KEY ("source","key")
);

-- CreateTable
CREATE TABLE "events" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "name" TEXT NOT NULL,
    "raw" JSONB NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "chat_links" (
    "id" BIGSERIAL NOT NULL,
    "bot_id" BIGINT NOT NULL,
    "portal_id" BIGINT,
    "external_id" TEXT NOT NULL,
    "external_user_id" TEXT NOT NULL,
    "telegram_chat_id" BIGINT NOT NULL,
    "thread_id" BIGINT,
    "business_connection" TEXT,
    "type" TEXT NOT NULL DEFAULT 'private',
    "title" TEXT NOT NULL,
    "first_name" TEXT,
    "last_name" TEXT,
    "username" TEXT,
    "language" TEXT,
    "state" "ChatState" NOT NULL DEFAULT 'active',
    "state_reason" TEXT,
    "bitrix_chat_id" TEXT,
    "bitrix_user_id" TEXT,
    "bitrix_session_id" TEXT,
    "unseen_message_id" BIGINT,
    "last_inbound_at" TIMESTAMPTZ(3),
    "last_outbound_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "chat_links_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "messages" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT,
    "bot_id" BIGINT,
    "chat_id" BIGINT,
    "direction" "Direction" NOT NULL,
    "state" "MessageState" NOT NULL,
    "kind" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "marks" JSONB NOT NULL DEFAULT '[]',
    "author_id" TEXT,
    "author_name" TEXT,
    "external_chat_id" TEXT,
    "bitrix_message_id" TEXT,
    "bitrix_chat_id" TEXT,
    "unsigned" BOOLEAN NOT NULL DEFAULT false,
    "raw" JSONB NOT NULL,
    "error_code" TEXT,
    "error_detail" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "said_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "delivered_at" TIMESTAMPTZ(3),
    "seen_at" TIMESTAMPTZ(3),

    CONSTRAINT "messages_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "message_links" (
    "message_id" BIGINT NOT NULL,
    "part" INTEGER NOT NULL,
    "chat_id" BIGINT NOT NULL,
    "telegram_message_id" BIGINT NOT NULL,

    CONSTRAINT "message_links_pkey" PRIMARY KEY ("message_id","part")
);

-- CreateTable
CREATE TABLE "lanes" (
    "id" BIGSERIAL NOT NULL,
    "chat_id" BIGINT NOT NULL,
    "channel" "Channel" NOT NULL,
    "endpoint" TEXT NOT NULL,
    "priority" SMALLINT NOT NULL DEFAULT 0,
    "tail" BIGINT NOT NULL DEFAULT 0,
    "pending" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "busy_fence" BIGINT,

    CONSTRAINT "lanes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "deliveries" (
    "lane_id" BIGINT NOT NULL,
    "seq" BIGINT NOT NULL,
    "message_id" BIGINT NOT NULL,
    "kind" "DeliveryKind" NOT NULL,
    "state" "DeliveryState" NOT NULL DEFAULT 'queued',
    "payload" JSONB,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "unknown" BOOLEAN NOT NULL DEFAULT false,
    "started_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deliveries_pkey" PRIMARY KEY ("lane_id","seq")
);

-- CreateTable
CREATE TABLE "attempts" (
    "id" BIGSERIAL NOT NULL,
    "message_id" BIGINT NOT NULL,
    "kind" "DeliveryKind" NOT NULL,
    "number" INTEGER NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "outcome" TEXT NOT NULL,
    "code" TEXT,
    "detail" TEXT,
    "instance" TEXT NOT NULL,

    CONSTRAINT "attempts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_entries" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "detail" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "portals_member_id_key" ON "portals"("member_id");

-- CreateIndex
CREATE UNIQUE INDEX "tokens_portal_id_user_id_key" ON "tokens"("portal_id", "user_id");

-- CreateIndex
CREATE UNIQUE INDEX "bots_key_key" ON "bots"("key");

-- CreateIndex
CREATE UNIQUE INDEX "bots_telegram_id_key" ON "bots"("telegram_id");

-- CreateIndex
CREATE UNIQUE INDEX "bots_portal_id_line_id_key" ON "bots"("portal_id", "line_id");

-- CreateIndex
CREATE INDEX "processed_events_received_at_idx" ON "processed_events"("received_at");

-- CreateIndex
CREATE INDEX "events_portal_id_id_idx" ON "events"("portal_id", "id");

-- CreateIndex
CREATE INDEX "chat_links_portal_id_external_id_idx" ON "chat_links"("portal_id", "external_id");

-- CreateIndex
CREATE UNIQUE INDEX "chat_links_bot_id_external_id_key" ON "chat_links"("bot_id", "external_id");

-- CreateIndex
CREATE INDEX "messages_chat_id_id_idx" ON "messages"("chat_id", "id");

-- CreateIndex
CREATE INDEX "messages_portal_id_id_idx" ON "messages"("portal_id", "id");

-- CreateIndex
CREATE INDEX "messages_state_id_idx" ON "messages"("state", "id");

-- CreateIndex
CREATE INDEX "message_links_chat_id_telegram_message_id_idx" ON "message_links"("chat_id", "telegram_message_id");

-- CreateIndex
CREATE UNIQUE INDEX "lanes_chat_id_channel_key" ON "lanes"("chat_id", "channel");

-- CreateIndex
CREATE INDEX "deliveries_message_id_idx" ON "deliveries"("message_id");

-- CreateIndex
CREATE INDEX "attempts_message_id_idx" ON "attempts"("message_id");

-- CreateIndex
CREATE INDEX "audit_entries_at_idx" ON "audit_entries"("at");

-- AddForeignKey
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "lines" ADD CONSTRAINT "lines_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "bots" ADD CONSTRAINT "bots_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chat_links" ADD CONSTRAINT "chat_links_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "bots"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chat_links" ADD CONSTRAINT "chat_links_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "messages" ADD CONSTRAINT "messages_chat_id_fkey" FOREIGN KEY ("chat_id") REFERENCES "chat_links"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "message_links" ADD CONSTRAINT "message_links_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "attempts" ADD CONSTRAINT "attempts_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;
