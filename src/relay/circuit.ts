import type { DeliveryResult } from './endpoint-driver.js';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 3_000;
/** After this many failures in a row, in as many different chats, the endpoint itself is in trouble. */
const FAILURES = 3;

/**
 * Tells a chat in trouble from an endpoint in trouble. It opens when several chats in a row failed for reasons that are
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
  /** The network asked us to send nothing until then. */
  private silentUntil = 0;

  /** Lanes that may be sent now, at most `max`. */
  allowance(max: number, now: number): number {
    if (this.waitMs(now) > 0) return 0;
    return this.open ? Math.min(max, 1) : max;
  }

  /** Lanes were sent. A probe that hangs must not block the next one. */
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

  /** The probe was not sent or showed nothing about the network: the next one does not wait for it. */
  unproven(): void {
    this.probeUntil = 0;
  }

  /**
   * Learns from an outcome about the network as a whole. When it ends an outage, returns the lanes that failed in it:
   * they may go now.
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

  /** Returns the lanes that failed in the outage that this success ended, if there was one. */
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

  /** The network named a waiting time for the whole endpoint. */
  pause(ms: number, now: number): void {
    this.silentUntil = Math.max(this.silentUntil, now + ms);
  }
}
