/** One thing that must be true for messages to flow. */
export class Check {
  /** Stable; begins with `portal:<id>:` or `bot:<id>:` where it is about one. */
  id: string;
  ok: boolean;

  /** What was found, for programs that word it themselves. */
  code: string;

  /** What the words are made of: names, counts, ISO 8601 times, seconds; which ones depends on `code`. */
  params: Record<string, unknown>;

  /** What was found, in English. */
  what: string;

  /** What to do, in English; '' where there is nothing to do. */
  advice: string;
}

export class Diagnosis {
  /** Every check is. */
  ok: boolean;
  checks: Check[];
}
