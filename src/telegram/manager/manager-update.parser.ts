import type { Update } from '@grammyjs/types';
import { asId, asObject, asText, type JsonObject } from '../../common/json-fields.js';
import { languageOf, type Language } from '../../common/language.js';

/** Somebody at the manager bot, by Telegram's id. */
export interface Person {
  id: bigint;
  language: Language;
}

/** A bot that people made, as Telegram names it. */
export interface NamedBot {
  telegramId: bigint;
  username: string | null;
  name: string | null;
}

/**
 * What a manager bot hears. `start`: somebody pressed Start, with the code of a link or without; `made`: a bot was made, or
 * its token or owner changed; `press`: a button under one of our messages; `words`: anything else that a person wrote.
 */
export type ManagerEvent =
  | { kind: 'start'; person: Person; code: string | null }
  | { kind: 'made'; person: Person; bot: NamedBot }
  | { kind: 'press'; person: Person; queryId: string; choice: { requestId: bigint; botTelegramId: bigint } | null }
  | { kind: 'words'; person: Person };

export const MANAGER_UPDATES = ['message', 'callback_query', 'managed_bot'] as const satisfies (keyof Update)[];

/** core.telegram.org/bots/features#deep-linking */
const START = /^\/start(?: ([\w-]{1,64}))?$/;
const CHOICE = /^connect:(\d{1,18}):(\d{1,18})$/;

/** What the button carries by which a bot is chosen; at most 45 of the 64 bytes that Telegram takes. */
export const choiceData = (requestId: bigint, botTelegramId: bigint) => `connect:${requestId}:${botTelegramId}`;

/** Null: nothing that concerns bots, or that a person waits to have answered. Never throws. */
export function readManagerUpdate(update: Update): ManagerEvent | null {
  const { message, callback_query: query, managed_bot: managed } = asObject(update);
  if (managed !== undefined) return madeBy(asObject(managed).user, asObject(managed).bot);
  if (query !== undefined) return readPress(asObject(query));
  return message === undefined ? null : readMessage(asObject(message));
}

function readMessage(message: JsonObject): ManagerEvent | null {
  // Telegram tells so of bots that were made by a button, beside `managed_bot`.
  const created = asObject(message.managed_bot_created);
  if (created.bot !== undefined) return madeBy(message.from, created.bot);
  const person = personOf(message.from);
  if (!person || asText(asObject(message.chat).type) !== 'private') return null;
  const found = START.exec(asText(message.text).trim());
  return found ? { kind: 'start', person, code: found[1] ?? null } : { kind: 'words', person };
}

function readPress(query: JsonObject): ManagerEvent | null {
  const person = personOf(query.from);
  const queryId = asText(query.id);
  if (!person || queryId === '') return null;
  const [, requestId, botTelegramId] = CHOICE.exec(asText(query.data)) ?? [];
  const choice =
    requestId && botTelegramId ? { requestId: BigInt(requestId), botTelegramId: BigInt(botTelegramId) } : null;
  return { kind: 'press', person, queryId, choice };
}

function madeBy(owner: unknown, bot: unknown): ManagerEvent | null {
  const person = personOf(owner);
  const { id, username, first_name: name } = asObject(bot);
  const telegramId = idOf(id);
  if (!person || telegramId === null) return null;
  return { kind: 'made', person, bot: { telegramId, username: textOf(username), name: textOf(name) } };
}

function personOf(value: unknown): Person | null {
  const { id, language_code: language } = asObject(value);
  const known = idOf(id);
  return known === null ? null : { id: known, language: languageOf(language) };
}

function idOf(value: unknown): bigint | null {
  const id = asId(value);
  return /^\d{1,18}$/.test(id) && id !== '0' ? BigInt(id) : null;
}

/** PostgreSQL keeps no U+0000. */
function textOf(value: unknown): string | null {
  return asText(value).replaceAll('\0', '') || null;
}
