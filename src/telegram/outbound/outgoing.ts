import type { LeftOutFile } from '../../relay/endpoint-driver.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { ChatTarget } from './chat-target.js';
import type { ChatTurn } from './send-pace.js';
import type { SentParts } from './sent-parts.js';
import type { BotApi } from '../api/telegram.client.js';

/** Whether an attempt did everything; if not, after how many milliseconds it is worth continuing. */
export type Progress = { done: true } | { done: false; waitMs: number };

export const DONE: Progress = { done: true };
export const later = (waitMs: number): Progress => ({ done: false, waitMs });

/** One delivery on its way, and what is needed to send it. */
export interface Outgoing {
  api: BotApi;
  chat: ClaimedLane['chat'];
  delivery: ClaimedDelivery;
  /** Asked before every call that counts; what has to wait is handed back, so only this chat waits. */
  turn: ChatTurn;
  target: ChatTarget;
  sent: SentParts;
  /** Files that cannot reach the client, as this attempt found. */
  leftOut: LeftOutFile[];
  /** Aborted when another replica is to drive the bot. */
  signal: AbortSignal;
}
