/** One thing that must be true for messages to flow. */
export class Check {
  /** Stable; begins with `portal:<id>:` or `bot:<id>:` where it is about one. */
  id: string;
  ok: boolean;
  what: string;

  /** What to do; '' where there is nothing to do. */
  advice: string;
}

export class Diagnosis {
  /** Every check is. */
  ok: boolean;
  checks: Check[];
}
