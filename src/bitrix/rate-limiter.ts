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
/** How long a portal's own figures are believed, in milliseconds: another replica may have changed them. */
const BELIEVED_MS = 10_000;

/**
 * A portal's leaky bucket of requests, shared by all processes that call from this address (Bitrix24 counts per
 * portal and source IP: 50 requests, 2 leak per second; apidocs.bitrix24.com, "Limits"). Counting is GCRA: one
 * timestamp per portal, moved by one statement on the database's clock.
 */
@Injectable()
export class RateLimiter {
  /** Of portals that have none of their own. */
  private readonly common: PortalBucket;
  private readonly known = new Map<bigint, { until: number; bucket: Promise<PortalBucket> }>();

  constructor(
    private readonly limits: RestLimitsRepository,
    environment: Environment,
  ) {
    this.common = portalBucket(environment.B24_REQUESTS_PER_SECOND, environment.B24_BURST);
  }

  /** Takes `permits` and answers in how many milliseconds they may be used; whoever does not wait gives them back. */
  async reserve(portalId: bigint, permits = 1): Promise<number> {
    const bucket = await this.bucketOf(portalId);
    return bucket.unlimited ? 0 : this.limits.take(portalId, permits, bucket);
  }

  /** Takes what may be used at once without waiting, at most `max` permits, and answers how many those are. */
  async tryReserve(portalId: bigint, max: number): Promise<number> {
    const bucket = await this.bucketOf(portalId);
    return bucket.unlimited ? max : this.limits.takeFree(portalId, max, bucket);
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
    const bucket = await this.bucketOf(portalId);
    if (bucket.unlimited) return true;
    return (await this.limits.takeFree(portalId, 1, bucket, Math.min(others, bucket.half))) > 0;
  }

  /** The same, waiting for it for so many milliseconds at most. */
  async waitForSpare(portalId: bigint, longestMs: number): Promise<boolean> {
    const { intervalMs } = await this.bucketOf(portalId);
    for (const end = performance.now() + longestMs; ; await sleep(Math.min(intervalMs / 2, longestMs))) {
      if (await this.takeSpare(portalId)) return true;
      if (performance.now() >= end) return false;
    }
  }

  /** Gives back permits that were reserved and not used. */
  async release(portalId: bigint, permits: number): Promise<void> {
    const bucket = await this.bucketOf(portalId);
    if (!bucket.unlimited && permits > 0) await this.limits.give(portalId, permits, bucket);
  }

  /**
   * After QUERY_LIMIT_EXCEEDED: somebody else fills the same bucket, so ours counts as full. Answers the
   * milliseconds until the next call.
   */
  async penalise(portalId: bigint): Promise<number> {
    const { unlimited, capacityMs, intervalMs, toleranceMs } = await this.bucketOf(portalId);
    if (!unlimited) await this.limits.rest(portalId, '', capacityMs + intervalMs);
    return Math.ceil(capacityMs + intervalMs * 2 - toleranceMs);
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

  /** At most ten seconds old. */
  private bucketOf(portalId: bigint): Promise<PortalBucket> {
    const now = performance.now();
    const known = this.known.get(portalId);
    if (known && now < known.until) return known.bucket;
    const bucket = this.readBucket(portalId);
    this.known.set(portalId, { until: now + BELIEVED_MS, bucket });
    bucket.catch(() => this.known.delete(portalId));
    return bucket;
  }

  private async readBucket(portalId: bigint): Promise<PortalBucket> {
    const own = await this.limits.ownBucket(portalId);
    const { requestsPerSecond, burst } = this.common;
    return portalBucket(own?.requestsPerSecond ?? requestsPerSecond, own?.requestBurst ?? burst);
  }
}

/** The bucket of one portal, and what follows from it. */
interface PortalBucket extends Bucket {
  requestsPerSecond: number;
  burst: number;
  capacityMs: number;
  /** What may be left in the bucket at most: half of one that is small. */
  half: number;
  unlimited: boolean;
}

function portalBucket(requestsPerSecond: number, burst: number): PortalBucket {
  const intervalMs = 1000 / requestsPerSecond;
  const toleranceMs = Math.max(1, burst - MARGIN) * intervalMs;
  return {
    requestsPerSecond,
    burst,
    intervalMs,
    toleranceMs,
    capacityMs: burst * intervalMs,
    half: Math.floor(toleranceMs / intervalMs / 2),
    unlimited: requestsPerSecond >= UNLIMITED_PER_SECOND,
  };
}
