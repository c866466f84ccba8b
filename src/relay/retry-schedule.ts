/** Keeps chats that failed together from retrying together. */
const JITTER = 0.2;
const FIRST_MS = 1_000;
const QUICK_CAP_MS = 5_000;
const SLOW_CAP_MS = 600_000;

/**
 * Milliseconds until the next try: 1, 2, 4, 5 s, then growing with the age of the message (5 s at ten minutes,
 * 30 s at an hour, at most ten minutes), with ±20 % jitter. Messages follow within seconds after a short outage, and a
 * long one costs little.
 *
 * @param attempt number of the attempt that failed, from 1
 * @param ageMs   how long the message has been waiting
 * @param random  0 ≤ random < 1
 */
export function retryDelay(attempt: number, ageMs: number, random: number): number {
  const quick = Math.min(FIRST_MS * 2 ** Math.min(attempt - 1, 10), QUICK_CAP_MS);
  const slow = Math.min(Math.max(0, ageMs) / 120, SLOW_CAP_MS);
  return Math.round(Math.max(quick, slow) * (1 - JITTER + 2 * JITTER * random));
}
