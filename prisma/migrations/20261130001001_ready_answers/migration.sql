-- CreateTable
CREATE TABLE "ready_answers" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "line_id" TEXT,
    "title" TEXT NOT NULL,
    "shortcut" TEXT,
    "text" TEXT NOT NULL DEFAULT '',
    "language" TEXT,
    "position" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" TEXT NOT NULL,
    "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ready_answers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "answer_files" (
    "id" BIGSERIAL NOT NULL,
    "portal_id" BIGINT NOT NULL,
    "answer_id" BIGINT,
    "name" TEXT NOT NULL,
    "mime" TEXT,
    "size" INTEGER NOT NULL,
    "content" BYTEA NOT NULL,
    "used_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "answer_files_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "ready_answers_portal_id_position_idx" ON "ready_answers"("portal_id", "position");

-- CreateIndex
CREATE INDEX "answer_files_portal_id_idx" ON "answer_files"("portal_id");

-- CreateIndex
CREATE UNIQUE INDEX "answer_files_answer_id_name_key" ON "answer_files"("answer_id", "name");

-- AddForeignKey
ALTER TABLE "ready_answers" ADD CONSTRAINT "ready_answers_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "answer_files" ADD CONSTRAINT "answer_files_portal_id_fkey" FOREIGN KEY ("portal_id") REFERENCES "portals"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "answer_files" ADD CONSTRAINT "answer_files_answer_id_fkey" FOREIGN KEY ("answer_id") REFERENCES "ready_answers"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Read in parts: PostgreSQL would decompress all of it for each.
ALTER TABLE "answer_files" ALTER COLUMN "content" SET STORAGE EXTERNAL;
