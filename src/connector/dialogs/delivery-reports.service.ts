import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { RateLimiter } from '../../bitrix/rate-limiter.js';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import type { DeliveryResult } from '../../relay/endpoint-driver.js';
import { EndpointSupervisor } from '../../relay/endpoint-supervisor.js';
import { decide } from '../../relay/outcome.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import {
  type DeliveryReport,
  DeliveryReportsRepository,
  type DueReports,
  type ReportOutcome,
} from '../../storage/work/delivery-reports.repository.js';
import { idOf, isPortal } from '../../storage/work/endpoint-id.js';
import { COMMANDS_PER_BATCH, groupStatuses } from './call-plan.js';
import { type Caller, PortalSender } from './portal.sender.js';

/** How often all are looked at: answers may have been delivered by another process. */
const LOOK_MS = 1_000;
/** What is delivered within so long shares a request. */
const GATHER_MS = 150;
/** Reports of a portal that one look brings. */
const REPORTS_PER_LOOK = 500;
/** So long ticks let words take all the requests that a portal allows. */
const TICKS_WAIT_MS = 10_000;
/** Reports are committed in the order in which they are due but for so long: the longest transaction that makes some. */
const OVERTAKEN_MS = 60_000;
/** So often everything that is due is looked for, however long it has been, milliseconds. */
const LOOK_AT_ALL_MS = 60_000;
/** How long a call that is under way may hold up the end of the process. */
const DRAIN_MS = 2_000;
/** Nothing is harmed by a report that comes too late or twice: it needs no lease. */
const ANYBODY: Caller = { timing: () => undefined };

/** What this process knows of a portal that it drives. */
interface Served {
  /** Set while a request is under way: the others wait for its end. */
  underWay?: Promise<void>;
  /** Not looked at before, by `performance.now()`. */
  notBefore: number;
  /** Nothing was left that had been due before. It spares looking through the remains of reports that were made. */
  clearedUpTo: Date | null;
  /** When everything was looked for last, by `performance.now()`. */
  lookedAtAll: number;
}

/**
 * Tells portals which answers reached their clients (imconnector.send.status.delivery): of the portals that this process
 * drives, many messages in one request, behind the words of clients. Each portal's wait only for one another.
 */
@Injectable()
export class DeliveryReportsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(DeliveryReportsService.name);
  private readonly instance = hostname();
  private readonly portals = new Map<bigint, Served>();
  private readonly stop = new AbortController();
  private early = new AbortController();
  private work: Promise<void> | undefined;

  constructor(
    private readonly reports: DeliveryReportsRepository,
    private readonly records: PortalsRepository,
    private readonly supervisor: EndpointSupervisor,
    private readonly limiter: RateLimiter,
    private readonly sender: PortalSender,
    private readonly events: RelayEvents,
  ) {
    events.on('reports', () => this.early.abort());
  }

  onApplicationBootstrap(): void {
    this.work = this.run();
  }

  /** What could not be told before the process ends is told by whoever drives the portal next. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stop.abort();
    await this.work;
    const underWay = [...this.portals.values()].map((served) => served.underWay);
    await Promise.race([Promise.allSettled(underWay), pause(DRAIN_MS, undefined, { ref: false })]);
  }

  private async run(): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      this.early = new AbortController();
      try {
        await this.look();
      } catch (error) {
        if (isStorageUnavailable(error)) this.logger.debug({ err: error }, 'Delivery reports cannot be read now');
        else this.logger.error({ err: error }, 'Delivery reports could not be read; tried again');
      }
      await pause(GATHER_MS, undefined, { signal, ref: false }).catch(() => undefined);
      const woken = AbortSignal.any([signal, this.early.signal]);
      await pause(LOOK_MS - GATHER_MS, undefined, { signal: woken, ref: false }).catch(() => undefined);
    }
  }

  private async look(): Promise<void> {
    this.noticeDriven();
    const now = performance.now();
    const free = [...this.portals].filter(([, { underWay, notBefore }]) => !underWay && notBefore <= now);
    if (free.length === 0) return;
    for (const [, served] of free) {
      if (now - served.lookedAtAll < LOOK_AT_ALL_MS) continue;
      served.lookedAtAll = now;
      served.clearedUpTo = null;
    }
    const looks = free.map(([portalId, { clearedUpTo }]) => ({ portalId, from: clearedUpTo }));
    for (const found of await this.reports.due(looks, REPORTS_PER_LOOK)) {
      const served = this.portals.get(found.portalId)!;
      if (found.reports.length === 0) served.clearedUpTo = clearedBefore(found.at);
      else served.underWay = this.tell(served, found).finally(() => (served.underWay = undefined));
    }
  }

  private noticeDriven(): void {
    const driven = new Set(
      this.supervisor.status().flatMap(({ id, owned }) => (owned && isPortal(id) ? idOf(id) : [])),
    );
    for (const id of this.portals.keys()) if (!driven.has(id)) this.portals.delete(id);
    for (const id of driven) {
      if (!this.portals.has(id)) this.portals.set(id, { notBefore: 0, clearedUpTo: null, lookedAtAll: 0 });
    }
  }

  /** Makes one request. Never rejects. */
  private async tell(served: Served, { portalId, reports, at }: DueReports): Promise<void> {
    try {
      const portal = await this.records.findById(portalId);
      if (portal?.state !== 'active') return;
      const [placed, nowhere] = partition(reports, ({ chat }) => chat.lineId !== null);
      const sent = groupStatuses(placed).slice(0, COMMANDS_PER_BATCH).flat();
      const permit = sent.length > 0 && (await this.limiter.takeBehindWords(portalId));
      const startedAt = new Date();
      if (sent.length > 0 && !permit && !haveWaited(sent)) {
        served.notBefore = performance.now() + LOOK_MS;
        return;
      }
      const results = sent.length > 0 ? await this.sender.reportStatus(portal, sent, ANYBODY, permit) : [];
      const outcomes = [
        ...sent.flatMap((report, index) => outcomeOf(report, results[index]!.deliveries[0]!, startedAt)),
        ...nowhere.map((report) => ({ report, startedAt, ...NO_LINE })),
      ];
      await this.reports.settle(outcomes, this.instance);
      this.announce(outcomes);
      const all = reports.length < REPORTS_PER_LOOK && outcomes.length === reports.length;
      if (all) served.clearedUpTo = clearedBefore(at);
      else this.early.abort();
    } catch (error) {
      served.notBefore = performance.now() + LOOK_MS;
      this.logger.warn({ portalId: String(portalId), err: error }, 'Deliveries could not be reported; tried again');
    }
  }

  private announce(outcomes: ReportOutcome[]): void {
    for (const { report, outcome, code } of outcomes) {
      const ms = Date.now() - report.messageCreatedAt.getTime();
      this.events.emit('settled', { network: 'bitrix24', kind: 'status', outcome, ms });
      if (outcome !== 'failed') continue;
      const about = { portalId: String(report.portalId), messageId: String(report.messageId), code };
      this.logger.warn(about, 'A delivery could not be reported');
    }
  }
}

/** The message named no line, and its bot serves none of the portal any more. */
const NO_LINE = {
  outcome: 'failed',
  code: 'NO_LINE',
  detail: 'The bot of this chat serves no open line of the portal any more.',
} as const;

/** Nothing of what was not tried. */
function outcomeOf(report: DeliveryReport, result: DeliveryResult, startedAt: Date): ReportOutcome[] {
  if (result.delivered) return [{ report, startedAt, outcome: 'delivered' }];
  if ('postponed' in result) return [];
  const { error } = result;
  const { code, detail } = error;
  const decision = decide({
    error,
    kind: 'status',
    attempt: report.attempt,
    unknownBefore: false,
    ageMs: startedAt.getTime() - report.queuedAt.getTime(),
    policy: 'hold',
    random: Math.random(),
  });
  if (decision.outcome !== 'retry') return [{ report, startedAt, outcome: 'failed', code, detail }];
  return [{ report, startedAt, outcome: 'retry', code, detail, delayMs: decision.delayMs }];
}

function haveWaited(reports: DeliveryReport[]): boolean {
  return Date.now() - Math.min(...reports.map(({ queuedAt }) => queuedAt.getTime())) >= TICKS_WAIT_MS;
}

const clearedBefore = (at: Date) => new Date(at.getTime() - OVERTAKEN_MS);

function partition<Item>(items: Item[], fits: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(fits), items.filter((item) => !fits(item))];
}
