import type { Message } from '@grammyjs/types';
import { languageOf, type Language } from '../../common/language.js';
import { asNumber, asObject, asOrdinal, asText, type JsonObject } from '../../common/json-fields.js';
import type { ClientUpdate, Ignored, TelegramChat } from '../../relay/message.js';
import { isBlank, plain } from '../../relay/rich-text.js';
import type { QuotedWords } from '../../storage/work/claimed-lane.js';
import { CLIENT_WORDS } from '../client-words.js';
import { parseChat } from './chat.parser.js';
import {
  authorOf,
  dateOf,
  inGroup,
  isGroup,
  systemLine,
  NOWHERE,
  record,
  signed,
  type UpdateContext,
} from './client-update.js';
import { MESSAGE_LABELS } from './labels-by-language.js';
import { describeEndOfLiveLocation, describeMessage, type MessageContent } from './message-content.js';
import { describeStartPress, readStartPress, sourceOf } from './start.parser.js';
import { asksToStop } from './stop.parser.js';

const ECHO: Ignored = { code: 'own_echo', detail: 'Sent by the bot itself in the name of the Business account.' };
const NOTICE: Ignored = { code: 'service_message', detail: 'A notice of Telegram that tells an operator nothing.' };
const MOVE: Ignored = {
  code: 'live_location_move',
  detail: 'A live location moves; its beginning and end are relayed.',
};

export function readMessage(message: JsonObject, context: UpdateContext): ClientUpdate {
  const read = readWords(message, context, false);
  const { chat, said } = read;
  const press = chat && said && !said.ignored ? readStartPress(message, chat) : null;
  if (!press) {
    // What the owner of a Business account writes is no wish of the client's.
    const isClients = chat && said && !said.ignored && !said.systemLine;
    return isClients && asksToStop(message, chat) ? unsubscribing(read, message) : read;
  }
  // What `/start` means is shown in its place.
  const told = describeStartPress(press, isGroup(chat!.type) ? said!.authorName : undefined, context.language);
  return { ...read, chat: { ...chat!, source: sourceOf(press) }, said: { ...said!, marks: [], ...told } };
}

function unsubscribing(read: ClientUpdate, message: JsonObject): ClientUpdate {
  const { unsubscribedByWords } = CLIENT_WORDS[languageOf(asObject(message.from).language_code)];
  return { ...read, unsubscribes: 'words', unsubscribed: unsubscribedByWords };
}

/** An edited message. Where it already stands, only its words are updated, and only if they changed. */
export function readEdit(message: JsonObject, context: UpdateContext): ClientUpdate {
  const isLocation = message.location !== undefined && message.venue === undefined;
  return isLocation ? readLiveLocation(message, context) : readWords(message, context, true);
}

function readWords(message: JsonObject, context: UpdateContext, edited: boolean): ClientUpdate {
  const from = asObject(message.from);
  const chat = parseChat(message, from);
  if (!chat) return record(context, null, NOWHERE);
  const content = describeMessage(message as unknown as Message, context.language);
  const author = authorOf(message);
  const ignored = reasonToIgnore(message, content);
  if (ignored) return record(context, chat, ignored, author);
  const isOwner = isWrittenByOwner(message);
  const isService = content.kind === 'service';
  const albumId = asText(message.media_group_id) || undefined;
  // Only one part of an album has the caption; an edit of another part says nothing.
  const isSilent = edited && albumId !== undefined && isBlank(content.words.text);
  const { text, marks } =
    isSilent || isService ? content.words : signed(content.words, author.authorName, isOwner, chat.type);
  const telegramMessageId = asOrdinal(message.message_id);
  return {
    ...context.base,
    chat,
    said: {
      kind: content.kind,
      text,
      marks,
      attachments: content.attachments,
      ...author,
      saidAt: dateOf(edited ? (message.edit_date ?? message.date) : message.date),
      raw: context.update,
      ...(isOwner || isService ? { systemLine: true } : {}),
      ...(content.quoted ? { quoted: content.quoted } : {}),
      ...(edited && content.attachments.length > 0 ? { insteadOf: earlierMessage(message, context.language) } : {}),
      ...(content.notOwnWords ? { notOwnWords: true } : {}),
    },
    telegramMessageId,
    ...(edited && telegramMessageId !== undefined ? { edits: true } : {}),
    albumId,
    replyTo: replyOf(message),
    sawChat: !edited && !isOwner && !isService,
    ...(!edited && isStart(message, chat) ? { starts: true } : {}),
    ...(!edited && isSharedPhone(chat) ? { sharedPhone: { thanks: thanksFor(message) } } : {}),
  };
}

/** Only of people who speak with the bot itself: nobody else was asked for a number. */
function isSharedPhone({ type, businessConnection, phone }: TelegramChat): boolean {
  return type === 'private' && businessConnection === undefined && phone !== undefined;
}

function thanksFor(message: JsonObject): string {
  return CLIENT_WORDS[languageOf(asObject(message.from).language_code)].thanksForPhone;
}

/** Names the message whose place the file of an edit takes; storage adds what that one said. */
function earlierMessage({ date }: JsonObject, language: Language): QuotedWords {
  const at = dateOf(date)?.getTime();
  return { ...plain(''), name: MESSAGE_LABELS[language].insteadOf, ...(at ? { at: at / 1000 } : {}) };
}

/** Sent by the button that starts every chat with a bot; with a payload after a link. */
const START = /^\/start(?:@\w+)?(?:\s|$)/;

/** Not in Telegram Business: clients there do not mean to talk to a bot. */
function isStart(message: JsonObject, { type, businessConnection }: TelegramChat): boolean {
  return type === 'private' && businessConnection === undefined && START.test(asText(message.text));
}

function reasonToIgnore(message: JsonObject, { quiet }: MessageContent): Ignored | null {
  if (message.sender_business_bot !== undefined) return ECHO;
  return quiet ? NOTICE : null;
}

/**
 * In a chat of Telegram Business whoever is not the client is the owner of the account (including their greeting and away
 * messages); in a topic of a channel's direct messages, the channel or one of its administrators.
 */
function isWrittenByOwner(message: JsonObject): boolean {
  const from = asObject(message.from);
  const chat = asObject(message.chat);
  if (chat.is_direct_messages === true) {
    const client = asObject(asObject(message.direct_messages_topic).user).id;
    return message.sender_chat !== undefined || (client !== undefined && from.id !== client);
  }
  return message.business_connection_id !== undefined && from.id !== undefined && from.id !== chat.id;
}

function readLiveLocation(message: JsonObject, context: UpdateContext): ClientUpdate {
  const chat = parseChat(message, asObject(message.from));
  const author = authorOf(message);
  if (!chat) return record(context, null, NOWHERE);
  if (asNumber(asObject(message.location).live_period) !== undefined) return record(context, chat, MOVE, author);
  const ended = describeEndOfLiveLocation(message.location, context.language);
  const said = {
    kind: 'live_location',
    ...inGroup(chat.type, author.authorName, ended),
    ...author,
    saidAt: dateOf(message.edit_date ?? message.date),
  };
  return systemLine(context, chat, said, asOrdinal(message.message_id));
}

function replyOf(message: JsonObject): ClientUpdate['replyTo'] {
  const original = asObject(message.reply_to_message);
  const telegramMessageId = asOrdinal(original.message_id);
  const isElsewhere = asObject(original.chat).id !== asObject(message.chat).id;
  // Every message of a forum topic "replies" to the creation of the topic.
  if (telegramMessageId === undefined || isElsewhere || original.forum_topic_created !== undefined) return undefined;
  const quote = asText(asObject(message.quote).text);
  return { telegramMessageId, ...(quote === '' ? {} : { quote }) };
}
