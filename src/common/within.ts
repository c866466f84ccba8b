/** How long a network that hands us a message waits for its answer, in milliseconds: longer, and it was not kept. */
export const INTAKE_LIMIT_MS = 6_000;

/** Thrown by {@link within}. */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError';
}

/**
 * The outcome of `work`, or {@link TimeLimitError} after `ms` milliseconds. The work itself goes on; a failure after
 * that is nobody's business any more.
 */
export async function within<Value>(ms: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TimeLimitError(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
