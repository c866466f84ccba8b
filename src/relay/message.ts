import type { Mark } from './rich-text.js';

/** Client → operator is inbound, operator → client is outbound. */
export type Direction = 'inbound' | 'outbound';

/** An endpoint is a bot or a portal: the unit that one replica drives at a time. */
export type EndpointId = `bot:${bigint}` | `portal:${bigint}`;
export const botEndpoint = (botId: bigint): EndpointId => `bot:${botId}`;
export const portalEndpoint = (portalId: bigint): EndpointId => `portal:${portalId}`;

/** Why a message is kept but goes nowhere; shown as its `error`. */
export interface Ignored {
  code: string;
  detail: string;
}

/** The words and what is known of them, on their way in from either network. */
export interface Said {
  kind: string;
  text: string;
  marks: Mark[];
  authorId?: string;
  authorName?: string;
  /** By the clock of the network it came from. */
  saidAt?: Date;
  /** What came, without credentials. */
  raw: unknown;
  /** Set: recorded, never relayed. */
  ignored?: Ignored;
}

/** A Telegram update, parsed. `chat` null: nothing a chat could hold (recorded all the same when `said` is set). */
export interface ClientUpdate {
  botId: bigint;
  updateId: number;
  chat: TelegramChat | null;
  said: Said | null;
  /** Telegram's message id, when what was said is a message. */
  telegramMessageId?: bigint;
  /** The client blocked (or unblocked) the bot. */
  blocked?: boolean;
  /** Proof that the client looked at the chat: he wrote, pressed or reacted. */
  sawChat: boolean;
}

/** A Telegram chat as the update shows it, with the identifiers that Bitrix24 will know it by. */
export interface TelegramChat {
  externalId: string;
  externalUserId: string;
  telegramChatId: bigint;
  threadId?: bigint;
  businessConnection?: string;
  type: string;
  title: string;
  firstName?: string;
  lastName?: string;
  username?: string;
  language?: string;
}

/** An operator's message from ONIMCONNECTORMESSAGEADD, parsed. */
export interface OperatorMessage {
  portalId: bigint;
  connector: string;
  /** null: not named by the event (the short test form); the newest chat with that id is meant. */
  lineId: string | null;
  externalChatId: string;
  /** im.message_id: unique in the portal. */
  bitrixMessageId: string;
  bitrixChatId: string | null;
  said: Said;
  unsigned: boolean;
}
