-- AlterTable
ALTER TABLE "send_requests" ADD COLUMN     "process" TEXT;

-- CreateIndex
CREATE INDEX "links_used_by_idx" ON "links"("used_by");

-- CreateIndex
CREATE INDEX "send_requests_done_at_idx" ON "send_requests"("done_at");
