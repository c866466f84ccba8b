CREATE INDEX CONCURRENTLY "chat_links_by_dialog" ON "chat_links" ("portal_id", "bitrix_chat_id");
