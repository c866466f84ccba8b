/** Most callers remembered at once; beyond it the one that was quiet longest is forgotten. */
const MOST_CALLERS = 10_000;

/** Leaky buckets in memory, one per caller: `burst` at once, `perSecond` in the long run. */
export class TokenBuckets {
  private readonly buckets = new Map<string, { tokens: number; at: number }>();

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Takes one token. The answer is 0, or the seconds after which there will be one. */
  take(caller: string): number {
    const tokens = this.tokensOf(caller);
    if (tokens < 1) return (1 - tokens) / this.perSecond;
    // Taken out and put in again, a caller moves to the end: the first one is always the quietest.
    this.buckets.delete(caller);
    this.buckets.set(caller, { tokens: tokens - 1, at: this.now() });
    const [quietest] = this.buckets.keys();
    if (this.buckets.size > MOST_CALLERS && quietest !== undefined) this.buckets.delete(quietest);
    return 0;
  }

  /** Seconds until the caller has a token, without taking it; 0: there is one. */
  wait(caller: string): number {
    return Math.max(0, (1 - this.tokensOf(caller)) / this.perSecond);
  }

  private tokensOf(caller: string): number {
    const bucket = this.buckets.get(caller);
    if (!bucket) return this.burst;
    return Math.min(this.burst, bucket.tokens + ((this.now() - bucket.at) / 1000) * this.perSecond);
  }
}
