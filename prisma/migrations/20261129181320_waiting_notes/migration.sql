-- What a Prisma schema cannot say. Written by hand, left alone by prisma/write-migration.mjs.

-- Which notes are due? They are few, beside delivery reports that a portal in trouble leaves waiting by the million.
CREATE INDEX "dialog_reports_notes" ON "dialog_reports" ("due_at") WHERE "kind" = 'note';
