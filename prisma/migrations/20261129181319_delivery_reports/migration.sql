-- DropIndex
DROP INDEX "dialog_reports_due_at_idx";

-- DropIndex
DROP INDEX "dialog_reports_portal_id_idx";

-- CreateIndex
CREATE INDEX "dialog_reports_portal_id_due_at_idx" ON "dialog_reports"("portal_id", "due_at");
