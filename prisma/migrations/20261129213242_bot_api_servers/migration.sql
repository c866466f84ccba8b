-- CreateEnum
CREATE TYPE "BotApiKind" AS ENUM ('telegram', 'local');

-- AlterTable
ALTER TABLE "bots" ADD COLUMN     "api_kind" "BotApiKind",
ADD COLUMN     "api_root" TEXT;
