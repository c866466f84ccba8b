import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { RestLimitsRepository, type Bucket } from '../storage/work/rest-limits.repository.js';

/** Requests that the network bunches up on their way must not overflow the real bucket. */
const MARGIN = 2;

/** Requests that must be left in the bucket after one is made that can wait: everything else goes first. */
const SPARE_REQUESTS = 19;
/** The same for the ticks of deliveries, which wait for words only. */
const SPARE_FOR_WORDS = 9;

/** From this rate on (a box without limits, tests) counting would cost more than it protects. */
const UNLIMITED_PER_SECOND = 1_000;

/**
 * A portal's leaky bucket of requests, shared by all processes that call from this address (Bitrix24 counts per
 * portal and source IP: 50 requests, 2 leak per second; apidocs.bitrix24.com, "Limits"). Counting is GCRA: one
 * timestamp per portal, moved by one statement on the database's clock.
 */
@Injectable()
export class RateLimiter {
  private readonly bucket: Bucket;
  private readonly capacityMs: number;
  private readonly unlimited: boolean;
  /** What may be left in the bucket at most: half of one that is small. */
  private readonly half: number;

  constructor(
    private readonly limits: RestLimitsRepository,
    environment: Environment,
  ) {
    const intervalMs = 1000 / environment.B24_REQUESTS_PER_SECOND;
    this.unlimited = environment.B24_REQUESTS_PER_SECOND >= UNLIMITED_PER_SECOND;
    this.bucket = { intervalMs, toleranceMs: Math.max(1, environment.B24_BURST - MARGIN) * intervalMs };
    this.half = Math.floor(this.bucket.toleranceMs / intervalMs / 2);
    this.capacityMs = environment.B24_BURST * intervalMs;
  }

  /** Takes `permits` and answers in how many milliseconds they may be used; whoever does not wait gives them back. */
  async reserve(portalId: bigint, permits = 1): Promise<number> {
    return this.unlimited ? 0 : this.limits.take(portalId, permits, this.bucket);
  }

  /** Takes what may be used at once without waiting, at most `max` permits, and answers how many those are. */
  async tryReserve(portalId: bigint, max: number): Promise<number> {
    return this.unlimited ? max : this.limits.takeFree(portalId, max, this.bucket);
  }

  /** Takes one permit where so many are left that nothing else has to wait for it; true: it was taken. */
  takeSpare(portalId: bigint): Promise<boolean> {
    return this.takeBehind(portalId, SPARE_REQUESTS);
  }

  /** The same for a request that only the words of clients go before. */
  takeBehindWords(portalId: bigint): Promise<boolean> {
    return this.takeBehind(portalId, SPARE_FOR_WORDS);
  }

  private async takeBehind(portalId: bigint, others: number): Promise<boolean> {
    if (this.unlimited) return true;
    return (await this.limits.takeFree(portalId, 1, this.bucket, Math.min(others, this.half))) > 0;
  }

  /** The same, waiting for it for so many milliseconds at most. */
  async waitForSpare(portalId: bigint, longestMs: number): Promise<boolean> {
    for (const end = performance.now() + longestMs; ; await sleep(Math.min(this.bucket.intervalMs / 2, longestMs))) {
      if (await this.takeSpare(portalId)) return true;
      if (performance.now() >= end) return false;
    }
  }

  /** Gives back permits that were reserved and not used. */
  async release(portalId: bigint, permits: number): Promise<void> {
    if (!this.unlimited && permits > 0) await this.limits.give(portalId, permits, this.bucket);
  }

  /**
   * After QUERY_LIMIT_EXCEEDED: somebody else fills the same bucket, so ours counts as full. Answers the
   * milliseconds until the next call.
   */
  async penalise(portalId: bigint): Promise<number> {
    if (!this.unlimited) await this.limits.rest(portalId, '', this.capacityMs + this.bucket.intervalMs);
    return Math.ceil(this.capacityMs + this.bucket.intervalMs * 2 - this.bucket.toleranceMs);
  }

  /** Lets one method of one portal rest, as OPERATION_TIME_LIMIT asks. */
  async pauseMethod(portalId: bigint, method: string, forMs: number): Promise<void> {
    await this.limits.rest(portalId, method.toLowerCase(), forMs);
  }

  /** Until when a method of a portal rests; undefined when it may be called. */
  async methodPausedUntil(portalId: bigint, method: string): Promise<Date | undefined> {
    const rest = (await this.limits.rests(portalId)).find((known) => known.method === method.toLowerCase());
    return rest && rest.restMs > 0 ? new Date(Date.now() + rest.restMs) : undefined;
  }
}
