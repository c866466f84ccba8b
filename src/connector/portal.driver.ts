import { Logger } from '@nestjs/common';
import { RateLimiter } from '../bitrix/rate-limiter.js';
import { UpstreamError } from '../common/upstream-error.js';
import type { EndpointDriver, HeldLease, LaneResult } from '../relay/endpoint-driver.js';
import type { ClaimedLane } from '../storage/lanes.repository.js';
import type { PortalRecord, PortalsRepository } from '../storage/portals.repository.js';
import type { PortalSender } from './portal.sender.js';

const CONCURRENCY = 20;
const PARKED_MS = 5_000;
/** How long a look at the portal serves for planning; before a call leaves, RestClient looks again. */
const LOOK_MS = 500;
/** Deliveries that one status call reports. */
const STATUSES_PER_CALL = 50;

/** Drives one portal: the clients' words and the delivery statuses, as fast as its limits allow. */
export class PortalDriver implements EndpointDriver {
  readonly concurrency = CONCURRENCY;
  private readonly logger = new Logger(PortalDriver.name);
  private readonly pending = new Set<Promise<unknown>>();
  private look: { until: number; portal: Promise<PortalRecord | undefined> } | null = null;

  constructor(
    private readonly id: bigint,
    private readonly held: HeldLease,
    private readonly portals: PortalsRepository,
    private readonly limiter: RateLimiter,
    private readonly sender: PortalSender,
    private readonly requestsPerSecond: number,
  ) {}

  start(): void {}

  async stop(): Promise<void> {
    await Promise.allSettled(this.pending);
  }

  refresh(): void {
    this.look = null;
  }

  health(): { healthy: boolean; detail?: string } {
    return { healthy: true };
  }

  async permits(max: number): Promise<{ granted: number; retryInMs: number }> {
    const portal = await this.portal();
    if (portal?.state !== 'active') return { granted: 0, retryInMs: PARKED_MS };
    const granted = await this.limiter.tryReserve(this.id, max);
    return { granted, retryInMs: granted > 0 ? 0 : Math.max(20, 1000 / this.requestsPerSecond) };
  }

  giveBack(count: number): void {
    if (count <= 0) return;
    const released = this.limiter.release(this.id, count).catch((error: unknown) => {
      this.logger.debug(
        { portalId: String(this.id), err: error },
        'Permits were not given back; the bucket refills by itself',
      );
    });
    this.pending.add(released);
    void released.then(() => this.pending.delete(released));
  }

  /** Words one call a chat; statuses of many chats of a line share a call. */
  send(lanes: ClaimedLane[]): Promise<LaneResult>[] {
    const portal = this.portal();
    const shared = this.statusCalls(lanes, portal);
    const calls = new Set(shared.values()).size + lanes.filter((lane) => !shared.has(lane)).length;
    this.giveBack(lanes.length - calls);
    return lanes.map((lane) => {
      const result = shared.get(lane) ?? this.guarded([lane], portal, (active) => this.sender.sendWords(active, lane));
      return result.then((results) => results.get(lane)!);
    });
  }

  private portal(): Promise<PortalRecord | undefined> {
    if (!this.look || performance.now() >= this.look.until) {
      const portal = this.portals.findById(this.id);
      this.look = { until: performance.now() + LOOK_MS, portal };
      portal.catch(() => (this.look = null));
    }
    return this.look.portal;
  }

  private statusCalls(
    lanes: ClaimedLane[],
    portal: Promise<PortalRecord | undefined>,
  ): Map<ClaimedLane, Promise<Map<ClaimedLane, LaneResult>>> {
    const groups = new Map<string, ClaimedLane[][]>();
    for (const lane of lanes) {
      if (lane.channel !== 'status' && lane.channel !== 'reading') continue;
      const key = `${lane.channel}/${lane.chat.lineId}`;
      const calls = groups.get(key) ?? [[]];
      const size = calls.at(-1)!.reduce((sum, member) => sum + member.deliveries.length, 0);
      if (size > 0 && size + lane.deliveries.length > STATUSES_PER_CALL) calls.push([lane]);
      else calls.at(-1)!.push(lane);
      groups.set(key, calls);
    }
    const shared = new Map<ClaimedLane, Promise<Map<ClaimedLane, LaneResult>>>();
    for (const members of [...groups.values()].flat()) {
      const call = this.guarded(members, portal, (active) => this.sender.reportStatus(active, members));
      for (const member of members) shared.set(member, call);
    }
    return shared;
  }

  /** Turns whatever goes wrong into a result for each lane: a send never rejects. */
  private async guarded(
    lanes: ClaimedLane[],
    portal: Promise<PortalRecord | undefined>,
    send: (portal: PortalRecord) => Promise<LaneResult | undefined>,
  ): Promise<Map<ClaimedLane, LaneResult>> {
    let shared: LaneResult | undefined;
    let error: UpstreamError | undefined;
    try {
      const active = await portal;
      if (!this.held.held || active?.state !== 'active') {
        this.giveBack(1);
        throw notNow(this.held.held ? 'PORTAL_PARKED' : 'LEASE_LOST');
      }
      shared = await send(active);
    } catch (cause) {
      if (cause instanceof UpstreamError) {
        error = cause;
      } else {
        this.logger.error({ portalId: String(this.id), err: cause }, 'A message could not be prepared');
        error = notNow('INTERNAL', cause);
      }
    }
    return new Map(
      lanes.map((lane) => [
        lane,
        shared ?? {
          deliveries: lane.deliveries.map(({ seq }) =>
            error ? { seq, delivered: false as const, error } : { seq, delivered: true as const },
          ),
        },
      ]),
    );
  }
}

function notNow(code: string, cause?: unknown): UpstreamError {
  return new UpstreamError(
    {
      network: 'bitrix24',
      kind: 'not_sent',
      scope: 'message',
      code,
      detail: 'The call was not made; it will be tried again.',
    },
    { cause },
  );
}
