import type { ClaimedLane } from '../storage/work/claimed-lane.js';
import type { ClaimRequest, LanesRepository } from '../storage/work/lanes.repository.js';
import type { Lease } from '../storage/work/lease.js';
import { GroupCommit } from './group-commit.js';
import type { RelayEvents } from './relay-events.js';

/** Most requests in one statement. */
const TOGETHER_AT_MOST = 500;

/** A worker, as far as its claims are concerned. */
export interface Claimant {
  readonly lease: Lease;
  /** Takes lanes that another owner left in the middle of a send; they count as claimed by this one. */
  takeInterrupted(lanes: ClaimedLane[]): void;
}

/**
 * All claims of this process. Workers that want lanes at the same moment share one statement, which costs about as much
 * as one worker's. One statement runs at a time; requests made meanwhile go into the next. A claimed lane stays open
 * until it is closed, which tells claims under way from claims whose answer was lost.
 */
export class LaneClaims {
  private readonly requests = new GroupCommit<ClaimRequest & { claimed: ClaimedLane[] }>(
    (requests) => this.inTurn(() => this.take(requests)),
    TOGETHER_AT_MOST,
    1,
  );
  private readonly open = new Map<ClaimedLane, Lease>();
  /** Leases under which outcomes were abandoned: what is busy under them may have been sent. */
  private readonly ended = new WeakSet<Lease>();
  /** Leases under which a claim failed, and nobody knows whether it was committed. */
  private readonly inDoubt = new Map<string, Lease>();
  private latest: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly lanes: LanesRepository,
    private readonly events: RelayEvents,
  ) {}

  /** Returns due lanes, each of which must be closed. Rejects when it is unknown whether the claim was committed. */
  async claim(request: ClaimRequest): Promise<ClaimedLane[]> {
    const asked = { ...request, claimed: [] };
    await this.requests.add(asked);
    return asked.claimed;
  }

  /** The lane was settled or, not `recorded`, is another owner's to settle: nobody knows here what became of it. */
  close(lane: ClaimedLane, { recorded }: { recorded: boolean }): void {
    const lease = this.open.get(lane);
    if (!recorded && lease) this.ended.add(lease);
    this.open.delete(lane);
  }

  /**
   * Reconciles the tables with what this process knows: undoes claims whose answer never came, because nothing of them
   * was sent, and gives lanes left behind by a former owner to the worker that drives their endpoint now.
   */
  async reconcile(claimants: Claimant[]): Promise<void> {
    if (claimants.length === 0) return;
    const leases = claimants.map(({ lease }) => lease);
    // No claim may run meanwhile: one whose answer is still coming would look unanswered.
    await this.inTurn(async () => {
      await this.undoUnanswered(leases);
      const interrupted = await this.lanes.interrupted(leases, this.openUnder(leases));
      claimants.forEach((claimant, index) => {
        const lanes = interrupted[index]!;
        if (lanes.length === 0) return;
        for (const lane of lanes) this.open.set(lane, claimant.lease);
        claimant.takeInterrupted(lanes);
      });
    });
  }

  /** Repairs lanes that no claim can take; see {@link LanesRepository.putRight}. */
  async putRight(lanes: { all: boolean }): Promise<void> {
    this.work(await this.lanes.putRight(lanes));
  }

  private async take(requests: (ClaimRequest & { claimed: ClaimedLane[] })[]): Promise<void> {
    if (this.inDoubt.size > 0) {
      await this.undoUnanswered([...this.inDoubt.values()]);
      this.inDoubt.clear();
    }
    const claimed = await this.lanes.claimTogether(requests).catch((error: unknown) => {
      for (const { lease } of requests) this.inDoubt.set(lease.endpoint, lease);
      throw error;
    });
    requests.forEach((request, index) => {
      request.claimed = claimed[index]!;
      for (const lane of request.claimed) this.open.set(lane, request.lease);
    });
  }

  private async undoUnanswered(leases: Lease[]): Promise<void> {
    const ours = leases.filter((lease) => !this.ended.has(lease));
    this.work(await this.lanes.undoUnanswered(ours, [...this.open.keys()]));
  }

  private openUnder(leases: Lease[]): ClaimedLane[] {
    // Under a lost lease our own sends count as interrupted, too: their outcomes will come too late.
    const held = new Set(leases);
    return [...this.open].filter(([, lease]) => held.has(lease)).map(([lane]) => lane);
  }

  private work(endpoints: string[]): void {
    if (endpoints.length > 0) this.events.emit('work', endpoints);
  }

  private inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.latest.then(work);
    this.latest = turn.catch(() => undefined);
    return turn;
  }
}
