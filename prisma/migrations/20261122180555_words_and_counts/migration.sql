-- What a Prisma schema cannot say. Written by hand, left alone by prisma/write-migration.mjs.
-- (No semicolon in comments or texts: the WebAssembly engine with its driver adapter splits scripts at every one of
-- them. Hence \003B in the function.)

-- A search asks: which messages have all of these words? New ones wait in the pending list of the index until it has
-- 256 kB, some 500 messages: whoever fills it sorts them in, and may be an intake, which must not take long over it.
CREATE INDEX "message_words_words" ON "message_words" USING gin ("words") WITH (gin_pending_list_limit = 256);

CREATE FUNCTION "count_messages"() RETURNS trigger LANGUAGE plpgsql AS U&'
BEGIN
  IF TG_OP <> ''DELETE'' THEN
    INSERT INTO message_counts (portal_id, bot_id, direction, state, change)
    SELECT portal_id, bot_id, direction, state, count(*) FROM added GROUP BY 1, 2, 3, 4\003B
  END IF\003B
  IF TG_OP <> ''INSERT'' THEN
    INSERT INTO message_counts (portal_id, bot_id, direction, state, change)
    SELECT portal_id, bot_id, direction, state, -count(*) FROM removed GROUP BY 1, 2, 3, 4\003B
  END IF\003B
  RETURN NULL\003B
END';

CREATE TRIGGER "messages_added" AFTER INSERT ON "messages"
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "count_messages"();
CREATE TRIGGER "messages_changed" AFTER UPDATE ON "messages"
  REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "count_messages"();
CREATE TRIGGER "messages_removed" AFTER DELETE ON "messages"
  REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION "count_messages"();

-- The triggers keep writers away until the commit, so nobody is missed and nobody is counted twice.
INSERT INTO "message_counts" ("portal_id", "bot_id", "direction", "state", "change")
SELECT "portal_id", "bot_id", "direction", "state", count(*) FROM "messages" GROUP BY 1, 2, 3, 4;
