import { hostname } from 'node:os';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { RateLimiter } from '../../bitrix/rate-limiter.js';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { drain, WakeableLoop } from '../../common/wakeable-loop.js';
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
import type { Caller } from './caller.js';
import { PortalSender } from './portal.sender.js';

/** How often the table is read: another process may have delivered answers. */
const LOOK_MS = 1_000;
/** Answers delivered within this time share a request. */
const GATHER_MS = 150;
/** Most reports of a portal that one look reads. */
const REPORTS_PER_LOOK = 500;
/** How long reports leave all the requests that a portal allows to the words of clients. */
const TICKS_WAIT_MS = 10_000;
/** How late a report may be committed behind one that is due later: the longest transaction that makes some. */
const OVERTAKEN_MS = 60_000;
/** How often everything that is due is read, however old. */
const LOOK_AT_ALL_MS = 60_000;
/** How long a call that is under way may hold up the end of the process. */
const DRAIN_MS = 2_000;
/** A report that comes late or twice harms nothing, so it needs no lease. */
const ANYBODY: Caller = { timing: () => undefined };

/** What this process knows of a portal that it drives. */
interface Served {
  /** The request under way, if any; the next one waits for it. */
  underWay?: Promise<void>;
  /** The next look, by `performance.now()`. */
  notBefore: number;
  /** Everything due before this was reported, so older rows need not be read again. */
  clearedUpTo: Date | null;
  /** When everything that is due was last read, by `performance.now()`. */
  lookedAtAll: number;
}

/**
 * Tells portals which answers reached their clients (imconnector.send.status.delivery). Serves the portals that this
 * process drives, with many messages in one request and after the words of clients; portals never wait for one another.
 */
@Injectable()
export class DeliveryReportsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(DeliveryReportsService.name);
  private readonly instance = hostname();
  private readonly portals = new Map<bigint, Served>();
  private readonly loop = new WakeableLoop({
    look: () => this.look(),
    onError: (error) => this.noteTrouble(error),
    everyMs: LOOK_MS,
    gatherMs: GATHER_MS,
  });

  constructor(
    private readonly reports: DeliveryReportsRepository,
    private readonly records: PortalsRepository,
    private readonly supervisor: EndpointSupervisor,
    private readonly limiter: RateLimiter,
    private readonly sender: PortalSender,
    private readonly events: RelayEvents,
  ) {
    events.on('reports', () => this.loop.wake());
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  /** What is not reported by then is reported by the process that drives the portal next. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    const underWay = [...this.portals.values()].map((served) => served.underWay);
    await drain(underWay, DRAIN_MS);
  }

  private noteTrouble(error: unknown): void {
    if (isStorageUnavailable(error)) this.logger.debug({ err: error }, 'Could not read delivery reports: no database');
    else this.logger.error({ err: error }, 'Could not read delivery reports; will retry');
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
      else this.loop.wake();
    } catch (error) {
      served.notBefore = performance.now() + LOOK_MS;
      this.logger.warn({ portalId: String(portalId), err: error }, 'Could not report deliveries; will retry');
    }
  }

  private announce(outcomes: ReportOutcome[]): void {
    for (const { report, outcome, code } of outcomes) {
      const ms = Date.now() - report.messageCreatedAt.getTime();
      this.events.emit('settled', { network: 'bitrix24', kind: 'status', outcome, ms });
      if (outcome !== 'failed') continue;
      const about = { portalId: String(report.portalId), messageId: String(report.messageId), code };
      this.logger.warn(about, 'Could not report a delivery');
    }
  }
}

/** The message names no line, and its bot serves none of this portal any more. */
const NO_LINE = {
  outcome: 'failed',
  code: 'NO_LINE',
  detail: 'The bot of this chat serves no open line of the portal any more.',
} as const;

/** Empty for a report that was not tried. */
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
