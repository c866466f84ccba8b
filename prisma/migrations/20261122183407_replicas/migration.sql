-- CreateTable
CREATE TABLE "replicas" (
    "instance" TEXT NOT NULL,
    "seen_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "replicas_pkey" PRIMARY KEY ("instance")
);
