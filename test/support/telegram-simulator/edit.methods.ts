import type { Message } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { BotApiMethod } from './bot-api.methods.js';
import { CallParams } from './call.params.js';
import { readInlineMarkup } from './reply.markup.js';
import { readInputMedia } from './input.media.js';
import { KINDS, type MediaFields, type MediaKind } from './media.kinds.js';
import { presentation } from './send.methods.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { SimulatedChat } from './simulated.chat.js';
import { readCaption, readText } from './text.params.js';

/** A message can be deleted for 48 hours (core.telegram.org/bots/api#deletemessage). */
const DELETE_WITHIN = 48 * 3600;
const DELETE_AT_ONCE = 100;
/** What editMessageMedia can put in the place of something, and in the place of what. */
const REPLACEABLE = ['animation', 'photo', 'video', 'document', 'audio'] as const satisfies readonly MediaKind[];
const MEDIA_FIELDS = ['photo', 'video', 'animation', 'audio', 'document', 'live_photo'] as const;

export const EDIT_METHODS: Readonly<Record<string, BotApiMethod>> = {
  editMessageText,
  editMessageCaption,
  editMessageMedia,
  editMessageReplyMarkup,
  deleteMessage,
  deleteMessages,
};

function editMessageText(bot: SimulatedBot, params: CallParams): Message {
  const text = readText(params);
  return edit(bot, params, (message) => {
    if (message.text === undefined) throw badRequest('there is no text in the message to edit');
    const { text: _text, entities: _entities, ...rest } = message;
    return { ...rest, ...text };
  });
}

function editMessageCaption(bot: SimulatedBot, params: CallParams): Message {
  const caption = readCaption(params);
  return edit(bot, params, (message) => {
    const captioned = Object.entries(KINDS).some(([kind, traits]) => traits.caption && kind in message);
    if (!captioned) throw badRequest('there is no caption in the message to edit');
    const { caption: _caption, caption_entities: _entities, show_caption_above_media: _above, ...rest } = message;
    return { ...rest, ...caption, ...(params.flag('show_caption_above_media') && { show_caption_above_media: true }) };
  });
}

async function editMessageMedia(bot: SimulatedBot, params: CallParams): Promise<Message> {
  const media = params.json('media', 'media');
  if (typeof media !== 'object' || media === null) throw badRequest('expected an Object as InputMedia');
  const item = new CallParams(media as Record<string, unknown>);
  const kind = REPLACEABLE.find((name) => name === item.text('type'));
  if (!kind) throw badRequest(`can't parse InputMedia: type "${item.text('type')}" is unsupported`);
  const caption = readCaption(item);
  const fields = await readInputMedia(bot, params, kind, item);
  return edit(bot, params, (message) => {
    checkReplacement(message, kind);
    return { ...withoutContent(message), ...fields, ...caption, ...presentation(kind, item) };
  });
}

/** Text and media alike give way; what is neither stays. An album keeps to its kinds. */
function checkReplacement(message: Message, kind: MediaKind): void {
  const current = REPLACEABLE.find((name) => message[name] !== undefined);
  if (message.text === undefined && !current) throw badRequest("message media can't be edited");
  if (message.media_group_id === undefined || current === kind) return;
  if (current === 'document' || current === 'audio' || kind === 'document' || kind === 'audio') {
    throw badRequest("can't change media type in the album");
  }
}

function editMessageReplyMarkup(bot: SimulatedBot, params: CallParams): Message {
  return edit(bot, params, (message) => message);
}

/** Puts a new form in the place of an own message; the inline keyboard of the call replaces the old one. */
function edit(bot: SimulatedBot, params: CallParams, change: (message: Message) => Partial<Message>): Message {
  const messageId = params.integer('message_id', 0);
  if (!params.has('chat_id') && messageId === 0) throw badRequest('message identifier is not specified');
  const account = params.has('business_connection_id') ? bot.businessAccount(params) : undefined;
  const chat = account?.writableChat(params.integer('chat_id', 0)) ?? bot.resolveChat(params);
  const keyboard = readInlineMarkup(params, chat.chat);
  const message = chat.find(messageId);
  if (!message) throw badRequest('message to edit not found');
  if (!chat.isFromBot(messageId)) throw badRequest("message can't be edited");

  const { reply_markup: _keyboard, ...changed } = change(message);
  const edited = { ...changed, ...(keyboard && { reply_markup: keyboard }) } as Message;
  if (visible(edited) === visible(message)) {
    throw badRequest(
      'message is not modified: specified new message content and reply markup are exactly the same as a current ' +
        'content and reply markup of the message',
    );
  }
  const dated = { ...edited, edit_date: bot.unixTime };
  bot.journal.edited(bot, dated);
  chat.keepFromBot(dated);
  return dated;
}

function withoutContent(message: Message): Partial<Message> {
  const gone = new Set<string>([
    ...MEDIA_FIELDS,
    'text',
    'entities',
    'link_preview_options',
    'caption',
    'caption_entities',
    'show_caption_above_media',
    'has_media_spoiler',
  ]);
  return Object.fromEntries(Object.entries(message).filter(([field]) => !gone.has(field)));
}

/** What people see of a message: a file that is the same is no other, whatever its id. */
function visible(message: Message): string {
  const { text, entities = [], caption, caption_entities = [], reply_markup = null } = message;
  const files = MEDIA_FIELDS.map((name) => fileIn(message, name));
  const shown = [message.has_media_spoiler, message.show_caption_above_media].map(Boolean);
  return JSON.stringify([text, entities, caption, caption_entities, reply_markup, files, shown]);
}

function fileIn(message: MediaFields, kind: MediaKind): unknown {
  const media = message[kind];
  const file = Array.isArray(media) ? media.at(-1) : media;
  return file?.file_unique_id ?? null;
}

function deleteMessage(bot: SimulatedBot, params: CallParams): true {
  const chat = bot.resolveChat(params);
  const messageId = params.integer('message_id', 0);
  if (!chat.find(messageId)) throw badRequest('message to delete not found');
  checkDeletable(bot, chat, messageId);
  remove(bot, chat, messageId);
  return true;
}

/** Messages that are not there are passed over. */
function deleteMessages(bot: SimulatedBot, params: CallParams): true {
  const messageIds = readMessageIds(params);
  const chat = bot.resolveChat(params);
  const found = messageIds.filter((id) => chat.find(id));
  for (const id of found) checkDeletable(bot, chat, id);
  for (const id of found) remove(bot, chat, id);
  return true;
}

/** 1–100 identifiers. */
export function readMessageIds(params: CallParams): number[] {
  const ids = params.json('message_ids', 'message_ids');
  if (ids === undefined) throw badRequest('message identifiers are not specified');
  if (!Array.isArray(ids)) throw badRequest('expected an Array of message identifiers');
  if (ids.length === 0) throw badRequest('message identifiers are not specified');
  if (ids.length > DELETE_AT_ONCE) throw badRequest('too many message identifiers specified');
  const messageIds = ids.map(Number);
  if (messageIds.some((id) => !Number.isSafeInteger(id) || id <= 0)) {
    throw badRequest('invalid message identifier specified');
  }
  return messageIds;
}

/**
 * Own messages anywhere, other people's in private chats and where the bot is an administrator. What is too old can
 * no longer be deleted in a supergroup, and elsewhere no longer for the others.
 */
function checkDeletable(bot: SimulatedBot, chat: SimulatedChat, messageId: number): void {
  const own = chat.isFromBot(messageId);
  const isPrivate = chat.chat.type === 'private';
  if (!own && !isPrivate && !chat.isAdministrator) throw badRequest("message can't be deleted");
  if (chat.find(messageId)!.date > bot.unixTime - DELETE_WITHIN) return;
  if (!own && chat.isAdministrator) return;
  const shared = isPrivate || chat.chat.type === 'group';
  throw badRequest(shared ? "message can't be deleted for everyone" : "message can't be deleted");
}

function remove(bot: SimulatedBot, chat: SimulatedChat, messageId: number): void {
  chat.remove(messageId);
  bot.journal.changed(bot, chat.id, messageId, 'deleted');
}
