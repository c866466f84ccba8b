import { describeStorageFailure, keepsNothing } from '../common/storage-failure.js';

/** One failure may be a hiccup: from this long on nothing can be stored. */
const HICCUP_MS = 1_000;
/** Whoever was refused tries again sooner than this; without a try nobody knows. */
const KNOWN_FOR_MS = 60_000;

/** Since when nothing that comes in could be stored, and why. */
export interface StoringTrouble {
  since: Date;
  said: string;
}

/** Learns from tries to store what comes in whether anything can be stored. One bad message is no such trouble. */
export class StoringTroubles {
  private failure: { since: number; last: number; said: string } | null = null;

  stored(): void {
    this.failure = null;
  }

  /** @param now milliseconds since 1970 */
  failed(error: unknown, now: number): void {
    if (!keepsNothing(error)) return;
    const goesOn = this.failure && now - this.failure.last <= KNOWN_FOR_MS;
    this.failure = { since: goesOn ? this.failure!.since : now, last: now, said: describeStorageFailure(error) };
  }

  /** Null: something was stored since, or nobody tried for a minute. */
  at(now: number): StoringTrouble | null {
    if (!this.failure) return null;
    const { since, last, said } = this.failure;
    return last - since >= HICCUP_MS && now - last <= KNOWN_FOR_MS ? { since: new Date(since), said } : null;
  }
}
