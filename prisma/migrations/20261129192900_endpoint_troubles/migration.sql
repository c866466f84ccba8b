-- AlterTable
ALTER TABLE "endpoints" ADD COLUMN     "trouble_code" TEXT,
ADD COLUMN     "trouble_detail" TEXT,
ADD COLUMN     "trouble_since" TIMESTAMPTZ(3);
