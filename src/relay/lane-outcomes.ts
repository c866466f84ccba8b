import { Logger } from '@nestjs/common';
import type { ClaimedLane } from '../storage/work/claimed-lane.js';
import type { LaneSettlement, Settlement } from '../storage/work/settlement.js';
import type { DeliveryTraces } from './delivery-traces.js';
import type { LaneResult } from './endpoint-driver.js';
import type { RelayEvents } from './relay-events.js';
import { settlementOf } from './settlement-of.js';

/** Turns results of sends into what is recorded of them, and tells logs, traces and metrics. */
export class LaneOutcomes {
  private readonly logger = new Logger(LaneOutcomes.name);

  constructor(
    private readonly endpoint: string,
    private readonly network: 'telegram' | 'bitrix24',
    private readonly policy: 'hold' | 'resend',
    private readonly events: RelayEvents,
    private readonly traces: DeliveryTraces,
  ) {}

  settlementOf(lane: ClaimedLane, result: LaneResult): LaneSettlement {
    let dueInMs = result.nextInMs ?? 0;
    const deliveries = result.deliveries.map((outcome): Settlement => {
      const delivery = lane.deliveries.find((candidate) => candidate.seq === outcome.seq)!;
      const now = Date.now();
      const settlement = settlementOf(delivery, outcome, { policy: this.policy, now, random: Math.random() });
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
    return { lane, deliveries, dueInMs, silenceMs: result.silenceMs, chat: result.chat };
  }
}
