import { Logger } from '@nestjs/common';
import { isStorageUnavailable } from '../common/storage-unavailable.js';
import type { LanesRepository } from '../storage/work/lanes.repository.js';
import { LeaseLostError } from '../storage/work/lease.js';
import type { EndpointSettlements, LaneSettlement } from '../storage/work/settlement.js';
import type { HeldLease } from './endpoint-driver.js';
import { GroupCommit } from './group-commit.js';
import type { RelayEvents } from './relay-events.js';

const LANES_PER_COMMIT = 200;
/** Before recording an outcome again. */
const PAUSE_MS = 500;

/** Records what became of lanes; lanes of any endpoints that end at the same time are committed together. */
export class LaneSettlements {
  private readonly logger = new Logger(LaneSettlements.name);
  private readonly commits = new GroupCommit<EndpointSettlements>(async (settlements) => {
    const endpoints = await this.lanes.settle(settlements, this.instance);
    if (endpoints.length > 0) this.events.emit('work', endpoints);
    this.events.emit(
      'recorded',
      settlements.map(({ lease }) => lease.endpoint),
    );
    if (settlements.some(({ lanes: settled }) => settled.some(bringsReports))) this.events.emit('reports');
  }, LANES_PER_COMMIT);

  constructor(
    private readonly lanes: LanesRepository,
    private readonly events: RelayEvents,
    /** Names this process in attempts. */
    private readonly instance: string,
  ) {}

  /**
   * Resolves once the outcome is recorded, retrying while the lease is ours. False: it never will be, because the
   * endpoint has another owner, who treats what was in flight as unknown.
   */
  async record({ lease, signal }: HeldLease, settlement: LaneSettlement): Promise<boolean> {
    for (;;) {
      try {
        await this.commits.add({ lease, lanes: [settlement] });
        return true;
      } catch (error) {
        if (error instanceof LeaseLostError) {
          this.logger.warn({ endpoint: lease.endpoint, lane: String(settlement.lane.id) }, error.message);
          return false;
        }
        // The supervisor logs once that the database cannot be reached.
        const log = isStorageUnavailable(error) ? 'debug' : 'error';
        this.logger[log](
          { endpoint: lease.endpoint, err: error },
          'An outcome could not be recorded yet; trying again',
        );
        if (signal.aborted) return false;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }
}

function bringsReports({ deliveries }: LaneSettlement): boolean {
  return deliveries.some(({ reportDelivery }) => reportDelivery);
}
