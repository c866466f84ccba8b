import type { Message } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { CallParams } from './call.params.js';
import { readMarkup } from './reply.markup.js';
import { readReply } from './reply.parameters.js';
import type { BusinessAccount } from './business.account.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { SimulatedChat } from './simulated.chat.js';

/** Where a call writes to, and who the people there see as the author. */
interface SendTarget {
  readonly chat: SimulatedChat;
  readonly author: Partial<Message>;
  /** The thread, the topic of direct messages … it goes into. */
  readonly place: Partial<Message>;
  readonly account: BusinessAccount | undefined;
}

/**
 * Sends one message or an album with what every send method has in common: where to, in reply to what, with which
 * buttons. Nothing is sent unless everything can be.
 */
export function sendMessages(bot: SimulatedBot, params: CallParams, contents: readonly Partial<Message>[]): Message[] {
  const { chat, author, place, account } = sendTarget(bot, params);
  const read = readMarkup(params, chat.chat);
  const reply = readReply(chat, params);
  bot.admitMessages(chat.id, contents.length);

  if (read.kind === 'reply') chat.replyKeyboard = read.markup;
  if (read.kind === 'remove') chat.replyKeyboard = undefined;
  return contents.map((content) => {
    const message = {
      message_id: chat.nextMessageId(),
      ...author,
      ...place,
      chat: chat.chat,
      date: bot.unixTime,
      ...reply,
      ...content,
      ...(params.flag('protect_content') && { has_protected_content: true }),
      ...(read.kind === 'inline' && { reply_markup: read.markup }),
    } as Message;
    bot.journal.sent(bot, message);
    chat.keepFromBot(message);
    account?.echo(message);
    return message;
  });
}

export function sendOne(bot: SimulatedBot, params: CallParams, content: Partial<Message>): Message {
  return sendMessages(bot, params, [content])[0]!;
}

/** The chat a call may write to; a chat action uses it as well. */
export function sendTarget(bot: SimulatedBot, params: CallParams): SendTarget {
  if (params.has('business_connection_id')) {
    const account = bot.businessAccount(params);
    const chat = account.writableChat(params.integer('chat_id', 0));
    return { chat, author: account.authorship, place: {}, account };
  }
  const chat = bot.resolveChat(params);
  chat.checkWritable();
  return { chat, author: authorOf(bot, chat), place: placeIn(chat, params), account: undefined };
}

function authorOf(bot: SimulatedBot, { chat }: SimulatedChat): Partial<Message> {
  const { id, first_name, username } = bot.user;
  return chat.type === 'channel' ? { sender_chat: chat } : { from: { id, is_bot: true, first_name, username } };
}

function placeIn(chat: SimulatedChat, params: CallParams): Partial<Message> {
  const topic = params.integer('direct_messages_topic_id', 0);
  if (chat.isDirectMessages) {
    const found = chat.directMessagesTopics.get(topic);
    if (!found) throw badRequest('direct messages topic not found');
    return { direct_messages_topic: found };
  }
  const thread = params.integer('message_thread_id', 0);
  if (thread <= 0) return {};
  chat.checkThread(thread);
  return { message_thread_id: thread, ...(chat.topics.has(thread) && { is_topic_message: true }) };
}
