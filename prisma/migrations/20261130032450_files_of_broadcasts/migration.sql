-- AlterTable
ALTER TABLE "answer_files" ADD COLUMN     "broadcast_id" BIGINT;

-- AlterTable
ALTER TABLE "broadcasts" ADD COLUMN     "pause_reason" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "answer_files_broadcast_id_name_key" ON "answer_files"("broadcast_id", "name");

-- AddForeignKey
ALTER TABLE "answer_files" ADD CONSTRAINT "answer_files_broadcast_id_fkey" FOREIGN KEY ("broadcast_id") REFERENCES "broadcasts"("id") ON DELETE SET NULL ON UPDATE CASCADE;
