-- CreateTable
CREATE TABLE "portal_features" (
    "portal_id" BIGINT NOT NULL,
    "feature" TEXT NOT NULL,
    "wanted" BOOLEAN NOT NULL,
    "state" TEXT,
    "detail" TEXT,
    "stamp" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "checked_at" TIMESTAMPTZ(3),

    CONSTRAINT "portal_features_pkey" PRIMARY KEY ("portal_id","feature")
);

-- AddForeignKey
ALTER TABLE "portal_features" ADD CONSTRAINT "portal_features_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;
