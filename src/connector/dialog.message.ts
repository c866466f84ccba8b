import { createHash } from 'node:crypto';
import type { Mark } from '../relay/rich-text.js';
import type { ClaimedDelivery, ClaimedLane } from '../storage/lanes.repository.js';
import { splitForBitrix, toBBCode } from './bitrix-markup.js';

type Chat = ClaimedLane['chat'];

/** Longer names are cut by the CRM (apidocs.bitrix24.com, imconnector.send.messages: user.name, up to 25 characters). */
const NAME_LIMIT = 25;
/** message.id is kept up to this length; see the same page. */
const ID_LIMIT = 100;

/**
 * The client as Bitrix24 is told of him. The whole block is hashed there and every change of it costs a profile
 * update, so nothing that varies from message to message belongs here.
 */
export function userOf(chat: Chat): Record<string, string> {
  const person = chat.type === 'private';
  const first = crmName(person ? chat.firstName : chat.title);
  const last = person ? crmName(chat.lastName) : '';
  const fallback = crmName(chat.username) || `Telegram ${chat.telegramChatId}`;
  return {
    id: chat.externalUserId,
    name: first || last || fallback,
    ...(first && last ? { last_name: last } : {}),
    ...(chat.username ? { url: `https://t.me/${chat.username}` } : {}),
  };
}

export function chatOf(chat: Chat): Record<string, string> {
  return { id: chat.externalId, name: chat.title };
}

/** A name as a CRM card takes it: letters, marks, digits, spaces, hyphen, apostrophe, dot. */
function crmName(name: string | null): string {
  const letters = (name ?? '')
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N} '’.-]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return [...letters].slice(0, NAME_LIMIT).join('').trim();
}

/** message.id of what a client said: `<chat.id>:<Telegram message id>`; of a press or the like: by our own id. */
export function externalIdOf(chat: Chat, message: ClaimedDelivery['message']): string {
  const [telegramId] = message.telegramMessageIds;
  return bounded(`${chat.externalId}:${telegramId ?? `m${message.id}`}`);
}

/** message.id of a note about a message; a message that fails again gets another note. */
export function noteIdOf(chat: Chat, { message, seq }: ClaimedDelivery): string {
  return bounded(`${chat.externalId}:note${message.id}-${seq}`);
}

/** All ids under which Telegram knows an operator's message. */
export function externalIdsOf(chat: Chat, message: ClaimedDelivery['message']): string[] {
  return message.telegramMessageIds.map((id) => bounded(`${chat.externalId}:${id}`));
}

/** Bitrix24 cuts longer ids; a hash keeps them apart. */
function bounded(id: string): string {
  if (id.length <= ID_LIMIT) return id;
  const hash = createHash('sha256').update(id).digest('hex').slice(0, 32);
  return `${id.slice(0, ID_LIMIT - 33)}.${hash}`;
}

/**
 * Elements of MESSAGES for one thing that the client said: usually one, more when its BBCode outgrows the limit.
 *
 * @param repeated text that says that this may be a repetition; an earlier attempt's outcome could not be found out
 */
export function messagesOf(chat: Chat, delivery: ClaimedDelivery, repeated: string | null): Record<string, unknown>[] {
  const { message } = delivery;
  const id = externalIdOf(chat, message);
  const parts = splitForBitrix({ text: message.text, marks: message.marks as Mark[] });
  const date = Math.floor((message.saidAt ?? message.createdAt).getTime() / 1000);
  return parts.map((part, index) => ({
    user: userOf(chat),
    message: {
      id: index === 0 ? id : bounded(`${id}:${index + 1}`),
      date,
      text: index === 0 && repeated ? `${repeated}\n${toBBCode(part)}` : toBBCode(part),
    },
    chat: chatOf(chat),
  }));
}
