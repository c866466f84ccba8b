-- CreateEnum
CREATE TYPE "ButtonKind" AS ENUM ('send', 'vote', 'phone');

-- AlterTable
ALTER TABLE "lines" ADD COLUMN     "welcome_asks_phone" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "keyboard" JSONB,
ADD COLUMN     "keyboard_over" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "buttons" (
    "id" TEXT NOT NULL,
    "message_id" BIGINT NOT NULL,
    "chat_id" BIGINT NOT NULL,
    "kind" "ButtonKind" NOT NULL,
    "text" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "session_id" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "closed_at" TIMESTAMPTZ(3),
    "pressed_by" TEXT,

    CONSTRAINT "buttons_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "buttons_message_id_idx" ON "buttons"("message_id");

-- CreateIndex
CREATE INDEX "buttons_chat_id_idx" ON "buttons"("chat_id");

-- AddForeignKey
ALTER TABLE "buttons" ADD CONSTRAINT "buttons_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;
