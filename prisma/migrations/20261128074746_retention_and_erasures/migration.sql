-- AlterTable
ALTER TABLE "portals" ADD COLUMN     "retention_days" INTEGER;

-- CreateTable
CREATE TABLE "erasures" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),
    "actor" TEXT NOT NULL,
    "portal_id" BIGINT,
    "subject" TEXT NOT NULL,
    "target" JSONB,
    "chats" INTEGER NOT NULL DEFAULT 0,
    "messages" INTEGER NOT NULL DEFAULT 0,
    "attachments" INTEGER NOT NULL DEFAULT 0,
    "revisions" INTEGER NOT NULL DEFAULT 0,
    "deliveries" INTEGER NOT NULL DEFAULT 0,
    "events" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "erasures_pkey" PRIMARY KEY ("id")
);
