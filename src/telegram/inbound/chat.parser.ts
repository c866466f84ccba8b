import type { TelegramChat } from '../../relay/message.js';
import { asBigInt, asObject, asOrdinal, asText, type JsonObject } from '../../common/json-fields.js';
import { makeBusinessKey, makeChatId, makeUserId } from '../../common/external-ids.js';
import { namesOf, personName, visible } from './person-name.js';

/** Longest number by ITU-T E.164; the shortest that are in use have seven digits. */
const PHONE = /^\d{7,15}$/;

/**
 * The chat in which something happened, with the identifiers by which Bitrix24 knows it. They are frozen: another
 * value would open another dialog. Null where nobody can be answered: in a channel, in a topic that is not named.
 *
 * @param place a Message, or whatever else names a `chat`; any JSON may be passed
 * @param from the User who did it; empty when nobody is named
 */
export function parseChat(place: JsonObject, from: JsonObject): TelegramChat | null {
  const chat = asObject(place.chat);
  const id = asBigInt(chat.id);
  const type = asText(chat.type) || 'private';
  if (id === undefined || type === 'channel') return null;
  if (type === 'private') return parsePrivateChat(id, place, from);
  return chat.is_direct_messages === true ? parseDirectMessages(id, place, from) : parseGroup(id, type, place);
}

/** In a private chat the chat id is the client's user id; in one of Telegram Business too. */
function parsePrivateChat(id: bigint, place: JsonObject, from: JsonObject): TelegramChat {
  const chat = asObject(place.chat);
  const isClient = from.id === undefined || from.id === chat.id;
  const connection = asText(place.business_connection_id);
  const topic = topicOf(place);
  const client = isClient ? { ...from, ...chat } : chat;
  return {
    // The tables put the key of the account's first connection in the place of this one.
    externalId: makeChatId({
      telegramChatId: id,
      ...(connection ? { businessKey: makeBusinessKey(connection) } : { threadId: topic }),
    }),
    externalUserId: makeUserId(id),
    telegramChatId: id,
    threadId: connection ? undefined : topic,
    businessConnection: connection || undefined,
    type: 'private',
    ...personOf(client, id),
    language: (isClient && asText(from.language_code)) || undefined,
    phone: isClient ? phoneOf(place, from) : undefined,
  };
}

/** A topic of the direct messages of a channel: the client is who opened it. */
function parseDirectMessages(id: bigint, place: JsonObject, from: JsonObject): TelegramChat | null {
  const topic = asObject(place.direct_messages_topic);
  const threadId = asOrdinal(topic.topic_id);
  if (threadId === undefined) return null;
  const user = asObject(topic.user);
  const userId = asBigInt(user.id);
  return {
    externalId: makeChatId({ telegramChatId: id, threadId }),
    externalUserId: makeUserId(userId ?? id),
    telegramChatId: id,
    threadId,
    type: 'direct_messages',
    ...personOf(user, userId ?? id),
    language: (from.id === user.id && asText(from.language_code)) || undefined,
  };
}

/** A group is the client itself; each topic of a forum is a dialog of its own. */
function parseGroup(id: bigint, type: string, place: JsonObject): TelegramChat {
  const title = visible(asObject(place.chat).title) || `Telegram ${id}`;
  const username = asText(asObject(place.chat).username) || undefined;
  // A group that becomes a supergroup has another id from then on, and keeps its dialog.
  const [before, now] = [asBigInt(place.migrate_from_chat_id), asBigInt(place.migrate_to_chat_id)];
  const known = before ?? id;
  const group = {
    externalUserId: makeUserId(known),
    telegramChatId: now ?? id,
    type: now !== undefined || before !== undefined ? 'supergroup' : type,
    username,
  };
  const threadId = topicOf(place);
  if (threadId === undefined) return { ...group, externalId: makeChatId({ telegramChatId: known }), title };
  const topic = topicTitleOf(place);
  return {
    ...group,
    externalId: makeChatId({ telegramChatId: known, threadId }),
    threadId,
    title: topic ? topic.title : title,
    assumedTitle: topic?.isNew ? undefined : true,
    // In the dialogs of all topics the client is the group.
    firstName: title,
  };
}

function topicOf(place: JsonObject): bigint | undefined {
  return place.is_topic_message === true ? asOrdinal(place.message_thread_id) : undefined;
}

/**
 * Telegram names a topic when it is made or renamed. Every message in it that answers no other "answers" the creation
 * of the topic, with the name that it had then.
 */
function topicTitleOf(place: JsonObject): { title: string; isNew: boolean } | null {
  const news = visible(asObject(place.forum_topic_created ?? place.forum_topic_edited).name);
  if (news) return { title: news, isNew: true };
  const first = visible(asObject(asObject(place.reply_to_message).forum_topic_created).name);
  return first ? { title: first, isNew: false } : null;
}

function personOf(person: JsonObject, id: bigint): Pick<TelegramChat, 'title' | 'firstName' | 'lastName' | 'username'> {
  const { first, last, username } = namesOf(person);
  return {
    title: personName(person) || `Telegram ${id}`,
    firstName: first || undefined,
    lastName: last || undefined,
    username: username || undefined,
  };
}

/** Only a number that Telegram knows to be the sender's own says who they are. */
function phoneOf({ contact }: JsonObject, from: JsonObject): string | undefined {
  const { user_id: owner, phone_number: number } = asObject(contact);
  if (owner === undefined || owner !== from.id) return undefined;
  const digits = asText(number).replace(/\D/g, '');
  return PHONE.test(digits) ? `+${digits}` : undefined;
}
