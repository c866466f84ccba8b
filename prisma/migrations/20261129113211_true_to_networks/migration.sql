-- AlterTable
ALTER TABLE "lines" ADD COLUMN     "operator_data" TEXT,
ADD COLUMN     "operator_names" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "start_opens_session" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "chat_links" ADD COLUMN     "dialog_open" BOOLEAN,
ADD COLUMN     "dialog_title" TEXT,
ADD COLUMN     "last_source" TEXT;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "can_wait" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "source" TEXT;
