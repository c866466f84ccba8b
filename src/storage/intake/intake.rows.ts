import type { QuotedWords } from '../work/claimed-lane.js';
import type { Keyboard } from '../work/keyboard.js';

/** A file of a message; see the columns of `attachments`. */
export interface StoredAttachment {
  /** photo, video, animation, voice, video_note, audio, document, sticker */
  kind: string;
  name: string;
  mime?: string;
  /** Bytes. */
  size?: number;
  /** What is shown where the file cannot be sent. */
  label: string;
  telegramFileId?: string;
  telegramUniqueId?: string;
  /** Of an operator's file: the portal's link; where only its id is known, `makeDiskAddress`. */
  url?: string;
}

/** Code of what is ignored because it belongs to a connector of another application: that one's operators see to it. */
export const FOREIGN_CONNECTOR = 'foreign_connector';

/** What was said, ready to be kept. */
export interface StoredWords {
  kind: string;
  text: string;
  marks: unknown;
  attachments?: StoredAttachment[];
  authorId?: string;
  authorName?: string;
  /** By the clock of the network it came from. */
  saidAt?: Date;
  /** The raw event, without credentials. */
  raw: unknown;
  /** Nobody's words: a line of the system in the dialog. */
  systemLine?: boolean;
  quoted?: QuotedWords;
  /** Of an edit with a file: how the message is named in whose place it comes. The words of that one are added. */
  insteadOf?: QuotedWords;
  /** Nothing in it is the client's own: forwarded, another's contact, a pressed button. */
  notOwnWords?: boolean;
  /** Not urgent: it opens no session. Every line of the system is like that. */
  canWait?: true;
  /** Payload of the `/start` that it is. */
  source?: string;
  /** Where in `text` that payload stands, in UTF-16 units: a link of ours is called by its name there. */
  sourceAt?: number;
  /** Of a message to a client: what stands under it to be pressed. */
  keyboard?: Keyboard;
  /** Of the span in which it came in, as W3C's traceparent; only where spans are sent. */
  trace?: string;
  /** Set: kept for the record, never relayed. */
  ignored?: { code: string; detail: string };
}

/** A chat as an update shows it; see the columns of `chat_links`. */
export interface StoredChat {
  externalId: string;
  externalUserId: string;
  telegramChatId: bigint;
  threadId?: bigint;
  businessConnection?: string;
  type: string;
  title: string;
  /** Of a topic: the title is a guess, and a known one stays; the group's title (`firstName`) stands for none. */
  assumedTitle?: true;
  /** Of the client: a person's, or in a topic of a forum the title of the group. */
  firstName?: string;
  lastName?: string;
  username?: string;
  language?: string;
  /** Shared by the client as their own. */
  phone?: string;
  /** Where the client has come from just now: payload of a link, and no code of the CRM's tracker. */
  source?: string;
}

/** A connection of Telegram Business as an update shows it. */
export interface StoredConnection {
  id: string;
  ownerId: bigint;
  enabled: boolean;
  canReply: boolean;
}

export interface ClientUpdateRow {
  botId: bigint;
  updateId: number;
  chat: StoredChat | null;
  said: StoredWords | null;
  /** Telegram's message id, when what was said is a message. */
  telegramMessageId?: bigint;
  /** `said` is what that message says now. */
  edits?: boolean;
  /** Telegram's ids of messages that were taken back. */
  deletes?: bigint[];
  /** Telegram's media_group_id: what has the same one in the chat is one message. */
  albumId?: string;
  /**
   * Telegram's id of the message that this one answers, and the part of it that was chosen. `unnamed`: Telegram does
   * not say what stands in it, so that it is looked up and put before the words.
   */
  replyTo?: { telegramMessageId: bigint; quote?: string; unnamed?: boolean };
  connection?: StoredConnection;
  /** The client blocked (or unblocked) the bot. */
  blocked?: boolean;
  /** Proof that the client looked at the chat: they wrote, pressed or reacted. */
  sawChat: boolean;
  /**
   * A button of ours was pressed, which one and by which press (callback_query.id). What it says stands in the table, and
   * is put behind `before`. `placeless`: `chat` is not all of where it stands, a topic or a Business account may be missing.
   */
  press?: { buttonId: string; pressId: string; before: string; placeless?: boolean };
  /** The client shared the own number: `thanks` is what they read if it had been asked for. */
  sharedPhone?: { thanks: string };
  /** The client wants no more advertising: they pressed the button for it, or said so in words. */
  unsubscribes?: 'button' | 'words';
  /** With the wish in words: what the bot answers, in the client's language. */
  unsubscribed?: string;
  /** The client pressed Start in their chat with the bot: the line's welcome text is the answer. */
  starts?: boolean;
}

export interface OperatorMessageRow {
  portalId: bigint;
  connector: string;
  /** null: not named by the event (the short test form); the newest chat with that id is meant. */
  lineId: string | null;
  externalChatId: string;
  /** im.message_id: unique in the portal. */
  bitrixMessageId: string;
  bitrixChatId: string | null;
  said: StoredWords;
  /**
   * The message begins with a quote, and `rest` is what the operator wrote themselves: when the quoted message is found
   * in the chat, `rest` is sent as an answer to it, otherwise `said` with its quote.
   */
  quoted?: { bitrixMessageId?: string; words: string; rest: { text: string; marks: unknown } };
  unsigned: boolean;
  /** Nobody wrote it, and it says of no session that it belongs there: a newsletter of CRM marketing, where none is open. */
  belongsToNoSession?: true;
}

/** What an operator changed of a message that had been delivered. */
export interface OperatorChangeRow {
  portalId: bigint;
  /** im.message_id. */
  bitrixMessageId: string;
  /** null: the message is taken back. */
  words: { text: string; marks: unknown } | null;
  /** What stands under the message now. */
  keyboard?: Keyboard;
  /** Of words that begin with a quote: what the operator wrote themselves. It counts where the message is an answer. */
  rest?: { text: string; marks: unknown };
  /** When taken back: the ids in Telegram, as the event names them; empty: all. */
  telegramMessageIds: bigint[];
  saidAt?: Date;
  /** The raw event, without credentials. */
  raw: unknown;
  name: string;
  source: string;
  key: string;
}

export interface EventRow {
  source: string;
  key: string;
}
