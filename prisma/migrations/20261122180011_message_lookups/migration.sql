-- What a Prisma schema cannot say. Written by hand, left alone by prisma/write-migration.mjs.

-- An update with a media_group_id asks: did other parts of this album come already?
CREATE INDEX "messages_album" ON "messages" ("chat_id", "album_id") WHERE "album_id" IS NOT NULL;

-- An event about an edit or a deletion, and a quote, ask: which message of the portal is this?
CREATE INDEX "messages_bitrix_id" ON "messages" ("portal_id", "bitrix_message_id") WHERE "bitrix_message_id" IS NOT NULL;
