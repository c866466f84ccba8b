-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "not_own_words" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "quoted" JSONB;
