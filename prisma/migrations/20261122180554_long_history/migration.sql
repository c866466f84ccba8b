-- CreateTable
CREATE TABLE "message_words" (
    "message_id" BIGINT NOT NULL,
    "words" tsvector NOT NULL,

    CONSTRAINT "message_words_pkey" PRIMARY KEY ("message_id")
);

-- CreateTable
CREATE TABLE "message_counts" (
    "portal_id" BIGINT,
    "bot_id" BIGINT,
    "direction" "Direction" NOT NULL,
    "state" "MessageState" NOT NULL,
    "change" BIGINT NOT NULL
);

-- CreateIndex
CREATE INDEX "messages_created_at_id_idx" ON "messages"("created_at", "id");

-- AddForeignKey
ALTER TABLE "message_words" ADD CONSTRAINT "message_words_message_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE ON UPDATE CASCADE;
