import type { Chat, Message, Update, User } from '@grammyjs/types';
import type { ClientUpdate, Ignored, Said, TelegramChat } from '../relay/message.js';
import { concat, plain, withMark, type RichText } from '../relay/rich-text.js';
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

interface Origin {
  chat: Chat;
  from?: User;
  senderChat?: Chat;
  message?: Message;
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
    const said: Said = { kind, ...words, ...author, saidAt: new Date(message.date * 1000), raw: update };
    const ignored = notFromClient(message, chat);
    if (ignored)
      return { ...base, said: { ...said, ignored }, telegramMessageId: BigInt(message.message_id), sawChat: false };
    return { ...base, said, telegramMessageId: BigInt(message.message_id), sawChat: true };
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
      from: message.from,
      senderChat: message.sender_chat,
      message,
      threadId: message.is_topic_message ? message.message_thread_id : undefined,
      businessConnection: message.business_connection_id,
    };
  }
  const pressed = update.callback_query;
  if (pressed?.message && isChat(pressed.message.chat)) {
    const { chat } = pressed.message;
    const inTopic = 'is_topic_message' in pressed.message && pressed.message.is_topic_message;
    return {
      chat,
      from: pressed.from,
      threadId: inTopic ? pressed.message.message_thread_id : undefined,
    };
  }
  const change = update.my_chat_member ?? update.message_reaction;
  if (change && isChat(change.chat)) return { chat: change.chat, from: 'from' in change ? change.from : change.user };
  return null;
}

function isChat(chat: unknown): chat is Chat {
  return typeof chat === 'object' && chat !== null && Number.isSafeInteger((chat as Chat).id);
}

/** The identifiers by which Bitrix24 knows the chat. They are frozen: another value would open another dialog. */
function identify({ chat, from, threadId, businessConnection }: Origin): TelegramChat {
  const type = chat.type ?? 'private';
  const person = type === 'private';
  const suffix = businessConnection ? `:b${businessConnection.replace(/[:|]/g, '_')}` : threadId ? `:${threadId}` : '';
  const shown = person ? { ...from, ...chat } : chat;
  const firstName = 'first_name' in shown ? shown.first_name : undefined;
  const lastName = 'last_name' in shown ? shown.last_name : undefined;
  const username = 'username' in shown ? shown.username : undefined;
  const title =
    ('title' in shown ? shown.title : undefined) ||
    [firstName, lastName].filter(Boolean).join(' ') ||
    (username ? `@${username}` : `Telegram ${chat.id}`);
  return {
    externalId: `tg:${chat.id}${suffix}`,
    // In a private chat the chat id is the client's user id. In a group the group itself is the client.
    externalUserId: `tg:${chat.id}`,
    telegramChatId: BigInt(chat.id),
    threadId: threadId === undefined ? undefined : BigInt(threadId),
    businessConnection,
    type,
    title,
    firstName: firstName || undefined,
    lastName: lastName || undefined,
    username: username || undefined,
    language: person ? from?.language_code : undefined,
  };
}

function authorOf({ from, senderChat }: Origin): { authorId?: string; authorName?: string } {
  if (senderChat && 'title' in senderChat && senderChat.title) {
    return { authorId: String(senderChat.id), authorName: senderChat.title };
  }
  if (!from) return {};
  const name = [from.first_name, from.last_name].filter(Boolean).join(' ') || from.username;
  return { authorId: String(from.id), authorName: name || undefined };
}

/** In a group the operator must see who speaks. */
function withSender(name: string | undefined, rich: RichText): RichText {
  return name ? concat(withMark(`${name}:`, 'bold'), plain('\n'), rich) : rich;
}

function notFromClient(message: Message, chat: TelegramChat): Ignored | null {
  // In a Business chat chat.id is the client; anybody else who writes there is the owner of the account (or we).
  if (chat.businessConnection && message.from && message.from.id !== message.chat.id) {
    return {
      code: 'written_by_owner',
      detail: 'Written by the owner of the Telegram Business account, not by the client.',
    };
  }
  return null;
}
