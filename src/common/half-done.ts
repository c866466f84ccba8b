const finished = new WeakMap<object, string[]>();

/**
 * Does a change whose parts cannot be taken back together. Where it ends with an error, {@link doneBefore} tells of it
 * which parts were done by then.
 */
export async function inParts<Result>(change: (part: (name: string) => void) => Promise<Result>): Promise<Result> {
  const done: string[] = [];
  try {
    return await change((name) => void done.push(name));
  } catch (error) {
    if (typeof error === 'object' && error !== null) finished.set(error, done);
    throw error;
  }
}

/** Parts of a change that were done before it ended with this error. */
export function doneBefore(error: unknown): string[] {
  return (typeof error === 'object' && error !== null && finished.get(error)) || [];
}
