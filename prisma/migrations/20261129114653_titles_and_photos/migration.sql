-- AlterTable
ALTER TABLE "chat_links" ADD COLUMN     "refused_photo" TEXT,
ALTER COLUMN "dialog_title" SET DEFAULT '';

-- Finds the few dialogs whose title the portal is still to be told (DialogTitlesRepository.due).
CREATE INDEX "chat_links_untitled_idx" ON "chat_links"("portal_id")
  WHERE "bitrix_chat_id" IS NOT NULL AND "dialog_title" IS DISTINCT FROM "title"
    AND ("dialog_title" IS NOT NULL OR "type" <> 'private');
