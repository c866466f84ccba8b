import type { DeliveryResult } from './endpoint-driver.js';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 3_000;
/** Failures in a row, and of how many different chats, after which it is the endpoint that is ill. */
const FAILURES = 3;

/**
 * Tells one chat's trouble from the endpoint's. It opens when several chats in a row failed for reasons that are
 * not theirs; then one probe at a time goes out, after pauses of 1 to 3 s, until one succeeds.
 */
export class Circuit {
  private readonly failing = new Set<bigint>();
  private failures = 0;
  private pauses = 0;
  /** Time of the next probe. */
  private resumeAt = 0;
  /** How long a probe that is on its way may keep the next one waiting. */
  private probeUntil = 0;
  /** Until when the network itself asked us to be silent. */
  private silentUntil = 0;

  /** Lanes that may be sent now, at most `max`. */
  allowance(max: number, now: number): number {
    if (this.waitMs(now) > 0) return 0;
    return this.open ? Math.min(max, 1) : max;
  }

  /** Lanes are on their way. A probe that hangs must not keep the next one from being made. */
  sent(now: number): void {
    if (this.open) this.probeUntil = now + LONGEST_PAUSE_MS;
  }

  get open(): boolean {
    return this.failures >= FAILURES && this.failing.size >= FAILURES;
  }

  /** Milliseconds until something may be sent. */
  waitMs(now: number): number {
    return Math.max(0, this.resumeAt - now, this.probeUntil - now, this.silentUntil - now);
  }

  /** The probe was not sent, or learned nothing about the network: the next one need not wait for it. */
  unproven(): void {
    this.probeUntil = 0;
  }

  /**
   * What an outcome says about the network as a whole. Returns the lanes that failed in an outage which it ended: they
   * may go now.
   */
  heard(laneId: bigint, result: DeliveryResult, now: number): bigint[] {
    if (result.delivered || ('postponed' in result && result.postponed.begun)) return this.succeeded();
    if ('postponed' in result) {
      this.unproven();
      return [];
    }
    const { kind, scope, retryAfterMs } = result.error;
    // An answer, even a "no" or, for one chat, a "later", shows that the network is well.
    if (kind === 'refused' || (kind === 'not_sent' && scope === 'chat')) return this.succeeded();
    if (scope !== 'endpoint' && kind !== 'unknown') this.unproven();
    else if (retryAfterMs !== undefined) this.pause(retryAfterMs, now);
    else this.failed(laneId, now);
    return [];
  }

  /** The lanes that failed in an outage which this success ended: they may go now. */
  succeeded(): bigint[] {
    const waiting = this.open ? [...this.failing] : [];
    this.failing.clear();
    this.failures = 0;
    this.pauses = 0;
    this.resumeAt = 0;
    this.probeUntil = 0;
    return waiting;
  }

  failed(laneId: bigint, now: number): void {
    this.failures++;
    this.failing.add(laneId);
    this.probeUntil = 0;
    if (this.open) {
      this.resumeAt = now + Math.min(FIRST_PAUSE_MS * 2 ** this.pauses, LONGEST_PAUSE_MS);
      this.pauses++;
    }
  }

  /** The network itself named a time for the whole endpoint. */
  pause(ms: number, now: number): void {
    this.silentUntil = Math.max(this.silentUntil, now + ms);
  }
}
