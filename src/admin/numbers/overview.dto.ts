import { ApiPropertyOptional } from '@nestjs/swagger';
import type { ShownState } from '../../storage/history/message-filter.js';

const ApiSometimes = () => ApiPropertyOptional({ type: 'integer', minimum: 1 });

/** Messages of one direction by state; a state without messages is left out. */
export class StateCounts implements Partial<Record<ShownState, number>> {
  @ApiSometimes()
  queued?: number;

  @ApiSometimes()
  sending?: number;

  @ApiSometimes()
  delivered?: number;

  @ApiSometimes()
  failed?: number;

  @ApiSometimes()
  uncertain?: number;

  @ApiSometimes()
  ignored?: number;
}

/** Messages by direction. */
export class MessageCounts {
  inbound: StateCounts;
  outbound: StateCounts;
}

export class Summary {
  messages: MessageCounts;

  /** When the message that has waited longest was stored; null: nothing waits. */
  oldestWaiting: Date | null;
}

export class PortalSummary extends Summary {
  /** Null: messages that belong to no portal. */
  portalId: string | null;
}

export class BotSummary extends Summary {
  /** Null: messages that belong to no bot. */
  botId: string | null;
}

/** The whole traffic in numbers. */
export class Overview extends Summary {
  /** When this was counted. */
  at: Date;
  byPortal: PortalSummary[];
  byBot: BotSummary[];
}
