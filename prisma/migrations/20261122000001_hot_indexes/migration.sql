-- What a Prisma schema cannot say. Written by hand, left alone by prisma/write-migration.mjs.
-- (No semicolon in comments: the WebAssembly engine with its driver adapter splits scripts at every one of them.)

-- The claim asks: which free lanes of this endpoint have work that is due, the urgent and the oldest first?
-- Only lanes with work and without a send in flight are in the index, so its size follows the work at hand and
-- neither the number of chats ever seen nor the length of a lane's backlog, and a scan of it is already in order.
CREATE INDEX "lanes_due" ON "lanes" ("endpoint", "priority", "due_at") WHERE "pending" > 0 AND "busy_fence" IS NULL;

-- A replica that takes an endpoint over asks: which lanes did my predecessor leave in the middle of a send?
-- Holds the sends in flight only: a few rows per endpoint.
CREATE INDEX "lanes_busy" ON "lanes" ("endpoint") WHERE "busy_fence" IS NOT NULL;

-- `pending` counts the lane's deliveries. A miscount must fail the transaction that makes it, because a lane that
-- believes it has no work is never looked at again.
ALTER TABLE "lanes" ADD CONSTRAINT "lanes_pending_not_negative" CHECK ("pending" >= 0);
