import type { InlineKeyboardMarkup, Message, ReactionType, ReactionTypeEmoji, TextQuote } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { CallParams } from './call.params.js';
import { formatText, readEntities, type FormattedText } from './message.entities.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { SimulatedChat } from './simulated.chat.js';

/** One method: its result, or a thrown BotApiError. */
export type BotApiMethod = (bot: SimulatedBot, params: CallParams) => unknown;

/** Told of every message that reached a chat. */
export type OnSent = (bot: SimulatedBot, message: Message) => void;

/** Text over 32 KiB is refused before it is looked at. */
const RAW_TEXT_BYTES = 1 << 15;
/** `callback_data` is 1–64 bytes. */
const CALLBACK_DATA_BYTES = 64;
/** A message can be deleted for 48 hours. */
const DELETE_WITHIN = 48 * 3600;
const CHAT_ACTIONS: ReadonlySet<string> = new Set([
  'cancel',
  'typing',
  'upload_photo',
  'record_video',
  'upload_video',
  'record_voice',
  'upload_voice',
  'record_audio',
  'upload_audio',
  'upload_document',
  'choose_sticker',
  'pick_up_location',
  'find_location',
  'record_video_note',
  'upload_video_note',
]);
/** The emoji a bot can react with (core.telegram.org/bots/api#reactiontypeemoji). */
const REACTION_EMOJI: ReadonlySet<string> = new Set(
  (
    '👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 ' +
    '👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡'
  ).split(' ') as ReactionTypeEmoji['emoji'][],
);

/** The methods this server knows, by their names in lower case: method names are case-insensitive. */
export function botApiMethods(onSent: OnSent): ReadonlyMap<string, BotApiMethod> {
  const methods: Record<string, BotApiMethod> = {
    getMe: (bot) => bot.user,
    getUpdates: (bot, params) => bot.getUpdates(params),
    setWebhook: (bot, params) => bot.setWebhook(params),
    deleteWebhook: (bot, params) => bot.deleteWebhook(params),
    getWebhookInfo: (bot) => bot.webhookInfo,
    sendMessage: (bot, params) => sendMessage(bot, params, onSent),
    sendChatAction,
    editMessageText,
    deleteMessage,
    deleteMessages,
    setMessageReaction,
    setMyCommands,
    getMyCommands: (bot) => bot.commands,
    answerCallbackQuery,
    getChat: (bot, params) => getChat(bot.resolveChat(params)),
    getFile,
    getUserProfilePhotos,
  };
  return new Map(Object.entries(methods).map(([name, method]) => [name.toLowerCase(), method]));
}

function sendMessage(bot: SimulatedBot, params: CallParams, onSent: OnSent): Message {
  const content = readText(params);
  const keyboard = readInlineKeyboard(params);
  const chat = writableChat(bot, params);
  const reply = readReply(chat, params);
  const { text, entities } = formatText(content.text, content.entities);
  bot.admitMessage(chat.id);

  const thread = params.integer('message_thread_id', 0);
  const message = {
    message_id: chat.nextMessageId(),
    ...(thread > 0 && { message_thread_id: thread, is_topic_message: true }),
    from: senderOf(bot),
    chat: chat.chat,
    date: bot.unixTime,
    ...reply,
    text,
    ...(entities.length > 0 && { entities }),
    ...(keyboard && { reply_markup: keyboard }),
  } as Message;
  onSent(bot, message);
  chat.keepFromBot(message);
  return message;
}

function sendChatAction(bot: SimulatedBot, params: CallParams): true {
  const action = params.text('action');
  if (!CHAT_ACTIONS.has(action)) throw badRequest('wrong parameter action in request');
  writableChat(bot, params).action = action === 'cancel' ? undefined : action;
  return true;
}

function editMessageText(bot: SimulatedBot, params: CallParams): Message {
  const content = readText(params);
  const keyboard = readInlineKeyboard(params);
  const messageId = params.integer('message_id', 0);
  if (!params.has('chat_id') && messageId === 0) throw badRequest('message identifier is not specified');
  const chat = bot.resolveChat(params);
  const message = chat.find(messageId);
  if (!message) throw badRequest('message to edit not found');
  if (!chat.isFromBot(messageId)) throw badRequest("message can't be edited");
  if (message.text === undefined) throw badRequest('there is no text in the message to edit');

  const { text, entities } = formatText(content.text, content.entities);
  const { entities: _entities, reply_markup: _keyboard, ...rest } = message;
  const edited = {
    ...rest,
    text,
    ...(entities.length > 0 && { entities }),
    ...(keyboard && { reply_markup: keyboard }),
  } as Message;
  if (JSON.stringify(visible(edited)) === JSON.stringify(visible(message))) {
    throw badRequest(
      'message is not modified: specified new message content and reply markup are exactly the same as a current ' +
        'content and reply markup of the message',
    );
  }
  const dated = { ...edited, edit_date: bot.unixTime } as Message;
  chat.keepFromBot(dated);
  return dated;
}

const visible = ({ text, entities, reply_markup }: Message) => [text, entities ?? [], reply_markup ?? null];

function deleteMessage(bot: SimulatedBot, params: CallParams): true {
  const chat = bot.resolveChat(params);
  const messageId = params.integer('message_id', 0);
  if (!chat.find(messageId)) throw badRequest('message to delete not found');
  if (!mayDelete(bot, chat, messageId)) throw badRequest("message can't be deleted");
  chat.remove(messageId);
  return true;
}

/** Messages that are not there are passed over. */
function deleteMessages(bot: SimulatedBot, params: CallParams): true {
  const ids = params.json('message_ids', 'message_ids');
  if (ids === undefined) throw badRequest('message identifiers are not specified');
  if (!Array.isArray(ids)) throw badRequest('expected an Array of message identifiers');
  if (ids.length > 100) throw badRequest('too many message identifiers specified');
  const messageIds = ids.map(Number);
  if (messageIds.some((id) => !Number.isSafeInteger(id) || id <= 0)) {
    throw badRequest('invalid message identifier specified');
  }
  const chat = bot.resolveChat(params);
  const found = messageIds.filter((id) => chat.find(id));
  if (found.some((id) => !mayDelete(bot, chat, id))) throw badRequest("message can't be deleted");
  for (const id of found) chat.remove(id);
  return true;
}

/** Own messages anywhere, other people's only in private chats (the bot is no administrator of groups here). */
function mayDelete(bot: SimulatedBot, chat: SimulatedChat, messageId: number): boolean {
  const message = chat.find(messageId);
  const recent = message !== undefined && message.date > bot.unixTime - DELETE_WITHIN;
  return recent && (chat.isFromBot(messageId) || chat.chat.type === 'private');
}

function setMessageReaction(bot: SimulatedBot, params: CallParams): true {
  const reaction = readReaction(params);
  const chat = bot.resolveChat(params);
  const messageId = params.integer('message_id', 0);
  if (!chat.find(messageId)) throw badRequest('message to react not found');
  chat.reactions.set(messageId, reaction);
  return true;
}

function readReaction(params: CallParams): ReactionType[] {
  const value = params.json('reaction', 'reaction types') ?? [];
  if (!Array.isArray(value)) throw badRequest('expected an Array of ReactionType');
  if (value.length > 1) throw badRequest('REACTIONS_TOO_MANY');
  const reaction = value as ReactionType[];
  for (const item of reaction) {
    if (item.type === 'paid') throw badRequest('REACTION_INVALID');
    if (item.type === 'emoji' && !REACTION_EMOJI.has(item.emoji)) throw badRequest('REACTION_INVALID');
  }
  return reaction;
}

function setMyCommands(bot: SimulatedBot, params: CallParams): true {
  const commands = params.json('commands', 'commands') ?? [];
  if (!Array.isArray(commands)) throw badRequest('expected an Array of BotCommand');
  for (const { command, description } of commands as { command?: string; description?: string }[]) {
    if (!/^[a-z0-9_]{1,32}$/.test(command ?? '')) throw badRequest('BOT_COMMAND_INVALID');
    if (!description || description.length > 256) throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID');
  }
  bot.commands = commands;
  return true;
}

function answerCallbackQuery(bot: SimulatedBot, params: CallParams): true {
  if (params.text('text').length > 200) throw badRequest('MESSAGE_TOO_LONG');
  bot.closeCallbackQuery(params.text('callback_query_id'));
  return true;
}

function getChat({ chat }: SimulatedChat) {
  const gifts = {
    unlimited_gifts: true,
    limited_gifts: true,
    unique_gifts: true,
    premium_subscription: true,
    gifts_from_channels: true,
  };
  return { ...chat, accepted_gift_types: gifts, max_reaction_count: 11, accent_color_id: chat.id % 7 };
}

function getFile(_bot: SimulatedBot, params: CallParams): never {
  if (!params.has('file_id')) throw badRequest('file_id not specified');
  throw badRequest('wrong file_id or the file is temporarily unavailable');
}

function getUserProfilePhotos(bot: SimulatedBot, params: CallParams) {
  const userId = params.integer('user_id', 0);
  if (userId <= 0) throw badRequest('invalid user_id specified');
  if (userId !== bot.id && !bot.findClient(userId)) throw badRequest('user not found');
  return { total_count: 0, photos: [] };
}

function writableChat(bot: SimulatedBot, params: CallParams): SimulatedChat {
  if (params.has('business_connection_id')) throw badRequest('business connection not found');
  const chat = bot.resolveChat(params);
  chat.checkWritable();
  return chat;
}

function readText(params: CallParams): FormattedText {
  const text = params.text('text');
  if (text === '') throw badRequest('message text is empty');
  if (Buffer.byteLength(text) > RAW_TEXT_BYTES) throw badRequest('text is too long');
  const mode = params.text('parse_mode');
  if (!['', 'none'].includes(mode.toLowerCase())) {
    const known = ['html', 'markdown', 'markdownv2'].includes(mode.toLowerCase());
    throw badRequest(known ? `parse_mode ${mode} is not simulated: send entities` : 'unsupported parse_mode');
  }
  return { text, entities: readEntities(params.json('entities', 'entities')) };
}

/** Only inline keyboards stay with a message; the other kinds are taken and not kept. */
function readInlineKeyboard(params: CallParams): InlineKeyboardMarkup | undefined {
  const markup = params.json('reply_markup', 'reply keyboard markup');
  if (markup === undefined) return undefined;
  if (typeof markup !== 'object' || markup === null || Array.isArray(markup)) {
    throw badRequest('object expected as reply markup');
  }
  if (!('inline_keyboard' in markup)) return undefined;
  const rows = markup.inline_keyboard;
  if (!Array.isArray(rows) || !rows.every((row) => Array.isArray(row))) {
    throw badRequest('field "inline_keyboard" must be of type Array');
  }
  const keyboard = { inline_keyboard: rows } as InlineKeyboardMarkup;
  const buttons = keyboard.inline_keyboard.flat();
  for (const button of buttons) {
    if (!button.text) throw badRequest('inline keyboard button text is empty');
    const bytes = 'callback_data' in button ? Buffer.byteLength(button.callback_data) : 1;
    if (bytes < 1 || bytes > CALLBACK_DATA_BYTES) throw badRequest('BUTTON_DATA_INVALID');
  }
  return buttons.length > 0 ? keyboard : undefined;
}

interface ReplyParameters {
  message_id?: number;
  chat_id?: number | string;
  allow_sending_without_reply?: boolean;
  quote?: string;
  quote_position?: number;
}

function readReply(chat: SimulatedChat, params: CallParams): { reply_to_message?: Message; quote?: TextQuote } {
  const reply = readReplyParameters(params);
  if (!reply?.message_id) return {};
  const here = reply.chat_id === undefined || String(reply.chat_id) === String(chat.id);
  const original = here ? chat.find(reply.message_id) : undefined;
  if (!original) {
    if (reply.allow_sending_without_reply) return {};
    throw badRequest('message to be replied not found');
  }
  const { reply_to_message: _nested, ...flat } = original;
  const quote = reply.quote ? readQuote(original, reply) : undefined;
  return { reply_to_message: flat as Message & { reply_to_message: undefined }, ...(quote && { quote }) };
}

function readReplyParameters(params: CallParams): ReplyParameters | undefined {
  const value = params.json('reply_parameters', 'reply parameters');
  if (value === undefined) {
    const messageId = params.integer('reply_to_message_id', 0);
    const allowed = params.flag('allow_sending_without_reply');
    return messageId > 0 ? { message_id: messageId, allow_sending_without_reply: allowed } : undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest('object expected as reply parameters');
  }
  return value;
}

/** A quote is an exact part of the original. */
function readQuote(original: Message, { quote = '', quote_position = 0 }: ReplyParameters): TextQuote {
  const source = original.text ?? original.caption ?? '';
  const near = source.indexOf(quote, quote_position);
  const position = near >= 0 ? near : source.indexOf(quote);
  if (position < 0 || quote.length > 1024) throw badRequest('QUOTE_TEXT_INVALID');
  return { text: quote, position, is_manual: true };
}

const senderOf = ({ user }: SimulatedBot) => ({
  id: user.id,
  is_bot: true,
  first_name: user.first_name,
  username: user.username,
});
