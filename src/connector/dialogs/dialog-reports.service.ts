import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { retryDelay } from '../../relay/retry-schedule.js';
import {
  DialogReportsRepository,
  type ClaimedReport,
  type ReportOutcome,
} from '../../storage/work/dialog-reports.repository.js';
import { isPortal } from '../../storage/work/endpoint-id.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { DialogReportSender } from './dialog-report.sender.js';

/** How often all are looked at; whoever adds one says so, if it is in this process. */
const LOOK_MS = 5_000;
const PORTALS_AT_ONCE = 20;
const CLAIMED_AT_ONCE = 20;
/** What is not begun by then is left for the next claim, well before this one runs out. */
const BEGIN_WITHIN_MS = 60_000;
/** How long a call that is under way may hold up the end of the process. */
const DRAIN_MS = 2_000;
/** What could not be told for so long helps nobody any more. */
const LIFETIME_MS = 24 * 3_600_000;

/**
 * Brings notes where no lane leads to: into dialogs of lines that a bot left, and of messages whose chat nobody knows.
 * Every replica may do it; each portal's wait only for one another.
 */
@Injectable()
export class DialogReportsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(DialogReportsService.name);
  private readonly instance = hostname();
  private readonly underWay = new Map<bigint, Promise<void>>();
  private readonly stop = new AbortController();
  private early = new AbortController();
  private work: Promise<void> | undefined;

  constructor(
    private readonly reports: DialogReportsRepository,
    private readonly portals: PortalsRepository,
    private readonly sender: DialogReportSender,
    relay: RelayEvents,
  ) {
    relay.on('work', (endpoints) => {
      if (endpoints.some(isPortal)) this.early.abort();
    });
  }

  onApplicationBootstrap(): void {
    this.work = this.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stop.abort();
    await this.work;
    // A call may take longer than a process that leaves has; its claim runs out, and another one tells it.
    await Promise.race([Promise.allSettled(this.underWay.values()), pause(DRAIN_MS, undefined, { ref: false })]);
  }

  private async run(): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      this.early = new AbortController();
      try {
        await this.look();
      } catch (error) {
        if (isStorageUnavailable(error)) this.logger.debug({ err: error }, 'Reports cannot be read now');
        else this.logger.error({ err: error }, 'Reports could not be read; tried again');
      }
      const woken = AbortSignal.any([signal, this.early.signal]);
      await pause(LOOK_MS, undefined, { signal: woken, ref: false }).catch(() => undefined);
    }
  }

  private async look(): Promise<void> {
    if (this.underWay.size >= PORTALS_AT_ONCE) return;
    const claimed = await this.reports.claim(CLAIMED_AT_ONCE, [...this.underWay.keys()]);
    for (const portalId of new Set(claimed.map((report) => report.portalId))) {
      const own = claimed.filter((report) => report.portalId === portalId);
      const done = this.tell(portalId, own).finally(() => {
        this.underWay.delete(portalId);
        // There may be more than was claimed.
        if (claimed.length === CLAIMED_AT_ONCE) this.early.abort();
      });
      this.underWay.set(portalId, done);
    }
  }

  /** One after the other: they are in the order in which they came. Never rejects. */
  private async tell(portalId: bigint, claimed: ClaimedReport[]): Promise<void> {
    const begun = performance.now();
    try {
      const portal = await this.portals.findById(portalId);
      if (portal?.state !== 'active') return;
      for (const report of claimed) {
        if (this.stop.signal.aborted || performance.now() - begun > BEGIN_WITHIN_MS) return;
        const outcome = await this.outcomeOf(portal, report);
        await this.reports.settle(report, outcome, this.instance);
        if (outcome.outcome === 'failed') {
          const { id, delivery } = report;
          const about = { portalId: String(portalId), report: String(id), kind: delivery.kind, code: outcome.code };
          this.logger.warn(about, 'A dialog could not be told');
        }
      }
    } catch (error) {
      this.logger.warn({ portalId: String(portalId), err: error }, 'Dialogs could not be told; later again');
    }
  }

  private async outcomeOf(portal: PortalRecord, report: ClaimedReport): Promise<ReportOutcome> {
    try {
      await this.sender.send(portal, report);
      return { outcome: 'delivered' };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const { kind, code, detail, retryAfterMs } = error;
      const ageMs = Date.now() - report.delivery.queuedAt.getTime();
      if (kind === 'refused' || ageMs > LIFETIME_MS) return { outcome: 'failed', code, detail };
      const delayMs = retryAfterMs ?? retryDelay(report.delivery.attempt, ageMs, Math.random());
      return { outcome: 'retry', code, detail, delayMs };
    }
  }
}
