import type { Happening } from '../../storage/history/chats.repository.js';
import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';

/** One event of im.v2.Event.get, as far as it is read here. */
export interface MessengerEvent {
  /** Grows; the portal numbers the events of all its people together. */
  id: number;
  /** null: nothing that an operator did in an open-line chat. */
  happening: Happening | null;
  /** null: it tells of none by an operator in an open-line chat. */
  reaction: OperatorReaction | null;
}

/** That an operator's reactions to a message are others now. */
export interface OperatorReaction {
  bitrixChatId: string;
  bitrixMessageId: string;
  /** By which our connector knows the message. */
  externalIds: string[];
  /** Name of the reaction in the messenger. */
  name: string;
  /** null: it does not say. */
  action: 'add' | 'delete' | null;
}

export interface MessengerEventPage {
  /** Oldest first. */
  events: MessengerEvent[];
  /** Asked for next, it deletes these. */
  nextOffset: number;
}

const NEW_MESSAGE = 'ONIMV2MESSAGEADD';
const REACTION = 'ONIMV2REACTIONCHANGE';
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
  const { chat, message, user, ...more } = fieldsOf(data) ?? {};
  const { id: bitrixChatId, entityType } = fieldsOf(chat) ?? {};
  const event = { id: Number(eventId), chatId: scalar(bitrixChatId), messageId: scalar(fieldsOf(message)?.id) };
  const nothing = { id: event.id, happening: null, reaction: null };
  // A client's message has as its author the user that our connector made.
  if (entityType !== 'LINES' || event.chatId === undefined || fieldsOf(user)?.connector === true) return nothing;
  const { chatId, messageId } = event;
  if (type === REACTION) {
    if (messageId === undefined || fieldsOf(user)?.id === undefined) return nothing;
    return { ...nothing, reaction: { bitrixChatId: chatId, bitrixMessageId: messageId, ...reactionOf(message, more) } };
  }
  const isNew = type === NEW_MESSAGE && messageId !== undefined;
  if (!(isNew || CHANGES.has(String(type)))) return nothing;
  return { ...nothing, happening: { bitrixChatId: chatId, newMessageId: isNew ? messageId : null } };
}

function reactionOf(
  message: unknown,
  { reaction, action }: Record<string, unknown>,
): Pick<OperatorReaction, 'externalIds' | 'name' | 'action'> {
  const { CONNECTOR_MID, connectorMid } = fieldsOf(fieldsOf(message)?.params) ?? {};
  const ids = CONNECTOR_MID ?? connectorMid;
  return {
    externalIds: (typeof ids === 'object' ? elementsOf(ids) : [ids]).flatMap((id) => scalar(id) ?? []),
    name: scalar(reaction) ?? '',
    action: action === 'add' || action === 'delete' ? action : null,
  };
}
