-- CreateTable
CREATE TABLE "manager_replies" (
    "id" BIGSERIAL NOT NULL,
    "manager_id" BIGINT NOT NULL,
    "cause" TEXT NOT NULL,
    "person_id" BIGINT NOT NULL,
    "message" JSONB NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "manager_replies_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "manager_replies_due_at_idx" ON "manager_replies"("due_at");

-- CreateIndex
CREATE INDEX "manager_replies_person_id_idx" ON "manager_replies"("person_id");

-- CreateIndex
CREATE INDEX "manager_replies_created_at_idx" ON "manager_replies"("created_at");

-- CreateIndex
CREATE UNIQUE INDEX "manager_replies_manager_id_cause_key" ON "manager_replies"("manager_id", "cause");
