import type { Chat, Message, Update } from '@grammyjs/types';
import type { ClientUpdate, Ignored, Said, TelegramChat } from '../relay/message.js';
import { concat, plain, withMark, type RichText } from '../relay/rich-text.js';
import { asId, asNumber, asObject, asText, type JsonObject } from './json-fields.reader.js';
import { describeMessage, describeUpdate } from './message-content.js';
import type { MessageLanguage } from './message-labels.js';

/** Asked for explicitly, because Telegram remembers the last list and leaves reactions out of its default. */
export const ALLOWED_UPDATES = [
  'message',
  'edited_message',
  'callback_query',
  'my_chat_member',
  'message_reaction',
  'business_connection',
  'business_message',
  'edited_business_message',
  'deleted_business_messages',
] as const satisfies (keyof Update)[];

const NOT_RELAYED: Record<string, Ignored> = {
  edited_message: { code: 'edit_not_relayed', detail: 'The client edited a message; edits are kept, not relayed.' },
  message_reaction: { code: 'reaction_not_relayed', detail: 'A reaction is kept as a sign that the chat was seen.' },
  my_chat_member: {
    code: 'state_change',
    detail: 'The client blocked or unblocked the bot, or it joined or left a group.',
  },
};

/** Where an update comes from; of its fields only `chat.id` is known to be what the Bot API promises. */
interface Origin {
  chat: Chat;
  from: JsonObject;
  senderChat: JsonObject;
  threadId?: number;
  businessConnection?: string;
}

/**
 * What a Telegram update holds for the relay. Never throws and never drops: what cannot be relayed comes back with
 * `said.ignored`, so that it is kept for the record together with the raw update.
 */
export function parseUpdate(update: Update, botId: bigint, language: MessageLanguage): ClientUpdate {
  const type = updateType(update);
  const origin = originOf(update);
  const chat = origin ? identify(origin) : null;
  const base = { botId, updateId: update.update_id, chat };
  const author = origin ? authorOf(origin) : {};
  const keep = (ignored: Ignored, described = describeUpdate(update, language)): Said => ({
    kind: described?.kind ?? type,
    text: described?.rich.text ?? '',
    marks: described?.rich.marks ?? [],
    ...author,
    raw: update,
    ignored,
  });

  const message = update.message ?? update.business_message;
  if (message && origin && chat) {
    const { kind, rich } = describeMessage(message, language);
    const words = chat.type === 'private' ? rich : withSender(author.authorName, rich);
    const said: Said = { kind, ...words, ...author, saidAt: dateOf(message.date), raw: update };
    const ignored = notFromClient(message, origin, chat);
    const telegramMessageId = asBigInt(message.message_id);
    if (ignored) return { ...base, said: { ...said, ignored }, telegramMessageId, sawChat: false };
    return { ...base, said, telegramMessageId, sawChat: true };
  }
  if (update.callback_query && chat) {
    const described = describeUpdate(update, language);
    if (described) {
      return { ...base, said: { kind: described.kind, ...described.rich, ...author, raw: update }, sawChat: true };
    }
  }
  if (update.my_chat_member && chat) {
    const status = update.my_chat_member.new_chat_member?.status;
    return {
      ...base,
      said: keep(NOT_RELAYED.my_chat_member!),
      blocked: status === 'kicked' || status === 'left',
      sawChat: false,
    };
  }
  const ignored = NOT_RELAYED[type.replace('business_message', 'message')] ?? {
    code: 'not_a_message',
    detail: `An update of type ${type} holds nothing that is relayed.`,
  };
  return { ...base, said: keep(ignored), sawChat: type === 'message_reaction' };
}

/** The one field besides update_id; its name is the type. */
function updateType(update: Update): string {
  return Object.keys(update).find((field) => field !== 'update_id') ?? 'empty';
}

function originOf(update: Update): Origin | null {
  const message =
    update.message ?? update.edited_message ?? update.business_message ?? update.edited_business_message ?? null;
  if (message && isChat(message.chat)) {
    return {
      chat: message.chat,
      from: asObject(message.from),
      senderChat: asObject(message.sender_chat),
      threadId: message.is_topic_message ? asNumber(message.message_thread_id) : undefined,
      businessConnection: asText(message.business_connection_id) || undefined,
    };
  }
  const pressed = update.callback_query;
  if (pressed?.message && isChat(pressed.message.chat)) {
    const { chat } = pressed.message;
    const inTopic = 'is_topic_message' in pressed.message && pressed.message.is_topic_message;
    return {
      chat,
      from: asObject(pressed.from),
      senderChat: {},
      threadId: inTopic ? asNumber(pressed.message.message_thread_id) : undefined,
    };
  }
  const change = update.my_chat_member ?? update.message_reaction;
  if (!change || !isChat(change.chat)) return null;
  return { chat: change.chat, from: asObject('from' in change ? change.from : change.user), senderChat: {} };
}

function isChat(chat: unknown): chat is Chat {
  return typeof chat === 'object' && chat !== null && Number.isSafeInteger((chat as Chat).id);
}

/** The identifiers by which Bitrix24 knows the chat. They are frozen: another value would open another dialog. */
function identify({ chat, from, threadId, businessConnection }: Origin): TelegramChat {
  const type = asText(chat.type) || 'private';
  const person = type === 'private';
  const topic = asBigInt(threadId);
  const suffix = businessConnection ? `:b${businessConnection.replace(/[:|]/g, '_')}` : topic ? `:${topic}` : '';
  const shown: JsonObject = person ? { ...from, ...chat } : asObject(chat);
  const firstName = asText(shown.first_name);
  const lastName = asText(shown.last_name);
  const username = asText(shown.username);
  const title =
    asText(shown.title) ||
    [firstName, lastName].filter(Boolean).join(' ') ||
    (username ? `@${username}` : `Telegram ${chat.id}`);
  return {
    externalId: `tg:${chat.id}${suffix}`,
    // In a private chat the chat id is the client's user id. In a group the group itself is the client.
    externalUserId: `tg:${chat.id}`,
    telegramChatId: BigInt(chat.id),
    threadId: topic,
    businessConnection,
    type,
    title,
    firstName: firstName || undefined,
    lastName: lastName || undefined,
    username: username || undefined,
    language: (person && asText(from.language_code)) || undefined,
  };
}

function authorOf({ from, senderChat }: Origin): { authorId?: string; authorName?: string } {
  const title = asText(senderChat.title);
  if (title) return { authorId: asId(senderChat.id) || undefined, authorName: title };
  const name = [asText(from.first_name), asText(from.last_name)].filter(Boolean).join(' ') || asText(from.username);
  return { authorId: asId(from.id) || undefined, authorName: name || undefined };
}

/** `Integer` of the Bot API; undefined for anything else. */
function asBigInt(value: unknown): bigint | undefined {
  return Number.isSafeInteger(value) ? BigInt(value as number) : undefined;
}

/** Unix time; undefined for what is no moment that a calendar with four digits knows. */
function dateOf(seconds: unknown): Date | undefined {
  const known = Number.isInteger(seconds) && (seconds as number) >= 0 && (seconds as number) < 1e11;
  return known ? new Date((seconds as number) * 1000) : undefined;
}

/** In a group the operator must see who speaks. */
function withSender(name: string | undefined, rich: RichText): RichText {
  return name ? concat(withMark(`${name}:`, 'bold'), plain('\n'), rich) : rich;
}

function notFromClient(message: Message, { from }: Origin, chat: TelegramChat): Ignored | null {
  // In a Business chat chat.id is the client; anybody else who writes there is the owner of the account (or we).
  if (chat.businessConnection && from.id !== undefined && from.id !== message.chat.id) {
    return {
      code: 'written_by_owner',
      detail: 'Written by the owner of the Telegram Business account, not by the client.',
    };
  }
  return null;
}
