import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { drain, WakeableLoop } from '../../common/wakeable-loop.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { INTAKE_LIMIT_MS, within } from '../../common/within.js';
import { IntakeService } from '../../relay/intake.service.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { retryDelay } from '../../relay/retry-schedule.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { KnownRequest, RequestKey, SendSource } from '../../storage/crm/send-requests.js';
import {
  SendRequestsRepository,
  type ClaimedRequest,
  type ReceivedRequest,
} from '../../storage/crm/send-requests.repository.js';
import type { SendAnswer, SendRequest } from '../../storage/intake/own-messages.js';
import { isBot } from '../../storage/work/endpoint-id.js';
import { ClaimRenewals } from './claim-renewals.js';
import type { RequestSource } from './request-sources.js';

/** How often all are looked at; whoever knows of a change wakes the look, if it is in this process. */
const LOOK_MS = 5_000;
/** Ends that come within so long share a look. */
const GATHER_MS = 100;
const PORTALS_AT_ONCE = 20;
const CLAIMED_AT_ONCE = 20;
/** What is not begun by then is left for the next claim: another process may have more time. */
const BEGIN_WITHIN_MS = 60_000;
/** How long a call that is under way may hold up the end of the process. */
const DRAIN_MS = 2_000;
/** What could not be said, or told, for so long is given up: the table keeps why. */
const LIFETIME_MS = 3 * 24 * 3_600_000;
const TOO_LATE = { status: 'failed', code: 'too_late' };
const BANNED = { status: 'failed', code: 'banned' };
/** So long after a start bots may still bring what clients said while no program ran. */
const CATCHING_UP_MS = 60_000;
/** Nobody asks again with the same key after so long. */
const KEEP_DAYS = 90;
const PURGED_AT_ONCE = 10_000;
const HOUR_MS = 3_600_000;

/** Why a step failed. */
type Fault = Pick<UpstreamError, 'kind' | 'code' | 'detail' | 'retryAfterMs'>;

/**
 * What the program says on its own account: takes it, and brings whoever asked the outcome. The table is the truth, so any
 * replica may do any step, and a step that a kill interrupts is done again. Each portal's wait only for one another.
 */
@Injectable()
export class SendRequests implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(SendRequests.name);
  private readonly sources = new Map<SendSource, RequestSource>();
  /** By portal. */
  private readonly underWay = { doing: new Map<bigint, Promise<void>>(), telling: new Map<bigint, Promise<void>>() };
  private readonly loop = new WakeableLoop({
    look: () => this.look(),
    onError: (error) => {
      if (isStorageUnavailable(error)) this.logger.debug({ err: error }, 'Requests cannot be read now');
      else this.logger.error({ err: error }, 'Requests could not be read; tried again');
    },
    everyMs: LOOK_MS,
    gatherMs: GATHER_MS,
  });
  private readonly claims: ClaimRenewals;
  private startedAt = 0;
  /** Messages are on their way of which somebody wants to know the end. */
  private awaiting = false;
  /** Clients are to answer. */
  private listening = false;

  constructor(
    private readonly requests: SendRequestsRepository,
    private readonly portals: PortalsRepository,
    private readonly intake: IntakeService,
    relay: RelayEvents,
  ) {
    this.claims = new ClaimRenewals(requests);
    relay.on('recorded', (endpoints) => {
      if (this.awaiting && endpoints.some(isBot)) this.loop.wake();
    });
    relay.on('accepted', ({ direction }) => {
      if (direction === 'inbound' && this.listening) this.loop.wake();
    });
  }

  /** From here on requests of this source are worked on. */
  register(source: RequestSource): void {
    this.sources.set(source.source, source);
  }

  /** Says it, once for each key. Resolves after the commit; errors are those of the database. */
  async send(request: SendRequest): Promise<SendAnswer> {
    const [answer] = await this.sendAll([request]);
    return answer!;
  }

  /** What was said with this key; null: nothing. Errors are those of the database. */
  find(key: RequestKey): Promise<KnownRequest | null> {
    return this.requests.find(key);
  }

  /** The same for several, in one commit. */
  async sendAll(requests: SendRequest[]): Promise<SendAnswer[]> {
    const answers = await this.intake.acceptSendRequests(requests);
    if (requests.some(({ report }) => report !== undefined)) this.loop.wake();
    return answers;
  }

  /**
   * Keeps what is to be looked into later; false: it is known by its key. Resolves after the commit; throws the errors of
   * the database, and TimeLimitError when it takes too long for whoever waits for the answer.
   */
  async receive(request: ReceivedRequest): Promise<boolean> {
    const isNew = await within(INTAKE_LIMIT_MS, this.requests.receive(request));
    if (isNew) this.loop.wake();
    return isNew;
  }

  onApplicationBootstrap(): void {
    this.startedAt = Date.now();
    this.loop.start();
    this.claims.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    // A call may take longer than a process that leaves has; its claim runs out, and another one makes it.
    await drain([...this.underWay.doing.values(), ...this.underWay.telling.values()], DRAIN_MS);
    this.claims.stop();
  }

  @Interval(HOUR_MS)
  async forgetOld(): Promise<void> {
    try {
      // Also of portals that are not there.
      await this.requests.giveUpOld(LIFETIME_MS, TOO_LATE);
      while ((await this.requests.purge(KEEP_DAYS, PURGED_AT_ONCE)) === PURGED_AT_ONCE);
    } catch (error) {
      this.logger.warn({ err: error }, 'Old requests could not be removed; trying again in an hour');
    }
  }

  private async look(): Promise<void> {
    // What comes while the tables are read is for the next look.
    [this.awaiting, this.listening] = [true, true];
    this.awaiting = (await this.requests.noteEnds()) > 0;
    this.listening = (await this.requests.noteAnswers()) > 0;
    // What is to be done does not wait for what is to be told: a portal may take long over a report.
    await this.begin(this.underWay.doing, ['received', 'waiting']);
    await this.begin(this.underWay.telling, ['reporting']);
  }

  private async begin(underWay: Map<bigint, Promise<void>>, steps: readonly ClaimedRequest['state'][]): Promise<void> {
    if (underWay.size >= PORTALS_AT_ONCE || this.sources.size === 0) return;
    const claimed = await this.requests.claim([...this.sources.keys()], CLAIMED_AT_ONCE, [...underWay.keys()], steps);
    this.claims.keep(claimed);
    for (const portalId of new Set(claimed.map((request) => request.portalId))) {
      const own = claimed.filter((request) => request.portalId === portalId);
      const done = this.workOn(portalId, own).finally(() => {
        underWay.delete(portalId);
        this.claims.drop(...own);
        // What was done here may be the beginning of the next step, and there may be more than was claimed.
        this.loop.wake();
      });
      underWay.set(portalId, done);
    }
  }

  /** One after the other: they are in the order in which they came. Never rejects. */
  private async workOn(portalId: bigint, claimed: ClaimedRequest[]): Promise<void> {
    const begun = performance.now();
    try {
      const portal = await this.portals.findById(portalId);
      if (portal?.state !== 'active') return;
      for (const request of claimed) {
        if (this.loop.signal.aborted || performance.now() - begun > BEGIN_WITHIN_MS) return;
        await this.step(portal, request);
        this.claims.drop(request);
      }
    } catch (error) {
      this.logger.warn({ portalId: String(portalId), err: error }, 'Requests could not be worked on; later again');
    }
  }

  private async step(portal: PortalRecord, request: ClaimedRequest): Promise<void> {
    const source = this.sources.get(request.source)!;
    try {
      if (request.state === 'reporting') {
        await source.report(portal, request, request.outcome!);
        await this.requests.finish(request, null);
      } else if (request.state === 'waiting') await this.endWaiting(request);
      else await this.carryOut(portal, source, request);
    } catch (error) {
      // First: connections to the portal break under the same codes as those to the database.
      if (error instanceof UpstreamError) return this.failed(request, error);
      if (isStorageUnavailable(error)) throw error;
      await this.failed(request, this.ownFault(error, request));
    }
  }

  private postpone(request: ClaimedRequest, why: { code: string; detail: string; delayMs: number }): Promise<void> {
    this.claims.drop(request);
    return this.requests.postpone(request, why);
  }

  /** The client may have answered in time, while nobody was there to hear it. */
  private async endWaiting(request: ClaimedRequest): Promise<void> {
    const delayMs = request.stepAt.getTime() < this.startedAt ? this.startedAt + CATCHING_UP_MS - Date.now() : 0;
    if (delayMs <= 0) return this.requests.end(request, { status: 'timeout' });
    await this.postpone(request, { code: 'catching_up', detail: 'Bots may still bring an answer.', delayMs });
  }

  /** A fault of the program: this request is tried again, and the others go on. */
  private ownFault(cause: unknown, { id, portalId, source }: ClaimedRequest): Fault {
    this.logger.error(
      { request: String(id), portalId: String(portalId), source, err: cause },
      'A request is not understood',
    );
    return { kind: 'not_sent', code: 'INTERNAL', detail: 'The program failed at it; see its log.' };
  }

  private async carryOut(portal: PortalRecord, source: RequestSource, request: ClaimedRequest): Promise<void> {
    const step = (await source.carryOut?.(portal, request)) ?? { outcome: { status: 'failed', code: 'unsupported' } };
    if ('outcome' in step) return this.requests.end(request, step.outcome);
    if ('wait' in step) {
      if (!(await this.requests.wait(request, step.wait))) await this.requests.end(request, BANNED);
      return;
    }
    // Nobody expects it any more: "the courier comes today".
    if (Date.now() - request.createdAt.getTime() > LIFETIME_MS) return this.requests.end(request, TOO_LATE);
    const { id, portalId, source: name, key, report } = request;
    const answer = await this.send({ ...step.send, id, portalId, source: name, key, report });
    if (answer.status === 'no_chat') await this.requests.end(request, { status: 'no_chat' });
    if (answer.status === 'banned') await this.requests.end(request, BANNED);
    if (answer.status === 'unsubscribed') await this.requests.end(request, { status: 'failed', code: 'unsubscribed' });
  }

  private async failed(request: ClaimedRequest, { kind, code, detail, retryAfterMs }: Fault): Promise<void> {
    const ageMs = Date.now() - request.stepAt.getTime();
    if (kind !== 'refused' && ageMs < LIFETIME_MS) {
      const delayMs = retryAfterMs ?? retryDelay(request.attempt, ageMs, Math.random());
      return this.postpone(request, { code, detail, delayMs });
    }
    const { id, portalId, source, state } = request;
    this.logger.warn({ request: String(id), portalId: String(portalId), source, state, code }, 'A request failed');
    if (state === 'reporting') return this.requests.finish(request, { code, detail });
    await this.requests.end(request, { status: 'failed', code, detail });
  }
}
