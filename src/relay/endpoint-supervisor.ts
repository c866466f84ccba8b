import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { isStorageUnavailable } from '../common/storage-unavailable.js';
import { Environment } from '../config/environment.js';
import { isPortal } from '../storage/work/endpoint-id.js';
import { EndpointsRepository, LEASE_SECONDS } from '../storage/work/endpoints.repository.js';
import { LanesRepository } from '../storage/work/lanes.repository.js';
import type { Lease } from '../storage/work/lease.js';
import { EndpointConditions } from './endpoint-conditions.js';
import { EndpointDrivers, type EndpointHealth, type HeldLease, type Obstacle } from './endpoint-driver.js';
import { EndpointWorker } from './endpoint-worker.js';
import { IntakeService } from './intake.service.js';
import { LaneClaims } from './lane-claims.js';
import { LaneSettlements } from './lane-settlements.js';
import { RelayEvents } from './relay-events.js';

const HEARTBEAT_MS = 2_000;
const ACQUIRE_MS = 1_000;
/** How soon work is found that another replica accepted, and retries that fall due. */
const LOOK_MS = 200;
/** How long a claim whose answer was lost, or a lane whose owner is gone, keeps a chat waiting. */
const RECONCILE_MS = 3_000;
/** How soon the tables know that an endpoint fell ill or got well. */
const CONDITIONS_MS = 2_000;
/** One in so many times every lane is looked at, also those that nobody would ever claim: once a minute. */
const PUT_ALL_RIGHT_EVERY = 20;
const ACQUIRE_AT_ONCE = 50;
/** How far a replica may be above its fair share, as a part of it, before it hands endpoints over. */
const SLACK = 0.1;
/** Endpoints handed over in one go at most, one go per ACQUIRE_MS: each of them rests for about a second. */
const HAND_OVER_AT_ONCE = 10;
/** Longer than any call takes: what is in flight is settled before another replica goes on. */
const HAND_OVER_MS = 90_000;
/** The process ends within 10 s of SIGTERM: this long what is in flight may take. */
const DRAIN_MS = 8_000;
/** What is in flight when the endpoint is lost has no use for its outcome: this long its calls may take to end. */
const LOST_MS = 1_000;

class OwnLease implements HeldLease {
  private readonly controller = new AbortController();
  private until: number;

  /** @param since when it was asked for, by `performance.now()` */
  constructor(
    readonly lease: Lease,
    readonly since: number,
  ) {
    this.until = since + LEASE_SECONDS * 1_000;
  }

  /** Counted from before the request that prolonged it, by a clock that also runs while the process is frozen. */
  prolong(since: number): void {
    this.until = since + LEASE_SECONDS * 1_000;
  }

  get held(): boolean {
    return !this.signal.aborted && performance.now() < this.until;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  end(): void {
    this.controller.abort();
  }
}

/** An endpoint that this process drives. */
export interface DrivenEndpoint extends EndpointHealth {
  id: string;
  owned: boolean;
  /** What keeps its messages from being sent at this moment. */
  heldBackBy?: Obstacle | 'circuit' | undefined;
}

interface Owned {
  lease: OwnLease;
  worker: EndpointWorker;
}

/**
 * Owns endpoints — bots and portals — one replica each at a time, and runs a worker for every one it owns.
 * The same lease makes one poller per bot, one sender per chat and one limiter per portal. Replicas share evenly: one
 * that has more than its part of what there is hands some over, and takes no more.
 */
@Injectable()
export class EndpointSupervisor implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(EndpointSupervisor.name);
  /** Names this process in leases and attempts. */
  readonly instance = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
  private readonly owned = new Map<string, Owned>();
  /** Endpoints on their way out, until their workers have come to rest and their leases are given up. */
  private readonly ending = new Map<string, Promise<void>>();
  /** How often it was begun and ended to take endpoints: odd while one such try is under way. */
  private acquisitions = 0;
  /** Those of them that are on their way to another replica: they finish what is in flight and do nothing more. */
  private readonly handedOver = new Set<string>();
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
    this.claims = new LaneClaims(lanes, events);
    this.settlements = new LaneSettlements(lanes, events, this.instance);
  }

  onApplicationBootstrap(): void {
    this.events.on('work', (endpoints) => {
      for (const endpoint of endpoints) this.owned.get(endpoint)?.worker.wake();
    });
    this.events.on('changed', (endpoint) => {
      this.owned.get(endpoint)?.worker.refresh();
      // Whichever replica drives it: what waited for this change is found by the next look.
      this.lanes.wake(endpoint).catch((error: unknown) => {
        this.logger.debug({ endpoint, err: error }, 'Waiting lanes keep their times');
      });
    });
    // What operators write before this process listens may be lost: a look into the dialogs must come after it.
    this.http.listen$.subscribe(() => this.begin());
  }

  private begin(): void {
    this.loops.push(
      this.every(HEARTBEAT_MS, () => this.heartbeat()),
      this.every(ACQUIRE_MS, () => this.acquire()),
      this.every(LOOK_MS, () => this.look()),
      this.every(RECONCILE_MS, () => this.reconcileAll()),
      this.every(CONDITIONS_MS, () =>
        this.survive(() => this.tellConditions(), 'The conditions of endpoints are not written down yet'),
      ),
    );
  }

  /** Every endpoint this process drives, and whether it is well. */
  status(): DrivenEndpoint[] {
    return [...this.owned.values()].map(({ lease, worker }) => ({
      id: worker.endpoint,
      owned: lease.held,
      heldBackBy: worker.heldBackBy,
      ...worker.health(),
    }));
  }

  /** Nothing new is claimed, what is in flight is settled, the leases are given up at once. A second call joins the first. */
  drain(): Promise<void> {
    return (this.draining ??= this.giveUpAll());
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.drain();
  }

  private async giveUpAll(): Promise<void> {
    this.stopping = true;
    const deadline = performance.now() + DRAIN_MS;
    await Promise.all([
      this.leave(),
      ...[...this.owned.keys()].map((endpoint) => this.giveUp(endpoint, deadline - performance.now())),
    ]);
    await Promise.race([Promise.all(this.loops), new Promise((resolve) => setTimeout(resolve, 500))]);
  }

  private async tellConditions(): Promise<void> {
    const driven = [...this.owned.values()]
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
    // What was taken while the heartbeat was under way may be missing from its answer.
    const complete = acquisitions % 2 === 0 && acquisitions === this.acquisitions;
    for (const [endpoint, owned] of this.owned) {
      const lease = leases.get(endpoint);
      if (lease && lease.fence === owned.lease.lease.fence) {
        owned.lease.prolong(since);
      } else if (owned.lease.since < since && (lease || complete)) {
        this.logger.warn({ endpoint }, 'Another replica drives this endpoint now');
        this.lose(owned);
      }
    }
    if (!complete) return;
    for (const [endpoint, lease] of leases) {
      // Taken, but the answer never came: nobody drives it, and this heartbeat would keep it from everybody.
      if (!this.owned.has(endpoint) && !this.ending.has(endpoint)) {
        this.logger.warn({ endpoint }, 'A lease that nobody here knows of is given up');
        void this.ends(endpoint, this.release(lease, { handOver: false }));
      }
    }
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
    this.handOverSurplus(share);
    const room = Math.max(0, Math.min(ACQUIRE_AT_ONCE, share - this.owned.size));
    const since = performance.now();
    const leases = await this.endpoints.acquire(this.instance, room);
    const workers = await Promise.all(leases.map((lease) => this.drive(new OwnLease(lease, since))));
    void this.reconcile(workers.filter((worker) => worker !== null));
  }

  /** Null: the process ends, or nobody knows how. */
  private async drive(lease: OwnLease): Promise<EndpointWorker | null> {
    const { endpoint, fence } = lease.lease;
    const former = this.owned.get(endpoint);
    // Our own lease ran out unnoticed and came back with a new fence: the old worker's knowledge is void.
    if (former) this.lose(former);
    await this.ending.get(endpoint);
    if (this.stopping) {
      await this.endpoints.release(lease.lease, { handOver: false });
      return null;
    }
    const driver = this.drivers.create(endpoint, lease);
    if (!driver) return null;
    const worker = new EndpointWorker(lease, driver, this.lanes, this.events, {
      policy: this.environment.UNCERTAIN_POLICY,
      claims: this.claims,
      settlements: this.settlements,
    });
    this.owned.set(endpoint, { lease, worker });
    this.logger.log({ endpoint, fence: String(fence) }, 'Driving endpoint');
    worker.start();
    return worker;
  }

  /** Any of them, so that bots and portals go in proportion; the larger the surplus, the more at once. */
  private handOverSurplus(share: number): void {
    const staying = [...this.owned.keys()].filter((endpoint) => !this.handedOver.has(endpoint));
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

  private leave(): Promise<void> {
    return this.endpoints.leave(this.instance).catch((error: unknown) => {
      this.logger.warn({ err: error }, 'The others do not know yet that this replica ends; they notice by themselves');
    });
  }

  private async look(): Promise<void> {
    if (this.owned.size === 0) return;
    for (const endpoint of await this.lanes.withWorkDue([...this.owned.keys()])) {
      this.owned.get(endpoint)?.worker.wake();
    }
  }

  private async reconcileAll(): Promise<void> {
    const all = this.reconciled++ % PUT_ALL_RIGHT_EVERY === 0;
    await this.survive(() => this.claims.putRight({ all }));
    await this.reconcile([...this.owned.values()].map(({ worker }) => worker));
  }

  private reconcile(workers: EndpointWorker[]): Promise<void> {
    return this.survive(() => this.claims.reconcile(workers));
  }

  /** What is made good a little later says nothing about the database that the other looks would not say. */
  private async survive(work: () => Promise<void>, otherwise = 'Lanes could not be put right yet'): Promise<void> {
    await work().catch((error: unknown) => {
      this.logger[isStorageUnavailable(error) ? 'debug' : 'error']({ err: error }, otherwise);
    });
  }

  /** Lets go of an endpoint that is another owner's already; nobody waits for that. */
  private lose(owned: Owned): void {
    const { endpoint } = owned.worker;
    owned.lease.end();
    if (this.owned.get(endpoint) === owned) this.owned.delete(endpoint);
    void this.ends(endpoint, this.comesToRest(owned, LOST_MS));
  }

  private async ends(endpoint: string, end: Promise<void>): Promise<void> {
    this.ending.set(endpoint, end);
    await end;
    if (this.ending.get(endpoint) === end) this.ending.delete(endpoint);
  }

  private async giveUp(endpoint: string, timeoutMs: number): Promise<void> {
    const owned = this.owned.get(endpoint);
    if (!owned) return;
    await this.comesToRest(owned, timeoutMs);
    owned.lease.end();
    if (this.owned.get(endpoint) !== owned) return;
    this.owned.delete(endpoint);
    await this.ends(endpoint, this.release(owned.lease.lease, { handOver: !this.stopping }));
  }

  private async comesToRest({ worker }: Owned, timeoutMs: number): Promise<void> {
    await worker.stop(Math.max(0, timeoutMs)).catch((error: unknown) => {
      const { endpoint } = worker;
      this.logger.error({ endpoint, err: error }, 'The endpoint did not come to rest; giving it up all the same');
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
        await new Promise((resolve) => setTimeout(resolve, HEARTBEAT_MS));
      }
    }
  }

  /** It is away for all replicas: what another one refuses meanwhile may be overtaken by what this one takes first. */
  private broken(error: unknown): void {
    this.logger.error({ err: error }, 'The database does not answer; trying again until it does');
    if (isStorageUnavailable(error)) this.intake.mayHaveMissed('all');
  }

  private recovered(): void {
    this.logger.log('The database answers again');
    for (const endpoint of this.owned.keys()) if (isPortal(endpoint)) this.events.emit('changed', endpoint);
  }

  private async every(ms: number, work: () => Promise<void>): Promise<void> {
    let failing = false;
    while (!this.stopping) {
      try {
        await work();
        if (failing) this.recovered();
        failing = false;
      } catch (error) {
        if (!failing) this.broken(error);
        failing = true;
      }
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
  }
}
