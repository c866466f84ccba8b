/**
 * Waits so many milliseconds, or until the signal is aborted, whichever comes first; never rejects. (Not by
 * node:timers/promises: fake timers of tests do not reach it.)
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
}
