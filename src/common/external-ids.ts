import { createHash } from 'node:crypto';

/**
 * The identifiers under which Bitrix24 knows chats, clients and messages of Telegram. They are frozen: another value
 * would open a new dialog for a client, or another card. Each `make…` has a `parse…` where the program reads one back.
 */

/** Bitrix24 keeps a message.id up to this length (apidocs.bitrix24.com, imconnector.send.messages). */
const MESSAGE_ID_LIMIT = 100;
/** Hexadecimal digits of the hash that keeps longer ones apart. */
const HASH_LENGTH = 32;

const CHAT_ID = /^tg:(-?[1-9]\d{0,14})(?::(?:b([^:|]+)|([1-9]\d{0,14})))?$/;
const USER_ID = /^tg:(-?[1-9]\d{0,14})$/;
const REPORTED_ID = /:(\d{1,15})$/;
const BITRIX_PREFIX = /^b24:/;

/** Begins the address of an operator's file that is known by its id only. */
export const DISK_FILE = 'disk:';
/** Begins the address of a file that is kept here; messages of older versions have those of ready answers under it. */
export const KEPT_FILE = 'answer:';

/** What a chat.id names: a Telegram chat, and at most one of a topic in it or an account of Telegram Business. */
export interface ChatIdParts {
  telegramChatId: bigint;
  /** A topic of a forum, of a private chat with topics, or of the direct messages of a channel. */
  threadId?: bigint | undefined;
  /** See {@link makeBusinessKey}. */
  businessKey?: string | undefined;
}

/** chat.id: `tg:<chat id>`, `tg:<chat id>:<thread id>` or `tg:<chat id>:b<business key>`. */
export function makeChatId({ telegramChatId, threadId, businessKey }: ChatIdParts): string {
  if (businessKey !== undefined) return `tg:${telegramChatId}:b${businessKey}`;
  return threadId === undefined ? `tg:${telegramChatId}` : `tg:${telegramChatId}:${threadId}`;
}

/** Null: it is no chat.id of ours. */
export function parseChatId(chatId: string): ChatIdParts | null {
  const [, telegramChatId, businessKey, threadId] = CHAT_ID.exec(chatId) ?? [];
  if (!telegramChatId) return null;
  return {
    telegramChatId: BigInt(telegramChatId),
    ...(threadId && { threadId: BigInt(threadId) }),
    ...(businessKey && { businessKey }),
  };
}

/** The part of a chat.id that names an account of Telegram Business, from the id of its connection. */
export function makeBusinessKey(connectionId: string): string {
  return connectionId.replace(/[:|]/g, '_');
}

/** user.id: `tg:<id>`, of a person, or of the group that is the client. */
export function makeUserId(telegramId: bigint): string {
  return `tg:${telegramId}`;
}

/** Null: it is no user.id of ours. */
export function parseUserId(userId: string): bigint | null {
  const telegramId = USER_ID.exec(userId)?.[1];
  return telegramId ? BigInt(telegramId) : null;
}

/**
 * What a client's message is known by: its Telegram id, ours, or both where another message of the chat has the same
 * Telegram id.
 */
export type ClientMessageParts =
  { telegramMessageId: bigint; messageId?: bigint | undefined } | { telegramMessageId?: undefined; messageId: bigint };

/** message.id of what a client said: `<chat.id>:<Telegram message id>`, `…:m<message id>`, or one after the other. */
export function makeClientMessageId(chatId: string, { telegramMessageId, messageId }: ClientMessageParts): string {
  const parts = [telegramMessageId, messageId === undefined ? undefined : `m${messageId}`];
  return limited([chatId, ...parts.filter((part) => part !== undefined)].join(':'));
}

/** message.id of a part of a long message; the first one, `part` 1, has the id of the message itself. */
export function makePartId(messageId: string, part: number): string {
  return part === 1 ? messageId : limited(`${messageId}:${part}`);
}

/** message.id of a note about a message; `place` tells apart several notes about the same one. */
export function makeNoteId(chatId: string, messageId: bigint, place: bigint): string {
  return limited(`${chatId}:note${messageId}-${place}`);
}

/** A message.id that no message has. */
export function makeUnusedMessageId(chatId: string): string {
  return `${chatId}:none`;
}

/** Under which message.id one Telegram message of an operator's answer is reported as delivered. */
export function makeReportedId(chatId: string, telegramMessageId: bigint): string {
  return limited(`${chatId}:${telegramMessageId}`);
}

/** Its Telegram message id. Null: it is another id, or was so long that a hash stands for its end. */
export function parseReportedId(reportedId: string): bigint | null {
  const telegramMessageId = REPORTED_ID.exec(reportedId)?.[1];
  return telegramMessageId ? BigInt(telegramMessageId) : null;
}

/** Bitrix24's own id of a message, from the short form of an event: `b24:<id>`, or the id alone. */
export function parseShortMessageId(id: string): string {
  return id.replace(BITRIX_PREFIX, '');
}

/** The address of an operator's file that is known by its id in Bitrix24 only: `disk:<file id>`. */
export function makeDiskAddress(fileId: string): string {
  return `${DISK_FILE}${fileId}`;
}

/** The file id. Null: it is an address that can be fetched. */
export function parseDiskAddress(address: string): string | null {
  return address.startsWith(DISK_FILE) ? address.slice(DISK_FILE.length) : null;
}

/** The address of a file that is kept here, of a ready answer, a broadcast or a message: `answer:<id>`. Only this program knows where it is. */
export function makeKeptFileAddress(id: bigint): string {
  return `${KEPT_FILE}${id}`;
}

/** The file's id. Null: it is another address. */
export function parseKeptFileAddress(address: string): bigint | null {
  const id = address.startsWith(KEPT_FILE) ? address.slice(KEPT_FILE.length) : '';
  return /^\d{1,18}$/.test(id) ? BigInt(id) : null;
}

/** Bitrix24 cuts longer ids; a hash keeps them apart. */
function limited(id: string): string {
  if (id.length <= MESSAGE_ID_LIMIT) return id;
  const hash = createHash('sha256').update(id).digest('hex').slice(0, HASH_LENGTH);
  return `${id.slice(0, MESSAGE_ID_LIMIT - HASH_LENGTH - 1)}.${hash}`;
}
