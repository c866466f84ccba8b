-- CreateTable
CREATE TABLE "left_dialogs" (
    "portal_id" BIGINT NOT NULL,
    "bitrix_chat_id" TEXT NOT NULL,
    "chat_id" BIGINT NOT NULL,
    "line_id" TEXT NOT NULL,
    "bitrix_user_id" TEXT,
    "bitrix_session_id" TEXT,
    "looked_session_id" TEXT,
    "left_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "left_dialogs_pkey" PRIMARY KEY ("portal_id","bitrix_chat_id")
);

-- CreateIndex
CREATE INDEX "left_dialogs_chat_id_idx" ON "left_dialogs"("chat_id");

-- AddForeignKey
ALTER TABLE "left_dialogs" ADD CONSTRAINT "left_dialogs_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "left_dialogs" ADD CONSTRAINT "left_dialogs_chat_id_fkey" FOREIGN KEY ("chat_id") REFERENCES "chat_links"("id") ON DELETE CASCADE ON UPDATE CASCADE;
