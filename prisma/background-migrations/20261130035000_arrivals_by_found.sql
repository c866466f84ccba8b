CREATE INDEX CONCURRENTLY "arrivals_by_found" ON "arrivals" ("portal_id", "found_type", "found_id");
