import { Logger } from '@nestjs/common';
import type { EndpointsRepository } from '../storage/work/endpoints.repository.js';
import type { Lease } from '../storage/work/lease.js';
import type { EndpointWorker } from './endpoint-worker.js';
import type { OwnLease } from './own-lease.js';

/** What is in flight when an endpoint is lost has no use for its outcome: its calls get this long to end. */
const LOST_MS = 1_000;
/** How far above its fair share a replica may be, as a fraction of it, before it hands endpoints over. */
const SLACK = 0.1;
/** Most endpoints handed over in one pass (every ACQUIRE_MS): each of them is idle for about a second. */
const HAND_OVER_AT_ONCE = 10;
/** Longer than any call takes: what is in flight is settled before another replica goes on. */
const HAND_OVER_MS = 90_000;
/** Between two tries to give up a lease. */
const RELEASE_RETRY_MS = 2_000;

/** An endpoint that this process drives. */
export interface Owned {
  lease: OwnLease;
  worker: EndpointWorker;
}

/** The endpoints that this process drives, from the moment when it has a lease until the lease is given up. */
export class OwnedEndpoints {
  private readonly logger = new Logger(OwnedEndpoints.name);
  private readonly owned = new Map<string, Owned>();
  /** Endpoints on their way out, until their workers have come to rest and their leases are given up. */
  private readonly ending = new Map<string, Promise<void>>();
  /** Endpoints that are being handed over: they finish what is in flight and start nothing. */
  private readonly handedOver = new Set<string>();
  private stopping = false;

  /** @param hire the worker for a lease; null: nobody knows how to drive such an endpoint */
  constructor(
    private readonly endpoints: EndpointsRepository,
    private readonly hire: (lease: OwnLease) => EndpointWorker | null,
  ) {}

  get all(): Owned[] {
    return [...this.owned.values()];
  }

  get ids(): string[] {
    return [...this.owned.keys()];
  }

  get size(): number {
    return this.owned.size;
  }

  find(endpoint: string): Owned | undefined {
    return this.owned.get(endpoint);
  }

  /** Starts a worker. Null: the process ends, or nobody knows how to drive it. */
  async drive(lease: OwnLease): Promise<EndpointWorker | null> {
    const { endpoint, fence } = lease.lease;
    const former = this.owned.get(endpoint);
    // Our own lease ran out unnoticed and came back with a new fence: what the old worker knows no longer counts.
    if (former) this.lose(former);
    await this.ending.get(endpoint);
    if (this.stopping) {
      await this.endpoints.release(lease.lease, { handOver: false });
      return null;
    }
    const worker = this.hire(lease);
    if (!worker) return null;
    this.owned.set(endpoint, { lease, worker });
    this.logger.log({ endpoint, fence: String(fence) }, 'Driving endpoint');
    worker.start();
    return worker;
  }

  /** Lets go of an endpoint that already belongs to another owner; nobody waits for that. */
  lose(owned: Owned): void {
    const { endpoint } = owned.worker;
    owned.lease.end();
    if (this.owned.get(endpoint) === owned) this.owned.delete(endpoint);
    void this.ends(endpoint, this.comesToRest(owned, LOST_MS));
  }

  /** Settles what is in flight, for at most `timeoutMs`, and gives the lease up. */
  async giveUp(endpoint: string, timeoutMs: number): Promise<void> {
    const owned = this.owned.get(endpoint);
    if (!owned) return;
    await this.comesToRest(owned, timeoutMs);
    owned.lease.end();
    if (this.owned.get(endpoint) !== owned) return;
    this.owned.delete(endpoint);
    await this.ends(endpoint, this.release(owned.lease.lease, { handOver: !this.stopping }));
  }

  /**
   * Hands endpoints over until no more than the share is left: any of them, so that bots and portals go in proportion;
   * the larger the surplus, the more at once.
   */
  handOverSurplus(share: number): void {
    const staying = this.ids.filter((endpoint) => !this.handedOver.has(endpoint));
    const surplus = staying.length - share;
    if (surplus <= share * SLACK) return;
    for (let left = Math.min(HAND_OVER_AT_ONCE, Math.ceil(surplus / 4)); left > 0; left--) {
      const [endpoint] = staying.splice(Math.floor(Math.random() * staying.length), 1);
      void this.handOver(endpoint!);
    }
  }

  private async handOver(endpoint: string): Promise<void> {
    this.logger.log({ endpoint }, 'Handing endpoint over');
    this.handedOver.add(endpoint);
    await this.giveUp(endpoint, HAND_OVER_MS);
    this.handedOver.delete(endpoint);
  }

  /** The process ends: all are given up, and none is taken any more. */
  async giveUpAll(timeoutMs: number): Promise<void> {
    this.stopping = true;
    await Promise.all(this.ids.map((endpoint) => this.giveUp(endpoint, timeoutMs)));
  }

  /** Gives up a lease whose taking was never answered; while nobody drives it, each heartbeat keeps it from everybody. */
  giveUpStray(lease: Lease): void {
    const { endpoint } = lease;
    if (this.owned.has(endpoint) || this.ending.has(endpoint)) return;
    this.logger.warn({ endpoint }, 'Giving up a lease that no worker of this replica knows of');
    void this.ends(endpoint, this.release(lease, { handOver: false }));
  }

  private async ends(endpoint: string, end: Promise<void>): Promise<void> {
    this.ending.set(endpoint, end);
    await end;
    if (this.ending.get(endpoint) === end) this.ending.delete(endpoint);
  }

  private async comesToRest({ worker }: Owned, timeoutMs: number): Promise<void> {
    await worker.stop(Math.max(0, timeoutMs)).catch((error: unknown) => {
      const { endpoint } = worker;
      this.logger.error({ endpoint, err: error }, 'The endpoint did not come to rest; giving it up anyway');
    });
  }

  /** Until it is done: as long as this process lives, its heartbeat would prolong the lease. */
  private async release(lease: Lease, how: { handOver: boolean }): Promise<void> {
    for (;;) {
      try {
        return await this.endpoints.release(lease, how);
      } catch (error) {
        this.logger.warn({ endpoint: lease.endpoint, err: error }, 'The lease could not be given up yet');
        if (this.stopping) return;
        await new Promise((resolve) => setTimeout(resolve, RELEASE_RETRY_MS));
      }
    }
  }
}
