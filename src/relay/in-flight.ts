/** A lane counts as young while it has been in flight for less than this; most answers come sooner. */
const YOUNG_MS = 1_000;

/** A lane on its way, by when it was sent. */
export interface Sent {
  readonly at: number;
}

/**
 * What one worker has sent and not recorded yet, and so how much more may leave. All times are those of
 * `performance.now()`, in milliseconds.
 */
export class InFlight {
  private readonly awaited = new Set<Sent>();
  private unrecorded = 0;

  sent(now: number): Sent {
    const sent = { at: now };
    this.awaited.add(sent);
    return sent;
  }

  answered(sent: Sent): void {
    this.awaited.delete(sent);
  }

  /** An outcome is known and must be recorded. */
  records(): void {
    this.unrecorded++;
  }

  /** It is recorded, or never will be. */
  recorded(): void {
    this.unrecorded--;
  }

  get empty(): boolean {
    return this.awaited.size === 0 && this.unrecorded === 0;
  }

  /** Lanes that may leave now: see {@link EndpointDriver} for the two bounds. */
  room(limits: { concurrency: number; inDoubt: number }, now: number): number {
    const young = [...this.awaited].filter(({ at }) => now - at < YOUNG_MS).length;
    return Math.min(limits.concurrency - this.awaited.size, limits.inDoubt - young - this.unrecorded);
  }

  /** Milliseconds until the oldest of the young lanes stops being young; undefined: none is young. */
  agesInMs(now: number): number | undefined {
    // In the order in which they were sent.
    for (const { at } of this.awaited) if (now - at < YOUNG_MS) return at + YOUNG_MS - now;
    return undefined;
  }
}
