import { grantIn, type Grant } from './grant.js';

/** Tokens a second in the long run, and how many may be taken at once after a rest. */
export interface Rate {
  perSecond: number;
  burst: number;
}

/** A token bucket in memory. Times are milliseconds of one monotonic clock. */
export class TokenBucket {
  constructor(
    private readonly rate: Rate,
    private at: number,
    private tokens = rate.burst,
  ) {}

  /** Tokens that are there; less than none where more was taken. */
  level(now: number): number {
    this.tokens = Math.min(this.rate.burst, this.tokens + ((now - this.at) / 1_000) * this.rate.perSecond);
    this.at = now;
    return this.tokens;
  }

  /** Takes tokens whether they are there or not. */
  take(tokens: number, now: number): void {
    this.tokens = this.level(now) - tokens;
  }

  /** Milliseconds until so many tokens are there if none is taken meanwhile. */
  waitMs(tokens: number, now: number): number {
    return Math.max(0, ((tokens - this.level(now)) / this.rate.perSecond) * 1_000);
  }
}

/** Most callers remembered at once; beyond it the one that was quiet longest is forgotten. */
const MOST_CALLERS = 10_000;

/** A token bucket for each caller. */
export class TokenBuckets {
  private readonly buckets = new Map<string, TokenBucket>();

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Takes one token, if there is one. */
  take(caller: string): Grant {
    const bucket = this.buckets.get(caller) ?? this.fresh();
    const grant = grantIn(bucket.waitMs(1, this.now()));
    if (!grant.granted) return grant;
    bucket.take(1, this.now());
    // Taken out and put in again, a caller moves to the end: the first one is always the quietest.
    this.buckets.delete(caller);
    this.buckets.set(caller, bucket);
    const [quietest] = this.buckets.keys();
    if (this.buckets.size > MOST_CALLERS && quietest !== undefined) this.buckets.delete(quietest);
    return grant;
  }

  /** Whether {@link take} would be granted. */
  look(caller: string): Grant {
    return grantIn((this.buckets.get(caller) ?? this.fresh()).waitMs(1, this.now()));
  }

  private fresh(): TokenBucket {
    return new TokenBucket({ perSecond: this.perSecond, burst: this.burst }, this.now());
  }
}
