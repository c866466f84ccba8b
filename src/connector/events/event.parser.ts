import { createHash } from 'node:crypto';
import type { Ignored, OperatorChange, OperatorMessage, Said } from '../../relay/message.js';
import { FOREIGN_CONNECTOR, type StoredAttachment } from '../../storage/intake/intake.rows.js';
import { parseReportedId, parseShortMessageId } from '../../common/external-ids.js';
import { eventSource } from '../../storage/intake/processed-events.js';
import { type EventAuth, parseAuth } from '../install/event-auth.js';
import { linesOfCards } from './card.parser.js';
import { elementsOf, fieldsOf, isYes, languageCode, scalar, word } from '../../bitrix/php-values.reader.js';
import { readOperatorWords } from './operator-words.parser.js';

/**
 * Reads what Bitrix24 posts to the event handler (apidocs.bitrix24.com, "Events: how they work"). Bitrix24 sends
 * PHP's `http_build_query`: every value a string, empty arrays and nulls missing; JSON with the same keys is read
 * too. Nothing here trusts anything: who sent the event is decided by the caller.
 */

export interface EventEnvelope {
  /** Upper case, as Bitrix24 sends it: `ONIMCONNECTORMESSAGEADD`. */
  name: string;
  data: unknown;
  /** `ts`: when the portal raised the event, to the second. */
  raisedAt?: Date;
  /** null: the event came without an auth block. */
  auth: EventAuth | null;
  /** The event as it came, without its credentials. */
  raw: Record<string, unknown>;
}

/** The body is no event; `message` says why. */
export class MalformedEvent extends Error {
  override readonly name = 'MalformedEvent';
}

/** A message of ours that an operator edited or deleted. */
export interface MessageReference {
  /** `im.message_id`. */
  bitrixMessageId?: string;
  externalChatId?: string;
  /** The ids that imconnector.send.status.delivery reported for it. */
  externalIds: string[];
}

const LONGEST_EVENT_NAME = 200;

/** The outer part of every event. Throws {@link MalformedEvent} when the body has no event name. */
export function parseEvent(body: unknown): EventEnvelope {
  const fields = fieldsOf(body);
  if (!fields) throw new MalformedEvent('The body must be an event: form fields or a JSON object.');
  const name = scalar(fields.event)?.trim().toUpperCase();
  if (!name || name.length > LONGEST_EVENT_NAME) throw new MalformedEvent('The field `event` must name the event.');
  const raisedAt = parseTimestamp(fields.ts);
  return {
    name,
    data: fields.data,
    ...(raisedAt && { raisedAt }),
    auth: parseAuth(fields.auth),
    raw: withoutCredentials(fields) as Record<string, unknown>,
  };
}

/**
 * Every element of ONIMCONNECTORMESSAGEADD, in order. Also reads the short form
 * `{"chat":{"id"},"message":{"id","text"}}`. What cannot be relayed comes back with `said.ignored` set; throws
 * {@link MalformedEvent} only when there is no element at all.
 */
export function parseOperatorMessages(
  event: EventEnvelope,
  context: { portalId: bigint; connectorId: string; unsigned: boolean },
): OperatorMessage[] {
  const data = fieldsOf(event.data) ?? {};
  const elements = elementsOf(data.MESSAGES).map(fieldsOf);
  if (elements.length === 0 && (data.chat !== undefined || data.message !== undefined)) elements.push(data);
  if (elements.length === 0) {
    throw new MalformedEvent('`data` must have MESSAGES, or the short form with `chat` and `message`.');
  }
  const connector = (scalar(data.CONNECTOR) ?? context.connectorId).toLowerCase();
  const lineId = scalar(data.LINE) ?? null;
  const foreign = connector !== context.connectorId.toLowerCase();
  return elements.map((element) => {
    const { externalChatId, bitrixMessageId, bitrixChatId, quoted, ...rest } = parseElement(element ?? {});
    const raw = { ...event.raw, data: { CONNECTOR: connector, LINE: lineId, MESSAGES: [withoutCredentials(element)] } };
    const ignored = foreign ? OF_ANOTHER_APPLICATION : rest.ignored;
    return {
      portalId: context.portalId,
      connector,
      lineId,
      externalChatId,
      bitrixMessageId,
      bitrixChatId,
      unsigned: context.unsigned,
      ...(quoted && { quoted }),
      said: { ...rest.said, ...(event.raisedAt && { saidAt: event.raisedAt }), raw, ...(ignored && { ignored }) },
    };
  });
}

/**
 * The changes in ONIMCONNECTORMESSAGEUPDATE and ONIMCONNECTORMESSAGEDELETE, one for each message: a deletion names
 * every part of a message on its own. Elements without an `im.message_id` are left out.
 */
export function parseOperatorChanges(event: EventEnvelope, portalId: bigint): OperatorChange[] {
  const taken = event.name === 'ONIMCONNECTORMESSAGEDELETE';
  const elements = elementsOf(fieldsOf(event.data)?.MESSAGES);
  const changes = new Map<string, OperatorChange>();
  parseMessageReferences(event.data).forEach(({ bitrixMessageId, externalIds }, index) => {
    if (!bitrixMessageId) return;
    const element = fieldsOf(elements[index]) ?? {};
    const before = taken ? changes.get(bitrixMessageId) : undefined;
    const ids = taken ? externalIds.flatMap((id) => parseReportedId(id) ?? []) : [];
    const said = taken ? undefined : readOperatorWords(scalar(fieldsOf(element.message)?.text) ?? '');
    const rich = said?.words ?? null;
    const rest = said?.quoted?.rest;
    const telegramMessageIds = [...(before?.telegramMessageIds ?? []), ...ids];
    changes.set(taken ? bitrixMessageId : `${bitrixMessageId}/${index}`, {
      portalId,
      bitrixMessageId,
      words: rich && { text: rich.text, marks: rich.marks },
      ...(rest && { rest }),
      telegramMessageIds,
      ...(event.raisedAt && { saidAt: event.raisedAt }),
      raw: event.raw,
      name: event.name,
      source: eventSource(portalId),
      key: `${event.name}:${digest([bitrixMessageId, taken ? telegramMessageIds.map(String) : [rich, event.raw.ts ?? null]])}`,
    });
  });
  return [...changes.values()];
}

/** The elements of ONIMCONNECTORMESSAGEUPDATE and …DELETE; `message.id` comes as a list or as one value. */
export function parseMessageReferences(data: unknown): MessageReference[] {
  return elementsOf(fieldsOf(data)?.MESSAGES).map((element) => {
    const fields = fieldsOf(element) ?? {};
    const bitrixMessageId = scalar(fieldsOf(fields.im)?.message_id);
    const externalChatId = scalar(fieldsOf(fields.chat)?.id);
    const id = fieldsOf(fields.message)?.id;
    const externalIds = (typeof id === 'object' ? elementsOf(id) : [id]).map(scalar).filter((id) => id !== undefined);
    return { ...(bitrixMessageId && { bitrixMessageId }), ...(externalChatId && { externalChatId }), externalIds };
  });
}

/** ONIMCONNECTORSTATUSDELETE, whose keys are lower case. null: it names no line. */
export function parseStatusDelete(data: unknown): { connector: string; lineId: string } | null {
  const fields = fieldsOf(data) ?? {};
  const connector = scalar(fields.connector ?? fields.CONNECTOR);
  const lineId = scalar(fields.line ?? fields.LINE);
  return connector && lineId ? { connector: connector.toLowerCase(), lineId } : null;
}

/** ONIMCONNECTORLINEDELETE, whose `data` is the line's number itself. null: it names no line. */
export function parseLineDelete(data: unknown): string | null {
  const fields = fieldsOf(data);
  return scalar(data) ?? scalar(fields?.LINE ?? fields?.line ?? elementsOf(data)[0]) ?? null;
}

/** ONAPPUNINSTALL: did the administrator ask to wipe the application's data? */
export function parseUninstall(data: unknown): { clean: boolean } {
  return { clean: isYes(fieldsOf(data)?.CLEAN) };
}

/** LANGUAGE_ID of a lifecycle event, lower case; undefined when it names none. */
export function eventLanguage(event: EventEnvelope): string | undefined {
  return languageCode(fieldsOf(event.data)?.LANGUAGE_ID);
}

/**
 * What makes two posts the same event. Bitrix24 gives events no id, and posts the same one once per bound
 * handler: a deletion is told by the ids it names, anything else by its payload and second.
 */
export function eventKey(event: EventEnvelope): string {
  const identity =
    event.name === 'ONIMCONNECTORMESSAGEDELETE'
      ? parseMessageReferences(event.data)
      : [event.raw.data ?? null, event.raw.ts ?? null];
  return `${event.name}:${digest(identity)}`;
}

const OF_ANOTHER_APPLICATION: Ignored = {
  code: FOREIGN_CONNECTOR,
  detail: 'The event belongs to a connector of another application.',
};
const NO_CHAT: Ignored = { code: 'no_chat', detail: 'The event does not say which chat it belongs to (chat.id).' };
const NO_MESSAGE_ID: Ignored = { code: 'no_message_id', detail: 'The event carries no message id.' };
const EMPTY: Ignored = {
  code: 'empty',
  detail: 'The message has neither text nor files, and no card that can be read.',
};

interface Element {
  externalChatId: string;
  bitrixMessageId: string;
  bitrixChatId: string | null;
  said: Omit<Said, 'raw' | 'ignored'>;
  quoted?: OperatorMessage['quoted'];
  ignored?: Ignored;
}

function parseElement(element: Record<string, unknown>): Element {
  const im = fieldsOf(element.im) ?? {};
  const message = fieldsOf(element.message) ?? {};
  const externalChatId = scalar(fieldsOf(element.chat)?.id) ?? '';
  const messageId = scalar(im.message_id) ?? parseShortMessageId(scalar(message.id) ?? '');
  const attachments = elementsOf(message.files).flatMap(parseFile);
  const written = scalar(message.text) ?? '';
  const cards = linesOfCards({ ...message, attachments_old: element.attachments_old }, written);
  const said = readOperatorWords(written, cards);
  // A link without words is a parameter.
  const { words: rich, quoted } = said.words.text === '' ? readOperatorWords(linkOf(message)) : said;
  const authorId = scalar(message.user_id);
  const empty = rich.text.trim() === '' && attachments.length === 0;
  const ignored = !externalChatId ? NO_CHAT : !messageId ? NO_MESSAGE_ID : empty ? EMPTY : undefined;
  return {
    externalChatId,
    // A message without an id is never relayed; the digest only keeps its record apart from others.
    bitrixMessageId: messageId || `sha256:${digest(element)}`,
    bitrixChatId: scalar(im.chat_id) ?? null,
    said: {
      kind: attachments[0]?.kind ?? 'text',
      text: rich.text,
      marks: rich.marks,
      ...(attachments.length > 0 && { attachments }),
      ...(authorId && { authorId }),
    },
    ...(quoted && { quoted }),
    ...(ignored && { ignored }),
  };
}

function linkOf({ params }: Record<string, unknown>): string {
  return scalar(fieldsOf(params)?.url) ?? '';
}

const KIND_OF_FILE: Record<string, string> = { image: 'photo', video: 'video', audio: 'audio', file: 'document' };

function parseFile(value: unknown): StoredAttachment[] {
  const file = fieldsOf(value);
  if (!file) return [];
  const name = word(file.name) ?? 'file';
  const mime = word(file.mime)?.toLowerCase();
  const size = Number(scalar(file.size));
  const shown = scalar(file.sizef);
  const url = [scalar(file.downloadLink), scalar(file.link)].find((link) => /^https?:\/\//i.test(link ?? ''));
  return [
    {
      kind: KIND_OF_FILE[scalar(file.type) ?? ''] ?? 'document',
      name,
      label: `📎 ${name}${shown ? ` (${shown})` : ''}`,
      ...(mime && { mime }),
      ...(Number.isSafeInteger(size) && size > 0 && { size }),
      ...(url && { url }),
    },
  ];
}

function parseTimestamp(value: unknown): Date | undefined {
  const seconds = Number(scalar(value));
  return Number.isInteger(seconds) && seconds > 0 && seconds < 1e11 ? new Date(seconds * 1000) : undefined;
}

const CREDENTIALS = new Set([
  'auth',
  'access_token',
  'refresh_token',
  'application_token',
  'auth_id',
  'refresh_id',
  'client_secret',
]);
/** Real events are seven levels deep; deeper JSON is somebody trying the recursion of whatever reads it next. */
const DEEPEST = 24;

function withoutCredentials(value: unknown, depth = 0): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (depth === DEEPEST) return null;
  if (Array.isArray(value)) return value.map((inner) => withoutCredentials(inner, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !CREDENTIALS.has(key.toLowerCase()))
      .map(([key, inner]) => [key, withoutCredentials(inner, depth + 1)]),
  );
}

function digest(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(withoutCredentials(value) ?? null))
    .digest('hex')
    .slice(0, 32);
}
