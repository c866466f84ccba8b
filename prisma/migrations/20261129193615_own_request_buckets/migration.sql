-- AlterTable
ALTER TABLE "portals" ADD COLUMN     "request_burst" INTEGER,
ADD COLUMN     "requests_per_second" DOUBLE PRECISION;
