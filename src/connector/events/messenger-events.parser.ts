import type { Happening } from '../../storage/history/chats.repository.js';
import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';

/** One event of im.v2.Event.get, as far as it is read here. */
export interface MessengerEvent {
  /** Grows; the portal numbers the events of all its people together. */
  id: number;
  /** null: nothing that an operator did in an open-line chat. */
  happening: Happening | null;
}

export interface MessengerEventPage {
  /** Oldest first. */
  events: MessengerEvent[];
  /** Asked for next, it deletes these. */
  nextOffset: number;
}

const NEW_MESSAGE = 'ONIMV2MESSAGEADD';
const CHANGES = new Set(['ONIMV2MESSAGEUPDATE', 'ONIMV2MESSAGEDELETE']);

/**
 * Reads the answer of im.v2.Event.get. The queue is that of a person, and holds all their chats: only where something
 * happened in open-line chats is taken from it, and no word. undefined: it is no such answer.
 */
export function parseMessengerEvents(answer: unknown): MessengerEventPage | undefined {
  const { events, nextOffset } = fieldsOf(answer) ?? {};
  const parsed = elementsOf(events).map((event) => parseEvent(fieldsOf(event) ?? {}));
  const next = Number(nextOffset);
  if (!Number.isSafeInteger(next) || parsed.some(({ id }) => !(id > 0))) return undefined;
  return { events: parsed, nextOffset: next };
}

function parseEvent({ eventId, type, data }: Record<string, unknown>): MessengerEvent {
  const { chat, message, user } = fieldsOf(data) ?? {};
  const { id: bitrixChatId, entityType } = fieldsOf(chat) ?? {};
  const event = { id: Number(eventId), chatId: scalar(bitrixChatId), messageId: scalar(fieldsOf(message)?.id) };
  // A client's message has as its author the user that our connector made.
  const isOurs = entityType === 'LINES' && event.chatId !== undefined && fieldsOf(user)?.connector !== true;
  const isNew = type === NEW_MESSAGE && event.messageId !== undefined;
  if (!isOurs || !(isNew || CHANGES.has(String(type)))) return { id: event.id, happening: null };
  return { id: event.id, happening: { bitrixChatId: event.chatId!, newMessageId: isNew ? event.messageId! : null } };
}
