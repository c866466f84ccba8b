import { setTimeout as pause } from 'node:timers/promises';
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
import { newReading, type MessengerEvents } from './events/messenger-events.service.js';
import type { MissedMessagesService } from './events/missed-messages.service.js';
import { done, failed, untried } from './dialogs/lane-results.js';
import type { PortalSender } from './dialogs/portal.sender.js';
import type { ServiceLinesSender } from './dialogs/service-lines.sender.js';

/** Requests to one portal at the same time; more would only queue inside it. */
const CALLS_IN_FLIGHT = 10;
/** A request should be answered long before Bitrix24 ends it (60 s): messages of one are chosen for this many seconds. */
const SECONDS_PER_CALL = 12;
const CHATS_PER_CALL = 50;
const MESSAGES_PER_CHAT = 10;
const PARKED_MS = 5_000;
/** So long ticks let words take all the requests that a portal allows. */
const TICKS_WAIT_MS = 10_000;
/** Dialogs that may hold messages whose events never came: those alive, and at a start all recent ones. */
const ALIVE_MINUTES = 30;
const RECENT_MINUTES = 7 * 24 * 60;
const NEXT_LOOK_MS = 60_000;
/** After a look that failed. */
const LOOK_AGAIN_MS = 5_000;
/** Titles of dialogs that are new at about the same time share a request. */
const TITLES_MS = 2_000;
/** Events of the messenger are a second source: the first one has time to tell the same before they count. */
const MESSENGER_EVENTS_MS = 15_000;
/** How long a look at the portal serves for planning; before a call leaves, RestClient looks again. */
const LOOK_MS = 500;

/** Drives one portal: the clients' words and the delivery statuses, as fast as its limits allow. */
export class PortalDriver implements EndpointDriver {
  readonly concurrency = CALLS_IN_FLIGHT * CHATS_PER_CALL;
  /** What is in doubt can be looked up in the dialog. */
  readonly inDoubt = Infinity;
  private readonly logger = new Logger(PortalDriver.name);
  private readonly pending = new Set<Promise<unknown>>();
  private readonly stopping = new AbortController();
  /** Aborted: the next look for missed messages is due at once. */
  private lookNow = new AbortController();
  /** The pause of answers that the latest look was, or is, made for; milliseconds since 1970. */
  private knownPause: number | undefined;
  /** Aborted: somebody wrote, perhaps in a dialog without its title. */
  private mayBeUntitled = new AbortController();
  private inFlight = 0;
  /** Requests reserved by `permits` for the next `send`. */
  private reserved = 0;
  /** Until then the portal's bucket has no room: it need not be asked. */
  private fullUntil = 0;
  /** How long the portal takes for one message, smoothed; seconds. */
  private secondsPerMessage = 0.1;
  private look: { until: number; portal: Promise<PortalRecord | undefined> } | null = null;
  /** The same for how long the portal as a whole is left alone, milliseconds. */
  private rest: { until: number; ms: Promise<number> } | null = null;

  constructor(
    private readonly id: bigint,
    private readonly held: HeldLease,
    private readonly portals: PortalsRepository,
    private readonly limiter: RateLimiter,
    private readonly troubles: RestTroubles,
    private readonly sender: PortalSender,
    private readonly lines: ServiceLinesSender,
    private readonly missed: MissedMessagesService,
    private readonly titles: DialogTitles,
    private readonly messengerEvents: MessengerEvents,
    private readonly requestsPerSecond: number,
  ) {}

  start(): void {
    void this.lookForMissed(this.stopping.signal);
    void this.nameDialogs(this.stopping.signal);
    void this.readMessengerEvents(this.stopping.signal);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.allSettled(this.pending);
  }

  /** Also after the database was away: events that came meanwhile were refused, and Bitrix24 posts each only once. */
  refresh(): void {
    this.look = null;
    this.rest = null;
    this.lookNow.abort();
  }

  health(): EndpointHealth {
    return { healthy: true };
  }

  /** Messages of one chat that travel together: fewer where the portal is slow. */
  get headsPerLane(): number {
    return Math.max(1, Math.min(MESSAGES_PER_CHAT, Math.floor(this.messagesPerCall / CHATS_PER_CALL)));
  }

  async permits(max: number): Promise<Permits> {
    const free = Math.min(max, CALLS_IN_FLIGHT - this.inFlight);
    if (free <= 0) return { granted: 0, retryInMs: PARKED_MS };
    const portal = await this.portal();
    if (portal?.state !== 'active') {
      const removed = portal === undefined || portal.state === 'uninstalled';
      return { granted: 0, retryInMs: PARKED_MS, ...(!removed && { obstacle: 'trouble' }) };
    }
    const restMs = await this.restMs();
    if (restMs > 0) return { granted: 0, retryInMs: Math.min(restMs, LOOK_MS), obstacle: 'trouble' };
    const now = performance.now();
    if (now < this.fullUntil) return { granted: 0, retryInMs: this.fullUntil - now, obstacle: 'limit' };
    this.reserved = await this.limiter.tryReserve(this.id, free);
    if (this.reserved === 0) {
      this.fullUntil = now + this.intervalMs;
      return { granted: 0, retryInMs: this.intervalMs, obstacle: 'limit' };
    }
    const chatsPerCall = Math.max(1, Math.min(CHATS_PER_CALL, this.messagesPerCall));
    return { granted: Math.min(max, this.reserved * chatsPerCall), retryInMs: 0 };
  }

  giveBack(): void {
    const unused = this.reserved;
    this.reserved = 0;
    if (unused === 0) return;
    this.track(
      this.limiter.release(this.id, unused).catch((error: unknown) => {
        this.logger.debug({ portalId: String(this.id), err: error }, 'Permits were not given back; the bucket refills');
      }),
    );
  }

  send(lanes: ClaimedLane[]): Promise<LaneResult>[] {
    const results = new Map<ClaimedLane, Promise<LaneResult>>();
    // Left by a version that still sent read reports, which do nothing in Bitrix24.
    const idle = lanes.filter(({ channel }) => channel === 'reading');
    for (const lane of idle) results.set(lane, Promise.resolve(done(lane)));
    let overdue = false;
    for (const call of planCalls(
      lanes.filter((lane) => !results.has(lane)),
      this.reserved,
    )) {
      const permit = this.reserved > 0;
      if (call.kind === 'status' && !permit) {
        // Without one it takes its turn before the words that come next: one at a time, and not before it has waited.
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
    if (lanes.some(({ channel }) => channel === 'inbound')) this.mayBeUntitled.abort();
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
      const portal = await this.portal();
      if (!this.held.held) throw notNow('LEASE_LOST');
      if (portal?.state !== 'active') throw notNow('PORTAL_PARKED');
      return await this.carryOut(call, portal, permit);
    } catch (cause) {
      if (!(cause instanceof UpstreamError)) {
        this.logger.error({ portalId: String(this.id), err: cause }, 'A request could not be prepared');
      }
      const error = cause instanceof UpstreamError ? cause : notNow('INTERNAL', cause);
      return call.lanes.map((lane) => failed(lane, error));
    }
  }

  private portal(): Promise<PortalRecord | undefined> {
    if (!this.look || performance.now() >= this.look.until) {
      const portal = this.portals.findById(this.id).then((found) => this.noticePause(found));
      this.look = { until: performance.now() + LOOK_MS, portal };
      portal.catch(() => (this.look = null));
    }
    return this.look.portal;
  }

  /** Looked at as often as the portal itself, so that it goes on soon after somebody put things right. */
  private restMs(): Promise<number> {
    if (!this.rest || performance.now() >= this.rest.until) {
      const ms = this.troubles.portalRestMs(this.id);
      this.rest = { until: performance.now() + LOOK_MS, ms };
      ms.catch(() => (this.rest = null));
    }
    return this.rest.ms;
  }

  /** Another replica may have paused the answers: it cannot tell us, and only we look through the dialogs. */
  private noticePause(portal: PortalRecord | undefined): PortalRecord | undefined {
    const pausedUntil = portal?.answersPausedUntil?.getTime();
    if (pausedUntil !== undefined && pausedUntil !== this.knownPause) this.lookNow.abort();
    return portal;
  }

  private async carryOut(call: PlannedCall, portal: PortalRecord, permit: boolean): Promise<LaneResult[]> {
    const caller = { lease: this.held, timing: (seconds: number, messages: number) => this.learn(seconds / messages) };
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

  private get messagesPerCall(): number {
    return Math.max(1, Math.floor(SECONDS_PER_CALL / this.secondsPerMessage));
  }

  /** Slowness is believed quickly, recovery slowly. */
  private learn(secondsPerMessage: number): void {
    const weight = secondsPerMessage > this.secondsPerMessage ? 0.5 : 0.1;
    this.secondsPerMessage += weight * (Math.max(secondsPerMessage, 0.001) - this.secondsPerMessage);
  }

  /**
   * Looks again and again, soon again after a failure. Paused answers wait only for the dialogs that are alive:
   * in the others nothing is under way that could be overtaken.
   *
   * One case stays: a replica that took events is killed while another one drives the portal. Nobody can know then
   * that an event was lost, and it is found by the next look, perhaps after a later message was sent.
   */
  private async lookForMissed(signal: AbortSignal): Promise<void> {
    let lookedAt: number | undefined;
    for (let afterMs = 0; !signal.aborted;) {
      const early = AbortSignal.any([signal, this.lookNow.signal]);
      await pause(afterMs, undefined, { signal: early }).catch(() => undefined);
      if (this.lookNow.signal.aborted) this.lookNow = new AbortController();
      if (signal.aborted) return;
      afterMs = LOOK_AGAIN_MS;
      try {
        const portal = this.held.held ? await this.portals.findById(this.id) : undefined;
        if (portal?.state !== 'active' || (await this.restMs()) > 0) continue;
        const begun = Date.now();
        const pausedUntil = portal.answersPausedUntil;
        this.knownPause = pausedUntil?.getTime();
        const sinceLookMs = begun - (lookedAt ?? begun);
        if (pausedUntil || lookedAt === undefined) await this.lines.eventsMayBeLost(this.id);
        await this.lines.wakeForgotten(this.id);
        await this.missed.collect(portal, ALIVE_MINUTES + Math.ceil(sinceLookMs / 60_000), signal);
        if (signal.aborted) return;
        if (pausedUntil) await this.portals.resumeAnswers(this.id, pausedUntil);
        if (lookedAt === undefined) await this.missed.collect(portal, RECENT_MINUTES, signal);
        lookedAt = begun;
        afterMs = NEXT_LOOK_MS;
      } catch (error) {
        if (signal.aborted) return;
        this.logger.warn(
          { portalId: String(this.id), err: error },
          'Dialogs could not be read for missed messages; later again',
        );
      }
    }
  }

  /** Dialogs are named a moment after somebody wrote in them, and whoever was renamed without a word at the next look. */
  private async nameDialogs(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const early = AbortSignal.any([signal, this.mayBeUntitled.signal]);
      await pause(NEXT_LOOK_MS, undefined, { signal: early }).catch(() => undefined);
      await pause(TITLES_MS, undefined, { signal }).catch(() => undefined);
      if (this.mayBeUntitled.signal.aborted) this.mayBeUntitled = new AbortController();
      if (signal.aborted) return;
      try {
        const portal = this.held.held ? await this.portal() : undefined;
        if (portal?.state === 'active' && !(await this.titles.tell(portal, signal))) this.mayBeUntitled.abort();
      } catch (error) {
        if (signal.aborted) return;
        this.logger.debug({ portalId: String(this.id), err: error }, 'Dialogs keep their titles for now');
        await pause(NEXT_LOOK_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** While dialogs are alive; events of a portal at rest stay in its queue for a day. */
  private async readMessengerEvents(signal: AbortSignal): Promise<void> {
    const reading = newReading();
    while (!signal.aborted) {
      await pause(MESSENGER_EVENTS_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const portal = this.held.held ? await this.portal() : undefined;
        if (portal?.state !== 'active' || (await this.restMs()) > 0) continue;
        await this.messengerEvents.read(portal, reading, ALIVE_MINUTES, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.logger.debug({ portalId: String(this.id), err: error }, 'Events of the messenger could not be read now');
      }
    }
  }

  private track(work: Promise<unknown>): void {
    this.pending.add(work);
    void work.finally(() => this.pending.delete(work));
  }
}

function hasWaited(lanes: ClaimedLane[]): boolean {
  const since = Math.min(...lanes.map(({ deliveries }) => deliveries[0]!.queuedAt.getTime()));
  return Date.now() - since > TICKS_WAIT_MS;
}

function notNow(code: 'LEASE_LOST' | 'PORTAL_PARKED' | 'INTERNAL', cause?: unknown): UpstreamError {
  return bitrixProblem(code, 'The call was not made; it will be tried again.', { cause });
}
