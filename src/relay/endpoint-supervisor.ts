import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { isStorageUnavailable } from '../common/storage-unavailable.js';
import { Environment } from '../config/environment.js';
import { isPortal } from '../storage/work/endpoint-id.js';
import { EndpointsRepository } from '../storage/work/endpoints.repository.js';
import { LanesRepository } from '../storage/work/lanes.repository.js';
import { EndpointConditions } from './endpoint-conditions.js';
import { EndpointDrivers, type EndpointHealth, type Obstacle } from './endpoint-driver.js';
import { EndpointWorker } from './endpoint-worker.js';
import { IntakeService } from './intake.service.js';
import { LaneClaims } from './lane-claims.js';
import { LaneSettlements } from './lane-settlements.js';
import { OwnLease } from './own-lease.js';
import { OwnedEndpoints } from './owned-endpoints.js';
import { RelayEvents } from './relay-events.js';
import { steadyLoop } from './steady-loop.js';

const HEARTBEAT_MS = 2_000;
const ACQUIRE_MS = 1_000;
/** How soon work accepted by another replica is found, and retries that fall due. */
const LOOK_MS = 200;
/** How long a chat waits after a claim whose answer was lost, or after the owner of its lane is gone. */
const RECONCILE_MS = 3_000;
/** How soon the tables show that an endpoint got into trouble or recovered. */
const CONDITIONS_MS = 2_000;
/** One pass in this many checks every lane, including those that no claim would ever reach: once a minute. */
const PUT_ALL_RIGHT_EVERY = 20;
const ACQUIRE_AT_ONCE = 50;
/** The process ends within 10 s of SIGTERM: what is in flight gets this long. */
const DRAIN_MS = 8_000;

/** An endpoint that this process drives. */
export interface DrivenEndpoint extends EndpointHealth {
  id: string;
  owned: boolean;
  /** What holds its messages back right now. */
  heldBackBy?: Obstacle | 'circuit' | undefined;
}

/**
 * Owns endpoints (bots and portals), each at one replica at a time, and runs a worker for every endpoint it owns. The
 * same lease gives each bot one poller, each chat one sender and each portal one limiter. Replicas share evenly: one
 * that has more than its fair share takes no more and hands some over.
 */
@Injectable()
export class EndpointSupervisor implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(EndpointSupervisor.name);
  /** Names this process in leases and attempts. */
  readonly instance = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
  private readonly owned: OwnedEndpoints;
  /** Counts the beginnings and the ends of attempts to take endpoints: odd while one is under way. */
  private acquisitions = 0;
  private readonly claims: LaneClaims;
  private readonly settlements: LaneSettlements;
  private readonly conditions = new EndpointConditions();
  private readonly loops: Promise<void>[] = [];
  private stopping = false;
  private draining: Promise<void> | undefined;
  private reconciled = 0;

  constructor(
    private readonly endpoints: EndpointsRepository,
    private readonly lanes: LanesRepository,
    private readonly drivers: EndpointDrivers,
    private readonly events: RelayEvents,
    private readonly intake: IntakeService,
    private readonly environment: Environment,
    private readonly http: HttpAdapterHost,
  ) {
    this.owned = new OwnedEndpoints(endpoints, (lease) => this.hire(lease));
    this.claims = new LaneClaims(lanes, events);
    this.settlements = new LaneSettlements(lanes, events, this.instance);
  }

  onApplicationBootstrap(): void {
    this.events.on('work', (endpoints) => {
      for (const endpoint of endpoints) this.owned.find(endpoint)?.worker.wake();
    });
    this.events.on('changed', (endpoint) => {
      this.owned.find(endpoint)?.worker.refresh();
      // Whichever replica drives it: its next look finds what waited for this change.
      this.lanes.wake(endpoint).catch((error: unknown) => {
        this.logger.debug({ endpoint, err: error }, 'Waiting lanes could not be woken; they keep their times');
      });
    });
    // What operators write before this process listens may be lost, so the dialogs are searched only afterwards.
    this.http.listen$.subscribe(() => this.begin());
  }

  private begin(): void {
    this.loops.push(
      this.every(HEARTBEAT_MS, () => this.heartbeat()),
      this.every(ACQUIRE_MS, () => this.acquire()),
      this.every(LOOK_MS, () => this.look()),
      this.every(RECONCILE_MS, () => this.reconcileAll()),
      this.every(CONDITIONS_MS, () =>
        this.survive(() => this.tellConditions(), 'The conditions of endpoints could not be saved yet'),
      ),
    );
  }

  /** Every endpoint that this process drives, and its health. */
  status(): DrivenEndpoint[] {
    return this.owned.all.map(({ lease, worker }) => ({
      id: worker.endpoint,
      owned: lease.held,
      heldBackBy: worker.heldBackBy,
      ...worker.health(),
    }));
  }

  /** Claims nothing new, settles what is in flight and gives up the leases. A second call joins the first. */
  drain(): Promise<void> {
    return (this.draining ??= this.giveUpAll());
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.drain();
  }

  private async giveUpAll(): Promise<void> {
    this.stopping = true;
    await Promise.all([this.leave(), this.owned.giveUpAll(DRAIN_MS)]);
    await Promise.race([Promise.all(this.loops), new Promise((resolve) => setTimeout(resolve, 500))]);
  }

  private async tellConditions(): Promise<void> {
    const driven = this.owned.all
      .filter(({ lease }) => lease.held)
      .map(({ lease: { lease, since }, worker }) => ({ lease, since, health: worker.health() }));
    const changed = this.conditions.changed(driven, performance.now());
    if (changed.length > 0) await this.endpoints.keepConditions(changed);
    this.conditions.keep(changed, driven);
  }

  private async heartbeat(): Promise<void> {
    if (this.owned.size === 0) return;
    const since = performance.now();
    const { acquisitions } = this;
    const leases = new Map((await this.endpoints.heartbeat(this.instance)).map((lease) => [lease.endpoint, lease]));
    // Leases taken while the heartbeat was under way may be missing from its answer.
    const complete = acquisitions % 2 === 0 && acquisitions === this.acquisitions;
    for (const owned of this.owned.all) {
      const { endpoint } = owned.worker;
      const lease = leases.get(endpoint);
      if (lease && lease.fence === owned.lease.lease.fence) {
        owned.lease.prolong(since);
      } else if (owned.lease.since < since && (lease || complete)) {
        this.logger.warn({ endpoint }, 'Another replica drives this endpoint now');
        this.owned.lose(owned);
      }
    }
    if (complete) for (const lease of leases.values()) this.owned.giveUpStray(lease);
  }

  private async acquire(): Promise<void> {
    this.acquisitions++;
    try {
      await this.takeShare();
    } finally {
      this.acquisitions++;
    }
  }

  private async takeShare(): Promise<void> {
    const share = await this.endpoints.fairShare(this.instance);
    if (this.stopping) return this.leave();
    this.owned.handOverSurplus(share);
    const room = Math.max(0, Math.min(ACQUIRE_AT_ONCE, share - this.owned.size));
    const since = performance.now();
    const leases = await this.endpoints.acquire(this.instance, room);
    const workers = await Promise.all(leases.map((lease) => this.owned.drive(new OwnLease(lease, since))));
    void this.reconcile(workers.filter((worker) => worker !== null));
  }

  private hire(lease: OwnLease): EndpointWorker | null {
    const driver = this.drivers.create(lease.lease.endpoint, lease);
    return (
      driver &&
      new EndpointWorker(lease, driver, this.lanes, this.events, {
        policy: this.environment.UNCERTAIN_POLICY,
        claims: this.claims,
        settlements: this.settlements,
      })
    );
  }

  private leave(): Promise<void> {
    return this.endpoints.leave(this.instance).catch((error: unknown) => {
      this.logger.warn(
        { err: error },
        'The other replicas could not be told that this one is ending; they will notice',
      );
    });
  }

  private async look(): Promise<void> {
    if (this.owned.size === 0) return;
    for (const endpoint of await this.lanes.withWorkDue(this.owned.ids)) {
      this.owned.find(endpoint)?.worker.wake();
    }
  }

  private async reconcileAll(): Promise<void> {
    const all = this.reconciled++ % PUT_ALL_RIGHT_EVERY === 0;
    await this.survive(() => this.claims.putRight({ all }));
    await this.reconcile(this.owned.all.map(({ worker }) => worker));
  }

  private reconcile(workers: EndpointWorker[]): Promise<void> {
    return this.survive(() => this.claims.reconcile(workers));
  }

  /** The next pass makes up for a failure, and the other loops already tell whether the database can be reached. */
  private async survive(work: () => Promise<void>, otherwise = 'Lanes could not be repaired yet'): Promise<void> {
    await work().catch((error: unknown) => {
      this.logger[isStorageUnavailable(error) ? 'debug' : 'error']({ err: error }, otherwise);
    });
  }

  /** All replicas lose it: what another one refuses meanwhile may be overtaken by what this one accepts first. */
  private broken(error: unknown): void {
    this.logger.error({ err: error }, 'The database does not answer; trying again until it does');
    if (isStorageUnavailable(error)) this.intake.mayHaveMissed('all');
  }

  private recovered(): void {
    this.logger.log('The database answers again');
    for (const endpoint of this.owned.ids) if (isPortal(endpoint)) this.events.emit('changed', endpoint);
  }

  private every(ms: number, work: () => Promise<void>): Promise<void> {
    return steadyLoop(ms, work, () => this.stopping, {
      broken: (error) => this.broken(error),
      recovered: () => this.recovered(),
    });
  }
}
