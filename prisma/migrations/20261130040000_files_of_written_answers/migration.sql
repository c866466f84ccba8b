-- AlterTable
ALTER TABLE "answer_files" ADD COLUMN     "chat_id" BIGINT,
ADD COLUMN     "created_by" TEXT,
ALTER COLUMN "content" DROP NOT NULL;

-- CreateTable
CREATE TABLE "answer_file_parts" (
    "file_id" BIGINT NOT NULL,
    "part" INTEGER NOT NULL,
    "content" BYTEA NOT NULL,

    CONSTRAINT "answer_file_parts_pkey" PRIMARY KEY ("file_id","part")
);

-- CreateIndex
CREATE INDEX "answer_files_chat_id_idx" ON "answer_files"("chat_id");

-- AddForeignKey
ALTER TABLE "answer_files" ADD CONSTRAINT "answer_files_chat_id_fkey" FOREIGN KEY ("chat_id") REFERENCES "chat_links"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "answer_file_parts" ADD CONSTRAINT "answer_file_parts_file_id_fkey" FOREIGN KEY ("file_id") REFERENCES "answer_files"("id") ON DELETE CASCADE ON UPDATE CASCADE;
