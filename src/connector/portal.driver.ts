import { Logger } from '@nestjs/common';
import { bitrixProblem } from '../bitrix/bitrix-problems.js';
import { RateLimiter } from '../bitrix/rate-limiter.js';
import { RestTroubles } from '../bitrix/rest-troubles.js';
import { UpstreamError } from '../common/upstream-error.js';
import type { EndpointDriver, EndpointHealth, HeldLease, LaneResult, Permits } from '../relay/endpoint-driver.js';
import type { ClaimedLane } from '../storage/work/claimed-lane.js';
import type { PortalRecord, PortalsRepository } from '../storage/accounts/portals.repository.js';
import { planCalls, type PlannedCall } from './dialogs/call-plan.js';
import type { DialogTitles } from './dialogs/dialog-titles.service.js';
import type { MessengerEvents } from './events/messenger-events.service.js';
import type { MissedMessagesService } from './events/missed-messages.service.js';
import { done, failed, untried } from './dialogs/lane-results.js';
import type { PortalSender } from './dialogs/portal.sender.js';
import type { ServiceLinesSender } from './dialogs/service-lines.sender.js';
import { PortalBackground } from './portal-background.js';
import { LOOK_MS, PortalLook } from './portal-look.js';
import { CHATS_PER_CALL, PortalSpeed } from './portal-speed.js';

/** Requests to one portal at the same time; more would only queue inside it. */
const CALLS_IN_FLIGHT = 10;
const PARKED_MS = 5_000;
/** How long statuses leave all the requests that a portal allows to the words of clients. */
const STATUSES_WAIT_MS = 10_000;

/** Drives one portal: sends clients' words and delivery statuses as fast as its limits allow. */
export class PortalDriver implements EndpointDriver {
  readonly concurrency = CALLS_IN_FLIGHT * CHATS_PER_CALL;
  /** The outcome of any call that is in doubt can be looked up in the dialog. */
  readonly inDoubt = Infinity;
  private readonly logger = new Logger(PortalDriver.name);
  private readonly look: PortalLook;
  private readonly background: PortalBackground;
  private readonly speed = new PortalSpeed();
  private readonly pending = new Set<Promise<unknown>>();
  private inFlight = 0;
  /** Requests reserved by `permits` for the next `send`. */
  private reserved = 0;
  /** Until then the portal's bucket has no room: it need not be asked. */
  private fullUntil = 0;

  constructor(
    private readonly id: bigint,
    private readonly held: HeldLease,
    portals: PortalsRepository,
    private readonly limiter: RateLimiter,
    troubles: RestTroubles,
    private readonly sender: PortalSender,
    private readonly lines: ServiceLinesSender,
    missed: MissedMessagesService,
    titles: DialogTitles,
    messengerEvents: MessengerEvents,
    private readonly requestsPerSecond: number,
  ) {
    this.look = new PortalLook(id, portals, troubles, (portal) => this.background.noticePause(portal));
    this.background = new PortalBackground(id, held, portals, this.look, lines, missed, titles, messengerEvents);
  }

  start(): void {
    this.background.start();
  }

  async stop(): Promise<void> {
    this.background.stop();
    await Promise.allSettled(this.pending);
  }

  /** Also after the database was away: events that came meanwhile were refused, and Bitrix24 posts each only once. */
  refresh(): void {
    this.look.refresh();
    this.background.lookForMissedNow();
  }

  health(): EndpointHealth {
    return { healthy: true };
  }

  get headsPerLane(): number {
    return this.speed.messagesPerChat;
  }

  async permits(max: number): Promise<Permits> {
    const free = Math.min(max, CALLS_IN_FLIGHT - this.inFlight);
    if (free <= 0) return { granted: 0, retryInMs: PARKED_MS };
    const portal = await this.look.portal();
    if (portal?.state !== 'active') {
      const removed = portal === undefined || portal.state === 'uninstalled';
      return { granted: 0, retryInMs: PARKED_MS, ...(!removed && { obstacle: 'trouble' }) };
    }
    const restMs = await this.look.restMs();
    if (restMs > 0) return { granted: 0, retryInMs: Math.min(restMs, LOOK_MS), obstacle: 'trouble' };
    const now = performance.now();
    if (now < this.fullUntil) return { granted: 0, retryInMs: this.fullUntil - now, obstacle: 'limit' };
    this.reserved = await this.limiter.tryReserve(this.id, free);
    if (this.reserved === 0) {
      this.fullUntil = now + this.intervalMs;
      return { granted: 0, retryInMs: this.intervalMs, obstacle: 'limit' };
    }
    return { granted: Math.min(max, this.reserved * this.speed.chatsPerCall), retryInMs: 0 };
  }

  giveBack(): void {
    const unused = this.reserved;
    this.reserved = 0;
    if (unused === 0) return;
    this.track(
      this.limiter.release(this.id, unused).catch((error: unknown) => {
        this.logger.debug(
          { portalId: String(this.id), err: error },
          'Could not give unused permits back; the bucket refills by itself',
        );
      }),
    );
  }

  send(lanes: ClaimedLane[]): Promise<LaneResult>[] {
    const results = new Map<ClaimedLane, Promise<LaneResult>>();
    // Left by an older version: read reports, which do nothing in Bitrix24.
    const idle = lanes.filter(({ channel }) => channel === 'reading');
    for (const lane of idle) results.set(lane, Promise.resolve(done(lane)));
    let overdue = false;
    for (const call of planCalls(
      lanes.filter((lane) => !results.has(lane)),
      this.reserved,
    )) {
      const permit = this.reserved > 0;
      if (call.kind === 'status' && !permit) {
        // Without a permit it goes before the next words, but one at a time and only after it has waited.
        if (overdue || !hasWaited(call.lanes)) {
          for (const lane of call.lanes) results.set(lane, Promise.resolve(this.later(lane)));
          continue;
        }
        overdue = true;
      }
      if (permit) this.reserved--;
      this.inFlight++;
      const answers = this.make(call, permit).finally(() => this.inFlight--);
      call.lanes.forEach((lane, index) =>
        results.set(
          lane,
          answers.then((all) => all[index]!),
        ),
      );
    }
    this.giveBack();
    if (lanes.some(({ channel }) => channel === 'inbound')) this.background.someoneWrote();
    return lanes.map((lane) => results.get(lane)!);
  }

  private later({ deliveries }: ClaimedLane): LaneResult {
    return { deliveries: deliveries.map(untried), nextInMs: this.intervalMs };
  }

  /** Milliseconds until the portal's bucket has room for one request more. */
  private get intervalMs(): number {
    return Math.max(20, 1000 / this.requestsPerSecond);
  }

  /** Makes one request. Whatever goes wrong becomes a result for each lane: a send never rejects. */
  private async make(call: PlannedCall, permit: boolean): Promise<LaneResult[]> {
    try {
      const portal = await this.look.portal();
      if (!this.held.held) throw notNow('LEASE_LOST');
      if (portal?.state !== 'active') throw notNow('PORTAL_PARKED');
      return await this.carryOut(call, portal, permit);
    } catch (cause) {
      if (!(cause instanceof UpstreamError)) {
        this.logger.error({ portalId: String(this.id), err: cause }, 'Could not prepare a request');
      }
      const error = cause instanceof UpstreamError ? cause : notNow('INTERNAL', cause);
      return call.lanes.map((lane) => failed(lane, error));
    }
  }

  private async carryOut(call: PlannedCall, portal: PortalRecord, permit: boolean): Promise<LaneResult[]> {
    const caller = {
      lease: this.held,
      timing: (seconds: number, messages: number) => this.speed.learn(seconds, messages),
    };
    switch (call.kind) {
      case 'words':
        return [await this.sender.sendWords(portal, call.lanes[0], caller, permit)];
      case 'lines':
        return [await this.lines.send(portal, call.lanes[0], caller, permit)];
      case 'batch':
        return this.sender.sendBatch(portal, call.lanes, caller, permit);
      case 'status':
        return this.sender.reportStatus(portal, call.lanes, caller, permit);
    }
  }

  private track(work: Promise<unknown>): void {
    this.pending.add(work);
    void work.finally(() => this.pending.delete(work));
  }
}

function hasWaited(lanes: ClaimedLane[]): boolean {
  const since = Math.min(...lanes.map(({ deliveries }) => deliveries[0]!.queuedAt.getTime()));
  return Date.now() - since > STATUSES_WAIT_MS;
}

function notNow(code: 'LEASE_LOST' | 'PORTAL_PARKED' | 'INTERNAL', cause?: unknown): UpstreamError {
  return bitrixProblem(code, 'The call was not made; it will be tried again.', { cause });
}
