CREATE INDEX CONCURRENTLY "messages_strata_by_id" ON "messages" ("portal_id", "bot_id", "direction", "state", "id");
