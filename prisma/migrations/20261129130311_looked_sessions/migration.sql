-- AlterTable
ALTER TABLE "chat_links" ADD COLUMN     "looked_session_id" TEXT;
