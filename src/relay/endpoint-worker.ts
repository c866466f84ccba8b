import { Logger } from '@nestjs/common';
import { isStorageUnavailable } from '../common/storage-unavailable.js';
import { UpstreamError } from '../common/upstream-error.js';
import { isAutomatic, type ClaimedLane } from '../storage/work/claimed-lane.js';
import { isBot } from '../storage/work/endpoint-id.js';
import type { LanesRepository } from '../storage/work/lanes.repository.js';
import type { Lease } from '../storage/work/lease.js';
import { Alarm } from './alarm.js';
import { Circuit } from './circuit.js';
import { DeliveryTraces } from './delivery-traces.js';
import type { EndpointDriver, EndpointHealth, HeldLease, LaneResult, Obstacle } from './endpoint-driver.js';
import { InFlight } from './in-flight.js';
import type { Claimant, LaneClaims } from './lane-claims.js';
import { LaneOutcomes } from './lane-outcomes.js';
import type { LaneSettlements } from './lane-settlements.js';
import type { RelayEvents } from './relay-events.js';

/** How often the tables are polled without a wake-up; the supervisor polls more often, for all endpoints at once. */
const IDLE_MS = 5_000;
/** A driver's wait may end sooner than it said, which only the driver can see. */
const ASK_AGAIN_MS = 1_000;
/** Between tries while the database cannot be reached. */
const DATABASE_PAUSE_MS = 500;
/** Lanes in flight that automatic texts leave free for people. */
const LANES_KEPT_FOR_PEOPLE = 1;
/** One claim in this many takes automatic texts first, so that they make progress even where people never stop writing. */
const BULK_FIRST_EVERY = 10;

/**
 * Drives one endpoint while its lease holds: claims due lanes, has them sent and records the outcomes. A lane is one
 * chat and direction and is claimed by its head, so a chat keeps its order and waits only for itself.
 */
export class EndpointWorker implements Claimant {
  private readonly logger = new Logger(EndpointWorker.name);
  private readonly circuit = new Circuit();
  private readonly inFlight = new InFlight();
  private readonly traces: DeliveryTraces;
  private readonly outcomes: LaneOutcomes;
  private readonly network: 'telegram' | 'bitrix24';
  /** Counts the claims that included automatic texts, from 1. */
  private claims = 1;
  /** The last claim was cut short because too much was in flight: the next result makes room. */
  private full = false;
  /** When to ask the driver for permits again, by `performance.now()`. */
  private askAt = 0;
  /** What held lanes back when the driver was last asked for permits. */
  private obstacle: Obstacle | undefined;
  private readonly alarm = new Alarm();
  private stopped = false;
  private finished: Promise<void> = Promise.resolve();

  constructor(
    private readonly held: HeldLease,
    private readonly driver: EndpointDriver,
    private readonly lanes: LanesRepository,
    events: RelayEvents,
    private readonly options: { policy: 'hold' | 'resend'; claims: LaneClaims; settlements: LaneSettlements },
  ) {
    this.traces = new DeliveryTraces(this.endpoint);
    this.network = isBot(this.endpoint) ? 'telegram' : 'bitrix24';
    this.outcomes = new LaneOutcomes(this.endpoint, this.network, options.policy, events, this.traces);
  }

  get lease(): Lease {
    return this.held.lease;
  }

  get endpoint(): string {
    return this.lease.endpoint;
  }

  start(): void {
    this.driver.start();
    this.finished = this.run();
  }

  /** There may be new work. */
  wake(): void {
    this.alarm.wake();
  }

  refresh(): void {
    // A refresh would restart the driver, and this one is about to move to another replica.
    if (this.stopped) return;
    this.driver.refresh();
    this.askAt = 0;
    this.wake();
  }

  health(): EndpointHealth {
    return this.driver.health();
  }

  /** What holds messages back right now; `circuit`: several chats in a row failed. */
  get heldBackBy(): Obstacle | 'circuit' | undefined {
    return this.circuit.open ? 'circuit' : this.obstacle;
  }

  /** Claims nothing more, waits for what is in flight and settles it; gives up waiting after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.stopped = true;
    this.wake();
    const drained = (async () => {
      await this.driver.stop();
      await this.finished;
      while (!this.inFlight.empty) await new Promise((resolve) => setTimeout(resolve, 10));
    })();
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([drained, new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)))]);
    clearTimeout(timer);
  }

  /** What another owner had in flight: nobody knows whether it arrived. */
  takeInterrupted(lanes: ClaimedLane[]): void {
    const error = new UpstreamError({
      network: this.network,
      kind: 'unknown',
      code: 'INTERRUPTED',
      detail: 'The program stopped while this was being sent.',
      scope: 'message',
    });
    for (const lane of lanes) {
      const deliveries = lane.deliveries.map(({ seq }) => ({ seq, delivered: false as const, error }));
      void this.settle(lane, { deliveries });
    }
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        const wait = await this.step();
        if (wait > 0) await this.alarm.sleep(wait);
      } catch (error) {
        // The supervisor logs once that the database cannot be reached; every worker doing so would flood the log.
        const log = isStorageUnavailable(error) ? 'debug' : 'error';
        this.logger[log]({ endpoint: this.endpoint, err: error }, 'The endpoint pauses after an error');
        await this.alarm.sleep(DATABASE_PAUSE_MS);
      }
    }
  }

  /** One round; returns how many milliseconds to sleep before the next. */
  private async step(): Promise<number> {
    this.alarm.reset();
    const now = performance.now();
    if (!this.held.held) return DATABASE_PAUSE_MS;
    const free = this.circuit.allowance(this.inFlight.room(this.driver, now), now);
    this.full = free <= 0;
    const pausedMs = this.circuit.waitMs(now);
    if (this.full) return pausedMs > 0 ? pausedMs : (this.inFlight.agesInMs(now) ?? IDLE_MS);
    this.full = now < this.askAt;
    if (this.full) return this.askAt - now;
    const permits = await this.driver.permits(free);
    const { granted, bulkInMs = IDLE_MS } = permits;
    this.obstacle = granted === 0 ? permits.obstacle : undefined;
    this.full = granted === 0;
    if (this.full) {
      this.askAt = performance.now() + Math.min(permits.retryInMs, ASK_AGAIN_MS);
      return permits.retryInMs;
    }
    const bulkFirst = this.claims % BULK_FIRST_EVERY === 0;
    const kept = bulkFirst ? 0 : LANES_KEPT_FOR_PEOPLE;
    const bulkRoom = this.circuit.allowance(this.inFlight.room(this.driver, now) - kept, now);
    const bulk = Math.min(granted, permits.bulk ?? granted, Math.max(0, bulkRoom));
    this.full = bulkRoom <= 0;
    const from = Date.now();
    if (bulk > 0) this.claims++;
    const claimed = await this.claim(granted, bulk, bulkFirst).catch((error: unknown) => {
      this.driver.giveBack();
      throw error;
    });
    this.dispatch(claimed, { from, to: Date.now() });
    const automatic = claimed.filter(isAutomatic).length;
    // A limit was reached, so more may be due.
    if (claimed.length === granted || (automatic > 0 && automatic >= bulk)) return 0;
    if (bulk > 0) return IDLE_MS;
    return permits.bulk === 0 ? Math.min(bulkInMs, IDLE_MS) : (this.inFlight.agesInMs(now) ?? IDLE_MS);
  }

  private claim(limit: number, bulk: number, bulkFirst: boolean): Promise<ClaimedLane[]> {
    return this.options.claims.claim({ lease: this.lease, limit, bulk, heads: this.driver.headsPerLane, bulkFirst });
  }

  private dispatch(lanes: ClaimedLane[], claim: { from: number; to: number }): void {
    if (lanes.length === 0) return this.driver.giveBack();
    const now = performance.now();
    this.circuit.sent(now);
    const results = this.traces.begin(lanes, claim, () => this.driver.send(lanes));
    results.forEach((result, index) => {
      const lane = lanes[index]!;
      const sent = this.inFlight.sent(now);
      void result.then((outcome) => {
        this.inFlight.answered(sent);
        for (const delivery of outcome.deliveries) {
          this.letGo(this.circuit.heard(lane.id, delivery, performance.now()));
        }
        void this.settle(lane, outcome);
        this.roomMade();
      });
    });
  }

  private async settle(lane: ClaimedLane, result: LaneResult): Promise<void> {
    const settlement = this.outcomes.settlementOf(lane, result);
    this.inFlight.records();
    const recorded = await this.options.settlements.record(this.held, settlement);
    this.options.claims.close(lane, { recorded });
    this.inFlight.recorded();
    if (recorded) this.traces.settled(lane);
    this.roomMade();
  }

  private roomMade(): void {
    if (!this.full) return;
    this.askAt = 0;
    this.wake();
  }

  /** After an outage, lanes that waited because of it may go at once; those with a waiting time of their own keep it. */
  private letGo(waiting: bigint[]): void {
    if (waiting.length === 0) return;
    this.lanes.wake(this.endpoint, waiting).then(
      () => this.wake(),
      (error: unknown) =>
        this.logger.debug(
          { endpoint: this.endpoint, err: error },
          'Waiting lanes could not be woken; they keep their times',
        ),
    );
  }
}
