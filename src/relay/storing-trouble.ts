import { describeStorageFailure, keepsNothing } from '../common/storage-failure.js';

/** Failures for less than this are a hiccup. */
const HICCUP_MS = 1_000;
/** A refused sender retries sooner than this; without a try the state is unknown. */
const KNOWN_FOR_MS = 60_000;

/** Since when incoming messages cannot be stored, and why. */
export interface StoringTrouble {
  since: Date;
  said: string;
}

/** Learns from attempts to store incoming messages whether anything can be stored. One bad message does not count. */
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

  /** Null: something has been stored since, or nothing was tried for a minute. */
  at(now: number): StoringTrouble | null {
    if (!this.failure) return null;
    const { since, last, said } = this.failure;
    return last - since >= HICCUP_MS && now - last <= KNOWN_FOR_MS ? { since: new Date(since), said } : null;
  }
}
