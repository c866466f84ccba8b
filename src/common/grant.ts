/** Whether something may begin now; if not, after how many milliseconds it is worth asking again. */
export type Grant = { granted: true } | { granted: false; retryAfterMs: number };

export const GRANTED: Grant = { granted: true };

/** Granted when nothing has to be waited for. */
export function grantIn(waitMs: number): Grant {
  return waitMs > 0 ? { granted: false, retryAfterMs: waitMs } : GRANTED;
}
