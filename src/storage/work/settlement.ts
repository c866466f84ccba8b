import type { DeliveryKind } from '../prisma/client.js';
import type { ClaimedDelivery, ClaimedLane } from './claimed-lane.js';
import type { LearnedChat } from './learned-chats.js';
import type { Lease } from './lease.js';

/** `words`: the client's next words; `session`: those, or a session that begins without them. */
export type WaitsFor = 'words' | 'session';

/**
 * Whether a message may have arrived although nobody knows. `none`: it has not. `earlier`: an attempt before this one
 * may have brought it. `open`: this one may have, and may still; `over`: its request is over, whatever it did.
 */
export type Doubt = 'none' | 'earlier' | 'open' | 'over';

/** What became of one claimed delivery. */
export interface Settlement {
  seq: bigint;
  /** `postponed`: it was not tried after all, and waits as if it had not been claimed. */
  outcome: 'delivered' | 'retry' | 'postponed' | 'failed' | 'uncertain';
  /** With `postponed`: what it waits for, behind everything that is said meanwhile. */
  waitsFor?: WaitsFor;
  code?: string;
  detail?: string;
  /** With `retry` or `postponed`; absent: what is known of earlier attempts stays as it is. */
  doubt?: Doubt;
  /** Parts that Telegram accepted, in order, also when a later part must be retried. */
  telegramMessageIds?: bigint[];
  /** Which part each of them is; counted from 0 when absent. */
  telegramParts?: number[];
  /** Telegram's ids of parts that no longer exist. */
  removedMessageIds?: bigint[];
  /** Follow-up work for the operator's dialog: a note saying why; `files`: which of them did not reach the client. */
  note?: {
    code: string;
    detail: string;
    about: DeliveryKind;
    files?: { name: string; code: string; detail: string }[];
  };
  /** With `delivered`, of an operator's message: the portal has to be told. */
  reportDelivery?: boolean;
}

export interface LaneSettlement {
  lane: ClaimedLane;
  deliveries: Settlement[];
  /** Milliseconds until the lane is due again. */
  dueInMs: number;
  /** Milliseconds for which the network asked us to send nothing. */
  silenceMs?: number;
  chat?: LearnedChat;
}

/** What became of lanes of one endpoint. */
export interface EndpointSettlements {
  lease: Lease;
  lanes: LaneSettlement[];
}

/** One claimed delivery, and what became of it. */
export interface Done {
  lane: ClaimedLane;
  delivery: ClaimedDelivery;
  settlement: Settlement;
}

export function outcomesOf({ lane, deliveries }: LaneSettlement): Done[] {
  return deliveries.map((settlement) => {
    const delivery = lane.deliveries.find((candidate) => candidate.seq === settlement.seq)!;
    return { lane, delivery, settlement };
  });
}

/** Those that were tried. */
export function doneIn(settlement: LaneSettlement): Done[] {
  return outcomesOf(settlement).filter(({ settlement: { outcome } }) => outcome !== 'postponed');
}

export const isAgain = ({ outcome }: Settlement) => outcome === 'retry' || outcome === 'postponed';

/** Undefined: something that was claimed has to be done again without waiting. */
export function whatAllWaitFor({ deliveries }: LaneSettlement): WaitsFor | undefined {
  const again = deliveries.filter(isAgain);
  if (again.some(({ waitsFor }) => waitsFor === undefined)) return undefined;
  return again.find(({ waitsFor }) => waitsFor === 'session')?.waitsFor ?? again[0]?.waitsFor;
}
