-- CreateTable
CREATE TABLE "background_migrations" (
    "name" TEXT NOT NULL,
    "mark" BIGINT,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "background_migrations_pkey" PRIMARY KEY ("name")
);

-- The indexes of this schema are built by prisma/background-migrations, which keep no writer away.
