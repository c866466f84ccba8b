CREATE INDEX CONCURRENTLY "messages_strata_by_time" ON "messages" ("portal_id", "bot_id", "direction", "state", "created_at", "id");
