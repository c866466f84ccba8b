-- AlterTable
ALTER TABLE "applications" ADD COLUMN     "ca_certificates" TEXT;
