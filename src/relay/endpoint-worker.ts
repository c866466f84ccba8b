import { Logger } from '@nestjs/common';
import { isStorageUnavailable } from '../common/storage-unavailable.js';
import { UpstreamError } from '../common/upstream-error.js';
import type { ClaimedDelivery, ClaimedLane } from '../storage/claimed-lane.js';
import type { LanesRepository } from '../storage/lanes.repository.js';
import type { Doubt, EndpointSettlements, LaneSettlement, Settlement } from '../storage/settlement.js';
import { LeaseLostError } from '../storage/lease.js';
import { Circuit } from './circuit.js';
import {
  BOT_UNAUTHORISED,
  CLIENT_MESSAGE_REFUSED,
  FILES_LEFT_OUT,
  type DeliveryResult,
  type EndpointDriver,
  type HeldLease,
  type LaneResult,
} from './endpoint-driver.js';
import { DeliveryTraces } from './delivery-traces.js';
import { decide } from './outcome.js';
import type { RelayEvents } from './relay-events.js';

/** Without a wake-up the tables are looked at this often; the supervisor's look is quicker and for all at once. */
const IDLE_MS = 5_000;
/** A lane in flight is young for so long: most answers come sooner. */
const YOUNG_MS = 1_000;
/** While the database is away. */
const DATABASE_PAUSE_MS = 500;
const MORE_PARTS = { code: 'paced', detail: "The other parts follow as soon as the network's limits allow." };

/**
 * Drives one endpoint while its lease holds: claims lanes that are due, has them sent, settles what became of them.
 * One lane is one chat and direction; it is claimed by its head, so a chat keeps its order and only waits for itself.
 */
export class EndpointWorker {
  private readonly logger = new Logger(EndpointWorker.name);
  private readonly circuit = new Circuit();
  private readonly traces: DeliveryTraces;
  private readonly unsettled: LaneSettlement[] = [];
  /** When the lanes in flight were sent. */
  private readonly inFlight = new Set<{ since: number; lane: ClaimedLane }>();
  /** A claim failed, and nobody knows whether it was committed. */
  private claimInDoubt = false;
  /** Nothing more was claimed because too much was in flight: a result makes room. */
  private full = false;
  private settling: Promise<void> | null = null;
  private wakeUp: (() => void) | null = null;
  private woken = false;
  private stopped = false;
  private finished: Promise<void> = Promise.resolve();

  constructor(
    private readonly held: HeldLease,
    private readonly driver: EndpointDriver,
    private readonly lanes: LanesRepository,
    private readonly events: RelayEvents,
    private readonly options: {
      policy: 'hold' | 'resend';
      /** Resolves once it is committed; endpoints that then have work due are woken. */
      settle: (settlements: EndpointSettlements) => Promise<void>;
    },
  ) {
    this.traces = new DeliveryTraces(this.endpoint);
  }

  get endpoint(): string {
    return this.held.lease.endpoint;
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
    this.wake();
  }

  health(): { healthy: boolean; detail?: string } {
    return this.driver.health();
  }

  /** Claims nothing more, waits for what is in flight and settles it; gives up waiting after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.stopped = true;
    this.wake();
    const drained = (async () => {
      await this.driver.stop();
      await this.finished;
      while (this.inFlight.size > 0 || this.settling) await new Promise((resolve) => setTimeout(resolve, 10));
    })();
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([drained, new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)))]);
    clearTimeout(timer);
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.settleInterrupted();
        break;
      } catch (error) {
        await this.survive(error);
      }
    }
    while (!this.stopped) {
      try {
        const wait = await this.step();
        if (wait > 0) await this.sleep(wait);
      } catch (error) {
        await this.survive(error);
      }
    }
  }

  /** One round; returns how long nothing can be done. */
  private async step(): Promise<number> {
    this.woken = false;
    const now = performance.now();
    if (!this.held.held) return DATABASE_PAUSE_MS;
    const young = [...this.inFlight].filter(({ since }) => now - since < YOUNG_MS);
    const room = Math.min(
      this.driver.concurrency - this.inFlight.size,
      this.driver.inDoubt - young.length - this.unsettled.length,
    );
    const free = this.circuit.allowance(room, now);
    this.full = free <= 0;
    // The first in flight is the first to be young no more.
    if (this.full) return this.circuit.waitMs(now) || (young[0] ? young[0].since + YOUNG_MS - now : IDLE_MS);
    const { granted, retryInMs } = await this.driver.permits(free);
    this.full = granted === 0;
    if (this.full) return retryInMs;
    const from = Date.now();
    const claimed = await this.claim(granted).catch((error: unknown) => {
      this.claimInDoubt = true;
      this.driver.giveBack();
      throw error;
    });
    this.dispatch(claimed, { from, to: Date.now() });
    return claimed.length < granted ? IDLE_MS : 0;
  }

  private async claim(limit: number): Promise<ClaimedLane[]> {
    if (this.claimInDoubt) {
      const known = [...this.inFlight, ...this.unsettled].map(({ lane }) => lane.id);
      await this.lanes.unclaim(this.held.lease, known);
      this.claimInDoubt = false;
    }
    return this.lanes.claim(this.held.lease, limit, this.driver.headsPerLane);
  }

  private dispatch(claimed: ClaimedLane[], claim: { from: number; to: number }): void {
    const empty = claimed.filter((lane) => lane.deliveries.length === 0);
    // The work was committed after the claim had begun: let the next claim see it.
    for (const lane of empty) this.settleSoon({ lane, deliveries: [], dueInMs: 0 });
    const lanes = claimed.filter((lane) => lane.deliveries.length > 0);
    if (lanes.length === 0) return this.driver.giveBack();
    const since = performance.now();
    this.circuit.sent(since);
    const results = this.traces.begin(lanes, claim, () => this.driver.send(lanes));
    results.forEach((result, index) => {
      const sent = { since, lane: lanes[index]! };
      this.inFlight.add(sent);
      void result.then((outcome) => {
        this.inFlight.delete(sent);
        for (const delivery of outcome.deliveries) this.learn(lanes[index]!.id, delivery);
        this.record(lanes[index]!, outcome);
        if (this.full) this.wake();
      });
    });
  }

  /** What the previous owner had in flight: nobody knows whether it arrived. */
  private async settleInterrupted(): Promise<void> {
    for (;;) {
      const lanes = await this.lanes.interrupted(this.held.lease);
      if (lanes.length === 0) return;
      const network = this.endpoint.startsWith('bot:') ? 'telegram' : 'bitrix24';
      const error = new UpstreamError({
        network,
        kind: 'unknown',
        code: 'INTERRUPTED',
        detail: 'The program stopped while this was being sent.',
        scope: 'message',
      });
      for (const lane of lanes) {
        const deliveries = lane.deliveries.map((delivery) => ({ seq: delivery.seq, delivered: false as const, error }));
        this.record(lane, { deliveries });
      }
      while (this.settling) await this.settling;
      if (this.stopped || this.held.signal.aborted) return;
    }
  }

  /** What an outcome says about the network as a whole. */
  private learn(laneId: bigint, result: DeliveryResult): void {
    if (result.delivered) return this.networkAnswered();
    if ('postponed' in result) return result.postponed.begun ? this.networkAnswered() : this.circuit.unproven();
    const { kind, scope, retryAfterMs } = result.error;
    // An answer, even a "no" or, for one chat, a "later", shows that the network is well.
    if (kind === 'refused' || (kind === 'not_sent' && scope === 'chat')) return this.networkAnswered();
    if (scope !== 'endpoint' && kind !== 'unknown') return this.circuit.unproven();
    if (retryAfterMs !== undefined) this.circuit.pause(retryAfterMs, performance.now());
    else this.circuit.failed(laneId, performance.now());
  }

  private record(lane: ClaimedLane, result: LaneResult): void {
    let dueInMs = result.nextInMs ?? 0;
    const deliveries = result.deliveries.map((outcome): Settlement => {
      const delivery = lane.deliveries.find((candidate) => candidate.seq === outcome.seq)!;
      const settlement = this.settlementOf(delivery, outcome);
      this.traces.sent(lane, outcome.seq, settlement.outcome, settlement.code);
      dueInMs = Math.max(dueInMs, settlement.delayMs ?? 0);
      if (settlement.outcome === 'postponed') return settlement;
      this.events.emit('settled', {
        network: this.endpoint.startsWith('bot:') ? 'telegram' : 'bitrix24',
        kind: delivery.kind,
        outcome: settlement.outcome,
        ms: Date.now() - (delivery.waited ? delivery.startedAt : delivery.message.createdAt).getTime(),
      });
      return settlement;
    });
    this.settleSoon({ lane, deliveries, dueInMs, silenceMs: result.silenceMs, chat: result.chat });
  }

  private settlementOf(delivery: ClaimedDelivery, result: DeliveryResult): Settlement & { delayMs?: number } {
    const { seq, telegramMessageIds, telegramParts, removedMessageIds, leftOut } = result;
    const parts = { telegramMessageIds, telegramParts, removedMessageIds };
    const aboutFiles = leftOut && { code: FILES_LEFT_OUT, detail: '', about: delivery.kind, files: leftOut };
    if (result.delivered) {
      const note = result.note ? { ...result.note, about: delivery.kind } : noteOf(delivery, aboutFiles);
      return { seq, outcome: 'delivered', ...parts, reportDelivery: result.reportDelivery, note };
    }
    if ('postponed' in result) {
      const { begun, waitsFor, known } = result.postponed;
      if (!begun) return { seq, outcome: 'postponed', waitsFor, ...(known ? { doubt: 'none' } : {}) };
      return { seq, outcome: 'retry', ...MORE_PARTS, doubt: 'none', ...parts, note: noteOf(delivery, aboutFiles) };
    }
    const { error } = result;
    const decision = decide({
      error,
      kind: delivery.kind,
      attempt: delivery.attempt,
      unknownBefore: delivery.unknown,
      // What waited for the client must not make his words wait for it.
      ageMs: delivery.waited ? 0 : Date.now() - delivery.queuedAt.getTime(),
      policy: this.options.policy,
      random: Math.random(),
    });
    const { code, detail } = error;
    if (decision.outcome === 'retry') {
      return {
        seq,
        outcome: 'retry',
        code,
        detail,
        doubt: decision.unknown ? doubtOf(error) : 'none',
        ...parts,
        delayMs: decision.delayMs,
        note: noteOf(
          delivery,
          waitsForToken(delivery, error) ? { code: BOT_UNAUTHORISED, detail, about: delivery.kind } : aboutFiles,
        ),
      };
    }
    this.logger.warn(
      { endpoint: this.endpoint, messageId: String(delivery.message.id), kind: delivery.kind, code },
      `A delivery ended as ${decision.outcome}`,
    );
    const known = error.network === 'bitrix24' ? CLIENT_MESSAGE_REFUSED : code;
    const note =
      decision.note && !delivery.message.systemLine
        ? { code: decision.outcome === 'uncertain' ? 'uncertain' : known, detail, about: delivery.kind, files: leftOut }
        : undefined;
    return { seq, outcome: decision.outcome, code, detail, ...parts, note: noteOf(delivery, note) };
  }

  /** After an outage, whatever waited because of it may go now; who was told a time to wait keeps it. */
  private networkAnswered(): void {
    const waiting = this.circuit.succeeded();
    if (waiting.length === 0) return;
    this.lanes.wake(this.endpoint, waiting).then(
      () => this.wake(),
      (error: unknown) => this.logger.debug({ endpoint: this.endpoint, err: error }, 'Waiting lanes keep their times'),
    );
  }

  private settleSoon(settlement: LaneSettlement): void {
    this.unsettled.push(settlement);
    this.settling ??= this.settle().finally(() => {
      this.settling = null;
    });
  }

  /** Whatever gathers while one transaction runs goes into the next one. Never gives up while the lease is ours. */
  private async settle(): Promise<void> {
    while (this.unsettled.length > 0) {
      const batch = this.unsettled.slice(0, 200);
      try {
        await this.options.settle({ lease: this.held.lease, lanes: batch });
        this.unsettled.splice(0, batch.length);
        for (const { lane } of batch) this.traces.settled(lane);
        if (this.full) this.wake();
      } catch (error) {
        if (error instanceof LeaseLostError) {
          // The new owner treats what we had in flight as unknown; our knowledge came too late.
          this.logger.warn({ endpoint: this.endpoint, lanes: this.unsettled.length }, error.message);
          this.unsettled.length = 0;
          return;
        }
        this.complain(error, 'Outcomes cannot be recorded yet');
        await new Promise((resolve) => setTimeout(resolve, DATABASE_PAUSE_MS));
        if (this.held.signal.aborted && this.stopped) return;
      }
    }
  }

  /** The supervisor says once that the database is away; every worker saying it, again and again, would drown the log. */
  private complain(err: unknown, what: string): void {
    if (isStorageUnavailable(err)) this.logger.debug({ endpoint: this.endpoint, err }, what);
    else this.logger.error({ endpoint: this.endpoint, err }, what);
  }

  private async survive(error: unknown): Promise<void> {
    this.complain(error, 'The endpoint pauses');
    await this.sleep(DATABASE_PAUSE_MS);
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

function doubtOf({ kind, over }: UpstreamError): Doubt {
  if (kind !== 'unknown') return 'earlier';
  return over ? 'over' : 'open';
}

/** Said once, at the first try: nobody knows when the administrator comes, and the message may wait for two days. */
function waitsForToken({ attempt, kind }: ClaimedDelivery, error: UpstreamError): boolean {
  return error.network === 'telegram' && error.kind === 'unauthorised' && kind === 'message' && attempt === 1;
}

/** Nobody wrote an automatic text (author 0), so nobody is told; a note would keep a dialog from being closed. */
function noteOf({ message }: ClaimedDelivery, note: Settlement['note']): Settlement['note'] {
  return message.authorId === '0' ? undefined : note;
}
