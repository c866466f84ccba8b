-- CreateTable
CREATE TABLE "rest_requests" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "method" TEXT NOT NULL,
    "commands" TEXT[],
    "at" TIMESTAMPTZ(3) NOT NULL,
    "duration_ms" INTEGER NOT NULL,
    "status" INTEGER,
    "error_code" TEXT,
    "bytes" INTEGER,
    "operating" DOUBLE PRECISION,

    CONSTRAINT "rest_requests_pkey" PRIMARY KEY ("portal_id","at","id")
);

-- CreateIndex
CREATE INDEX "rest_requests_at_idx" ON "rest_requests"("at");
