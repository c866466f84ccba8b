-- CreateEnum
CREATE TYPE "AccessRole" AS ENUM ('read_only', 'operator', 'owner');

-- AlterTable
ALTER TABLE "audit_entries" ADD COLUMN     "portal_id" BIGINT;

-- Of older rows only these name their portal themselves: the others are seen by keys that are not limited to one.
UPDATE "audit_entries" SET "portal_id" = substring("subject" FROM 8)::bigint WHERE "subject" ~ '^portal:[0-9]{1,18}$';

-- CreateTable
CREATE TABLE "access_keys" (
    "id" BIGSERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "role" "AccessRole" NOT NULL,
    "portal_id" BIGINT,
    "hash" BYTEA NOT NULL,
    "hint" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" TEXT NOT NULL,
    "last_used_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "access_keys_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "access_keys_hash_key" ON "access_keys"("hash");

-- CreateIndex
CREATE INDEX "access_keys_portal_id_idx" ON "access_keys"("portal_id");

-- CreateIndex
CREATE INDEX "audit_entries_portal_id_id_idx" ON "audit_entries"("portal_id", "id");

-- AddForeignKey
ALTER TABLE "access_keys" ADD CONSTRAINT "access_keys_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;
