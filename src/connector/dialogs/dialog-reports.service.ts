import { hostname } from 'node:os';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { drain, WakeableLoop } from '../../common/wakeable-loop.js';
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

/** How often the table is read; a report added by this process is found at once. */
const LOOK_MS = 5_000;
const PORTALS_AT_ONCE = 20;
const CLAIMED_AT_ONCE = 20;
/** What is not begun by then is left to the next claim; this one lasts much longer. */
const BEGIN_WITHIN_MS = 60_000;
/** How long a call that is under way may hold up the end of the process. */
const DRAIN_MS = 2_000;
/** A report this old helps nobody any more. */
const LIFETIME_MS = 24 * 3_600_000;

/**
 * Writes notes into dialogs that no lane leads to: those of lines that a bot left, and of messages whose chat is unknown.
 * Every replica may do it. Reports of one portal wait for one another, never for another portal's.
 */
@Injectable()
export class DialogReportsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(DialogReportsService.name);
  private readonly instance = hostname();
  private readonly underWay = new Map<bigint, Promise<void>>();
  private readonly loop = new WakeableLoop({
    look: () => this.look(),
    onError: (error) => this.noteTrouble(error),
    everyMs: LOOK_MS,
  });

  constructor(
    private readonly reports: DialogReportsRepository,
    private readonly portals: PortalsRepository,
    private readonly sender: DialogReportSender,
    relay: RelayEvents,
  ) {
    relay.on('work', (endpoints) => {
      if (endpoints.some(isPortal)) this.loop.wake();
    });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    // A call may take longer than a process that ends has time for: its claim expires, and another process reports it.
    await drain(this.underWay.values(), DRAIN_MS);
  }

  private noteTrouble(error: unknown): void {
    if (isStorageUnavailable(error))
      this.logger.debug({ err: error }, 'Could not read the notes to write: no database');
    else this.logger.error({ err: error }, 'Could not read the notes to write; will retry');
  }

  private async look(): Promise<void> {
    if (this.underWay.size >= PORTALS_AT_ONCE) return;
    const claimed = await this.reports.claim(CLAIMED_AT_ONCE, [...this.underWay.keys()]);
    for (const portalId of new Set(claimed.map((report) => report.portalId))) {
      const own = claimed.filter((report) => report.portalId === portalId);
      const done = this.tell(portalId, own).finally(() => {
        this.underWay.delete(portalId);
        // There may be more than was claimed.
        if (claimed.length === CLAIMED_AT_ONCE) this.loop.wake();
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
        if (this.loop.signal.aborted || performance.now() - begun > BEGIN_WITHIN_MS) return;
        const outcome = await this.outcomeOf(portal, report);
        await this.reports.settle(report, outcome, this.instance);
        if (outcome.outcome === 'failed') {
          const { id, delivery } = report;
          const about = { portalId: String(portalId), report: String(id), kind: delivery.kind, code: outcome.code };
          this.logger.warn(about, 'Could not write a note into a dialog');
        }
      }
    } catch (error) {
      this.logger.warn({ portalId: String(portalId), err: error }, 'Could not write notes into dialogs; will retry');
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
