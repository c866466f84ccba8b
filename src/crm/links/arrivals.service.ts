import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { drain, WakeableLoop } from '../../common/wakeable-loop.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { ArrivalsRepository, type ArrivalOutcome, type ClaimedArrival } from '../../storage/crm/arrivals.repository.js';
import { LinksRepository } from '../../storage/crm/links.repository.js';
import { ArrivalWork, GIVEN_UP_MS } from './arrival.work.js';

const LOOK_MS = 3_000;
const SWEEP_MS = 3_600_000;
const PORTALS_AT_ONCE = 20;
const CLAIMED_AT_ONCE = 50;
/** What is not begun by then is left for the next claim; one that takes longer than its own is recorded by nobody. */
const BEGIN_WITHIN_MS = 20_000;
const FAULT_AGAIN_MS = 600_000;
/** How long a call that is under way may hold up the end of the process. */
const DRAIN_MS = 2_000;

/**
 * Tells the CRM of clients who came by links. Every replica may do it; each portal's wait only for one another, and no
 * message waits for any.
 */
@Injectable()
export class ArrivalsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ArrivalsService.name);
  private readonly underWay = new Map<bigint, Promise<void>>();
  private readonly loop = this.every(LOOK_MS, () => this.look());
  private readonly sweeps = this.every(SWEEP_MS, () => this.sweep());

  constructor(
    private readonly arrivals: ArrivalsRepository,
    private readonly links: LinksRepository,
    private readonly portals: PortalsRepository,
    private readonly work: ArrivalWork,
    private readonly relay: RelayEvents,
  ) {}

  onApplicationBootstrap(): void {
    this.loop.start();
    this.sweeps.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.loop.stop(), this.sweeps.stop()]);
    await drain(this.underWay.values(), DRAIN_MS);
  }

  private every(everyMs: number, look: () => Promise<void>): WakeableLoop {
    const onError = (error: unknown) => {
      if (isStorageUnavailable(error)) this.logger.debug({ err: error }, 'Arrivals cannot be read now');
      else this.logger.error({ err: error }, 'Arrivals could not be read; tried again');
    };
    return new WakeableLoop({ look, onError, everyMs });
  }

  private async look(): Promise<void> {
    if (this.underWay.size >= PORTALS_AT_ONCE) return;
    const claimed = await this.arrivals.claim(CLAIMED_AT_ONCE, [...this.underWay.keys()]);
    for (const portalId of new Set(claimed.map((arrival) => arrival.portalId))) {
      const own = claimed.filter((arrival) => arrival.portalId === portalId);
      this.underWay.set(
        portalId,
        this.tell(portalId, own).finally(() => this.underWay.delete(portalId)),
      );
    }
  }

  /** Never rejects: what is not settled is claimed again. */
  private async tell(portalId: bigint, claimed: ClaimedArrival[]): Promise<void> {
    const begun = performance.now();
    try {
      const portal = await this.portals.findById(portalId);
      if (portal?.state !== 'active') return;
      for (const arrival of claimed) {
        if (this.loop.signal.aborted || performance.now() - begun > BEGIN_WITHIN_MS) return;
        const result = await this.outcomeOf(portal, arrival);
        const endpoints = await this.arrivals.settle(arrival, result);
        if (endpoints.length > 0) this.relay.emit('work', endpoints);
        if (result.againInMs === null && ['refused', 'given_up'].includes(result.outcome)) {
          const { outcome, detail } = result;
          this.logger.warn(
            { portalId: String(portalId), arrival: String(arrival.id), outcome, detail },
            'The CRM does not know of an arrival',
          );
        }
      }
    } catch (error) {
      this.logger.warn(
        { portalId: String(portalId), err: error },
        'The CRM could not be told of arrivals; later again',
      );
    }
  }

  /** A fault of the program at one of them: that is tried again for a day, and the others go on. */
  private async outcomeOf(portal: PortalRecord, arrival: ClaimedArrival): Promise<ArrivalOutcome> {
    try {
      return await this.work.outcomeOf(portal, arrival);
    } catch (error) {
      if (isStorageUnavailable(error)) throw error;
      const names = { portalId: String(portal.id), arrival: String(arrival.id) };
      this.logger.error({ ...names, err: error }, 'An arrival is not understood');
      const isOld = Date.now() - arrival.pressedAt.getTime() > GIVEN_UP_MS;
      return { againInMs: isOld ? null : FAULT_AGAIN_MS, outcome: isOld ? 'given_up' : 'fault', detail: 'INTERNAL' };
    }
  }

  private async sweep(): Promise<void> {
    await this.arrivals.noteWords(null);
    await this.links.forgetExpired();
    await this.arrivals.purge();
  }
}
