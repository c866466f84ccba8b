import type { Keyboard } from './keyboard.js';
import type { BotApiKind, Channel, ChatState, DeliveryKind, OperatorName } from '../prisma/client.js';

/** The words that a client's message answers, with who said them and when, as Telegram shows them to the client. */
export interface QuotedWords {
  text: string;
  marks: unknown;
  name?: string;
  /** Unix seconds. */
  at?: number;
}

/** One delivery, claimed: everything that its sender needs. */
export interface ClaimedDelivery {
  seq: bigint;
  kind: DeliveryKind;
  payload: Record<string, unknown> | null;
  /** This attempt's number, from 1. */
  attempt: number;
  /** Nobody knows whether an earlier attempt arrived. */
  unknown: boolean;
  /** Milliseconds since the latest of those attempts began; decades when it is certainly over. */
  unknownForMs: number;
  /** When it became work: a replayed message is old, its delivery is not. */
  queuedAt: Date;
  /** It waited for the client's next words, or for a session: it is old, and nobody's fault. */
  waited: boolean;
  startedAt: Date;
  message: {
    id: bigint;
    kind: string;
    text: string;
    marks: unknown;
    attachments: ClaimedAttachment[];
    /** Nobody's words: a line of the system. */
    systemLine: boolean;
    /** Nothing in it is the client's own. */
    notOwnWords: boolean;
    /** Of a client's message: what it answers. */
    quoted: QuotedWords | null;
    /** Of a message to a client: what stands under it; null: nothing, or no longer. */
    keyboard: Keyboard | null;
    /** The operator's message that it answers, as Bitrix24 knows it. */
    answered: AnsweredByClient | null;
    /** Payload of the `/start` that it is. */
    source: string | null;
    /** Nobody needs it at once: it opens no session. */
    canWait: boolean;
    /** Telegram's id of the message that it answers, and the part of it that the author chose. */
    replyTo: { telegramMessageId: bigint; quote: string | null } | null;
    authorId: string | null;
    authorName: string | null;
    saidAt: Date | null;
    bitrixMessageId: string | null;
    bitrixChatId: string | null;
    /** The line that an operator wrote in; null: not named. */
    bitrixLineId: string | null;
    /** An older message of the chat has its Telegram id: its file was exchanged, or the group became a supergroup. */
    sameTelegramId: boolean;
    /** Of an outbound message: the parts that Telegram has already. */
    telegramMessageIds: bigint[];
    /** Which part each of them is; empty: they are counted from 0. */
    telegramParts: number[];
    createdAt: Date;
    /** Of the span in which it came in; null: no spans were sent then. */
    trace: string | null;
  };
}

/** An operator's message that a client answered. */
export interface AnsweredByClient {
  authorName: string | null;
  bitrixMessageId: string | null;
  bitrixChatId: string | null;
}

/** A file of a message; see the columns of `attachments`. */
export interface ClaimedAttachment {
  ordinal: number;
  kind: string;
  name: string;
  mime: string | null;
  size: number | null;
  label: string;
  telegramFileId: string | null;
  telegramUniqueId: string | null;
  url: string | null;
}

/** A lane whose head is being sent by the claimer. All of its deliveries are settled together. */
export interface ClaimedLane {
  id: bigint;
  /** Number of this claim of the lane; the next one has another. */
  claim: bigint;
  channel: Channel;
  chat: {
    id: bigint;
    botId: bigint;
    portalId: bigint | null;
    lineId: string | null;
    /** Of the bot's own Bot API server; null: that of the installation. */
    apiKind: BotApiKind | null;
    /** What the client reads before an operator's words on this line. */
    operatorName: OperatorName;
    operatorNameTemplate: string | null;
    externalId: string;
    externalUserId: string;
    telegramChatId: bigint;
    threadId: bigint | null;
    businessConnection: string | null;
    type: string;
    title: string;
    firstName: string | null;
    lastName: string | null;
    username: string | null;
    language: string | null;
    phone: string | null;
    /** What the CRM has as this client's number, where it has invited them. */
    invitedPhone: string | null;
    /** Of the client's photo, unless the portal does not take it. */
    avatarUniqueId: string | null;
    state: ChatState;
    bitrixChatId: string | null;
    bitrixUserId: string | null;
    bitrixSessionId: string | null;
    /** Whether a session of the dialog is open; null: nobody has told yet. */
    dialogOpen: boolean | null;
    /** Of an outbound lane: triggers of the portal wait for what becomes of its messages. */
    listens: boolean;
  };
  deliveries: ClaimedDelivery[];
}

/** Nobody wrote what it sends now: a newsletter, a closing text. */
export function isAutomatic({ channel, deliveries }: ClaimedLane): boolean {
  return channel === 'outbound' && deliveries.every(({ message }) => message.authorId === '0');
}
