-- CreateTable
CREATE TABLE "database_identity" (
    "only_row" BOOLEAN NOT NULL DEFAULT true,
    "value" TEXT NOT NULL,

    CONSTRAINT "database_identity_pkey" PRIMARY KEY ("only_row")
);
