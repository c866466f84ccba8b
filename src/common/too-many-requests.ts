import { Problem } from './problem.js';
import type { Grant } from './grant.js';

/** Throws a 429 problem with Retry-After unless all of them are granted. */
export function refuseOver(...grants: Grant[]): void {
  const waits = grants.map((grant) => (grant.granted ? 0 : grant.retryAfterMs));
  const retryAfter = Math.ceil(Math.max(...waits) / 1_000);
  if (retryAfter === 0) return;
  throw new Problem(429, 'too_many_requests', `Too many requests; again in ${retryAfter} s.`, { retryAfter });
}
