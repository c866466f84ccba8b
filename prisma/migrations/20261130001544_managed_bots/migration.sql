-- CreateEnum
CREATE TYPE "BotRequestState" AS ENUM ('waiting', 'started', 'made', 'connected', 'failed');

-- CreateTable
CREATE TABLE "manager_bots" (
    "telegram_id" BIGINT NOT NULL,
    "username" TEXT,
    "trouble" TEXT DEFAULT 'not_read',
    "detail" TEXT,
    "reader" TEXT,
    "read_until" TIMESTAMPTZ(3),

    CONSTRAINT "manager_bots_pkey" PRIMARY KEY ("telegram_id")
);

-- CreateTable
CREATE TABLE "managed_bots" (
    "telegram_id" BIGINT NOT NULL,
    "manager_id" BIGINT NOT NULL,
    "owner_id" BIGINT NOT NULL,
    "username" TEXT,
    "name" TEXT,
    "token_due_at" TIMESTAMPTZ(3),
    "token_asked_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "managed_bots_pkey" PRIMARY KEY ("telegram_id")
);

-- CreateTable
CREATE TABLE "bot_requests" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "line_id" TEXT NOT NULL,
    "line_name" TEXT,
    "manager_id" BIGINT NOT NULL,
    "code_hash" BYTEA NOT NULL,
    "name" TEXT NOT NULL,
    "username" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "state" "BotRequestState" NOT NULL DEFAULT 'waiting',
    "person_id" BIGINT,
    "language" TEXT,
    "bot_telegram_id" BIGINT,
    "error" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "due_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "bot_requests_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "managed_bots_owner_id_idx" ON "managed_bots"("owner_id");

-- CreateIndex
CREATE INDEX "managed_bots_token_due_at_idx" ON "managed_bots"("token_due_at");

-- CreateIndex
CREATE UNIQUE INDEX "bot_requests_code_hash_key" ON "bot_requests"("code_hash");

-- CreateIndex
CREATE INDEX "bot_requests_portal_id_line_id_id_idx" ON "bot_requests"("portal_id", "line_id", "id");

-- CreateIndex
CREATE INDEX "bot_requests_person_id_idx" ON "bot_requests"("person_id");

-- CreateIndex
CREATE INDEX "bot_requests_bot_telegram_id_idx" ON "bot_requests"("bot_telegram_id");

-- CreateIndex
CREATE INDEX "bot_requests_due_at_idx" ON "bot_requests"("due_at");

-- AddForeignKey
ALTER TABLE "bot_requests" ADD CONSTRAINT "bot_requests_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;
