import { Logger } from '@nestjs/common';
import { isStorageUnavailable } from '../common/storage-unavailable.js';
import { UpstreamError } from '../common/upstream-error.js';
import { isAutomatic, type ClaimedLane } from '../storage/work/claimed-lane.js';
import { isBot } from '../storage/work/endpoint-id.js';
import type { LanesRepository } from '../storage/work/lanes.repository.js';
import type { Lease } from '../storage/work/lease.js';
import type { LaneSettlement, Settlement } from '../storage/work/settlement.js';
import { Circuit } from './circuit.js';
import { DeliveryTraces } from './delivery-traces.js';
import type { EndpointDriver, EndpointHealth, HeldLease, LaneResult } from './endpoint-driver.js';
import { InFlight } from './in-flight.js';
import type { Claimant, LaneClaims } from './lane-claims.js';
import type { LaneSettlements } from './lane-settlements.js';
import type { RelayEvents } from './relay-events.js';
import { settlementOf } from './settlement-of.js';

/** Without a wake-up the tables are looked at this often; the supervisor's look is quicker and for all at once. */
const IDLE_MS = 5_000;
/** What a driver waits for may be over sooner than it said, in a way that only the driver sees. */
const ASK_AGAIN_MS = 1_000;
/** While the database is away. */
const DATABASE_PAUSE_MS = 500;
/** Of the lanes that may be in flight, those that automatic texts leave free for people. */
const LANES_KEPT_FOR_PEOPLE = 1;
/** One of so many claims takes automatic texts first, so that they get on also where people write all the time. */
const BULK_FIRST_EVERY = 10;

/**
 * Drives one endpoint while its lease holds: claims lanes that are due, has them sent, hands in what became of them.
 * One lane is one chat and direction; it is claimed by its head, so a chat keeps its order and only waits for itself.
 */
export class EndpointWorker implements Claimant {
  private readonly logger = new Logger(EndpointWorker.name);
  private readonly circuit = new Circuit();
  private readonly inFlight = new InFlight();
  private readonly traces: DeliveryTraces;
  private readonly network: 'telegram' | 'bitrix24';
  /** Claims in which automatic texts had a part, from 1. */
  private claims = 1;
  /** Nothing more, or no more automatic texts, was claimed because too much was in flight: a result makes room. */
  private full = false;
  /** When it is worth asking the driver for permits again, by `performance.now()`. */
  private askAt = 0;
  private wakeUp: (() => void) | null = null;
  private woken = false;
  private stopped = false;
  private finished: Promise<void> = Promise.resolve();

  constructor(
    private readonly held: HeldLease,
    private readonly driver: EndpointDriver,
    private readonly lanes: LanesRepository,
    private readonly events: RelayEvents,
    private readonly options: { policy: 'hold' | 'resend'; claims: LaneClaims; settlements: LaneSettlements },
  ) {
    this.traces = new DeliveryTraces(this.endpoint);
    this.network = isBot(this.endpoint) ? 'telegram' : 'bitrix24';
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
    this.woken = true;
    this.wakeUp?.();
  }

  refresh(): void {
    // A refreshed driver begins anew, and this one is on its way to another replica.
    if (this.stopped) return;
    this.driver.refresh();
    this.askAt = 0;
    this.wake();
  }

  health(): EndpointHealth {
    return this.driver.health();
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
      this.record(lane, { deliveries });
    }
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        const wait = await this.step();
        if (wait > 0) await this.sleep(wait);
      } catch (error) {
        // The supervisor says once that the database is away; every worker saying it would drown the log.
        const log = isStorageUnavailable(error) ? 'debug' : 'error';
        this.logger[log]({ endpoint: this.endpoint, err: error }, 'The endpoint pauses');
        await this.sleep(DATABASE_PAUSE_MS);
      }
    }
  }

  /** One round; returns how long nothing can be done. */
  private async step(): Promise<number> {
    this.woken = false;
    const now = performance.now();
    if (!this.held.held) return DATABASE_PAUSE_MS;
    const free = this.circuit.allowance(this.inFlight.room(this.driver, now), now);
    this.full = free <= 0;
    if (this.full) return this.circuit.waitMs(now) || (this.inFlight.agesInMs(now) ?? IDLE_MS);
    this.full = now < this.askAt;
    if (this.full) return this.askAt - now;
    const permits = await this.driver.permits(free);
    const { granted, bulkInMs = IDLE_MS } = permits;
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
    // There may be more of what was claimed to the limit.
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
        this.record(lane, outcome);
        this.roomMade();
      });
    });
  }

  private record(lane: ClaimedLane, result: LaneResult): void {
    let dueInMs = result.nextInMs ?? 0;
    const deliveries = result.deliveries.map((outcome): Settlement => {
      const delivery = lane.deliveries.find((candidate) => candidate.seq === outcome.seq)!;
      const now = Date.now();
      const { policy } = this.options;
      const settlement = settlementOf(delivery, outcome, { policy, now, random: Math.random() });
      this.traces.sent(lane, outcome.seq, settlement.outcome, settlement.code);
      dueInMs = Math.max(dueInMs, settlement.delayMs ?? 0);
      if (settlement.outcome === 'postponed') return settlement;
      if (settlement.outcome === 'failed' || settlement.outcome === 'uncertain') {
        const { kind, message } = delivery;
        this.logger.warn(
          { endpoint: this.endpoint, messageId: String(message.id), kind, code: settlement.code },
          `A delivery ended as ${settlement.outcome}`,
        );
      }
      this.events.emit('settled', {
        network: this.network,
        kind: delivery.kind,
        outcome: settlement.outcome,
        ms: now - (delivery.waited ? delivery.startedAt : delivery.message.createdAt).getTime(),
      });
      return settlement;
    });
    void this.settle({ lane, deliveries, dueInMs, silenceMs: result.silenceMs, chat: result.chat });
  }

  private async settle(settlement: LaneSettlement): Promise<void> {
    this.inFlight.records();
    const recorded = await this.options.settlements.record(this.held, settlement);
    this.options.claims.close(settlement.lane, { recorded });
    this.inFlight.recorded();
    if (recorded) this.traces.settled(settlement.lane);
    this.roomMade();
  }

  private roomMade(): void {
    if (!this.full) return;
    this.askAt = 0;
    this.wake();
  }

  /** After an outage, whatever waited because of it may go now; who was told a time to wait keeps it. */
  private letGo(waiting: bigint[]): void {
    if (waiting.length === 0) return;
    this.lanes.wake(this.endpoint, waiting).then(
      () => this.wake(),
      (error: unknown) => this.logger.debug({ endpoint: this.endpoint, err: error }, 'Waiting lanes keep their times'),
    );
  }

  private sleep(ms: number): Promise<void> {
    if (this.woken) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.wakeUp = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.wakeUp = done;
    });
  }
}
