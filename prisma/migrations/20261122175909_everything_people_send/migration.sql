-- CreateEnum
CREATE TYPE "OperatorName" AS ENUM ('hidden', 'name', 'template');

-- AlterEnum
-- This migration adds more than one value to an enum.
-- With PostgreSQL versions 11 and earlier, this is not possible
-- in a single migration. This can be worked around by creating
-- multiple migrations, each migration adding only one value to
-- the enum.


ALTER TYPE "DeliveryKind" ADD VALUE 'edit';
ALTER TYPE "DeliveryKind" ADD VALUE 'delete';

-- AlterTable
ALTER TABLE "lines" ADD COLUMN     "operator_name" "OperatorName" NOT NULL DEFAULT 'hidden',
ADD COLUMN     "operator_name_template" TEXT;

-- AlterTable
ALTER TABLE "chat_links" ADD COLUMN     "avatar_checked_at" TIMESTAMPTZ(3),
ADD COLUMN     "avatar_file_id" TEXT,
ADD COLUMN     "avatar_unique_id" TEXT,
ADD COLUMN     "banned_at" TIMESTAMPTZ(3),
ADD COLUMN     "phone" TEXT,
ADD COLUMN     "source" TEXT;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "album_id" TEXT,
ADD COLUMN     "attached" SMALLINT NOT NULL DEFAULT 0,
ADD COLUMN     "deleted_at" TIMESTAMPTZ(3),
ADD COLUMN     "edited_at" TIMESTAMPTZ(3),
ADD COLUMN     "reply_quote" TEXT,
ADD COLUMN     "reply_to_id" BIGINT,
ADD COLUMN     "system_line" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "business_connections" (
    "bot_id" BIGINT NOT NULL,
    "id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "owner_id" BIGINT,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "can_reply" BOOLEAN NOT NULL DEFAULT true,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "business_connections_pkey" PRIMARY KEY ("bot_id","id")
);

-- CreateTable
CREATE TABLE "attachments" (
    "message_id" BIGINT NOT NULL,
    "ordinal" SMALLINT NOT NULL,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "mime" TEXT,
    "size" BIGINT,
    "label" TEXT NOT NULL,
    "telegram_file_id" TEXT,
    "telegram_unique_id" TEXT,
    "url" TEXT,

    CONSTRAINT "attachments_pkey" PRIMARY KEY ("message_id","ordinal")
);

-- CreateTable
CREATE TABLE "revisions" (
    "message_id" BIGINT NOT NULL,
    "number" INTEGER NOT NULL,
    "text" TEXT NOT NULL,
    "marks" JSONB NOT NULL DEFAULT '[]',
    "deleted" BOOLEAN NOT NULL DEFAULT false,
    "raw" JSONB,
    "said_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "revisions_pkey" PRIMARY KEY ("message_id","number")
);

-- CreateTable
CREATE TABLE "uploads" (
    "bot_id" BIGINT NOT NULL,
    "digest" BYTEA NOT NULL,
    "kind" TEXT NOT NULL,
    "file_id" TEXT NOT NULL,
    "used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "uploads_pkey" PRIMARY KEY ("bot_id","digest","kind")
);

-- CreateIndex
CREATE INDEX "chat_links_bot_id_telegram_chat_id_idx" ON "chat_links"("bot_id", "telegram_chat_id");

-- AddForeignKey
ALTER TABLE "business_connections" ADD CONSTRAINT "business_connections_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "bots"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "attachments" ADD CONSTRAINT "attachments_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "revisions" ADD CONSTRAINT "revisions_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "bots"("id") ON DELETE CASCADE ON UPDATE CASCADE;
