import type { Message, Update } from '@grammyjs/types';
import { languageOf, type Language } from '../../common/language.js';
import type { ClientUpdate, Ignored, Said, TelegramChat } from '../../relay/message.js';
import { concat, isBlank, join, plain, withMark, type RichText } from '../../relay/rich-text.js';
import type { QuotedWords } from '../../storage/work/claimed-lane.js';
import { isButtonId } from '../../storage/work/keyboard.js';
import { CLIENT_WORDS } from '../client-words.js';
import { parseChat } from './chat.parser.js';
import {
  asBigInt,
  asId,
  asList,
  asNumber,
  asObject,
  asOrdinal,
  asText,
  type JsonObject,
} from '../../common/json-fields.js';
import { describeEndOfLiveLocation, describeMessage, describeUpdate, type MessageContent } from './message-content.js';
import { isMember, readPressedCaption } from './event-content.js';
import { MESSAGE_LABELS } from './message-labels.js';
import { named } from './message-wording.js';
import { personName, visible } from './person-name.js';
import { describeStartPress, readStartPress, sourceOf } from './start.parser.js';

/**
 * Asked for explicitly, because Telegram remembers the last list and leaves reactions out of its default. Not among
 * them: posts of channels (published, not addressed to whoever answers), answers to polls (told only of polls that the
 * bot sent, and no operator can send one) and what only the owner of a chat can act on.
 */
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

interface Context {
  base: Pick<ClientUpdate, 'botId' | 'updateId'>;
  update: Update;
  language: Language;
}
type Reader = (value: JsonObject, context: Context) => ClientUpdate;

const READERS: Readonly<Record<string, Reader>> = {
  message: readMessage,
  business_message: readMessage,
  edited_message: readEdit,
  edited_business_message: readEdit,
  callback_query: readCallbackQuery,
  message_reaction: readReaction,
  my_chat_member: readMembership,
  business_connection: readConnection,
  deleted_business_messages: readDeletion,
};

const NOWHERE: Ignored = {
  code: 'no_dialog',
  detail: 'It happened where nobody can be answered: in a channel, or in a topic that Telegram does not name.',
};
const ECHO: Ignored = { code: 'own_echo', detail: 'Sent by the bot itself in the name of the Business account.' };
const NOTICE: Ignored = { code: 'service_message', detail: 'A notice of Telegram that tells an operator nothing.' };
const MOVE: Ignored = {
  code: 'live_location_move',
  detail: 'A live location moves; its beginning and end are relayed.',
};
const UNCHANGED: Ignored = { code: 'no_change', detail: 'Nothing that an operator would see has changed.' };
const DELETION: Ignored = { code: 'deletion', detail: 'The client or the owner of the account took messages back.' };

/**
 * What a Telegram update holds for the relay. Never throws and never drops: what cannot be relayed comes back with
 * `said.ignored`, so that it is kept for the record together with the raw update.
 */
export function parseUpdate(update: Update, botId: bigint, language: Language): ClientUpdate {
  const context = { base: { botId, updateId: update.update_id }, update, language };
  const json = asObject(update);
  const type = Object.keys(READERS).find((field) => json[field] !== undefined);
  return type ? READERS[type]!(asObject(json[type]), context) : record(context, null, notRelayed(update));
}

function notRelayed(update: Update): Ignored {
  // The one field besides update_id; its name is the type.
  const type = Object.keys(update).find((field) => field !== 'update_id') ?? 'empty';
  return { code: 'not_a_message', detail: `An update of type ${type.slice(0, 100)} holds nothing that is relayed.` };
}

/** Kept for the record. */
function record(
  { base, update, language }: Context,
  chat: ClientUpdate['chat'],
  ignored: Ignored,
  said: Partial<Said> = {},
): ClientUpdate {
  const described = describeUpdate(update, language);
  const kind = described?.kind ?? Object.keys(update).find((field) => field !== 'update_id') ?? 'empty';
  const { text, marks } = described?.rich ?? plain('');
  return { ...base, chat, said: { kind, text, marks, raw: update, ...said, ignored }, sawChat: false };
}

/** A line of the system: something happened that is nobody's words. */
function line(
  { base, update }: Context,
  chat: TelegramChat,
  said: Omit<Said, 'raw' | 'systemLine'>,
  replyTo?: bigint,
): ClientUpdate {
  return {
    ...base,
    chat,
    said: { ...said, raw: update, systemLine: true },
    replyTo: replyTo === undefined ? undefined : { telegramMessageId: replyTo },
    sawChat: false,
  };
}

function readMessage(message: JsonObject, context: Context): ClientUpdate {
  const read = readWords(message, context, false);
  const { chat, said } = read;
  const press = chat && said && !said.ignored ? readStartPress(message, chat) : null;
  if (!press) return read;
  // In the place of `/start` stands what it means.
  const told = describeStartPress(press, isGroup(chat!.type) ? said!.authorName : undefined, context.language);
  return { ...read, chat: { ...chat!, source: sourceOf(press) }, said: { ...said!, marks: [], ...told } };
}

/** A message as it is now. Where it stands already only its words are renewed, and only if they changed. */
function readEdit(message: JsonObject, context: Context): ClientUpdate {
  const isLocation = message.location !== undefined && message.venue === undefined;
  return isLocation ? readLiveLocation(message, context) : readWords(message, context, true);
}

function readWords(message: JsonObject, context: Context, edited: boolean): ClientUpdate {
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
  // The caption of an album stands at one of its parts; an edit of another one says nothing.
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

/** How it is named where the file of an edit takes its place; what it said is told by who kept it. */
function earlierMessage({ date }: JsonObject, language: Language): QuotedWords {
  const at = dateOf(date)?.getTime();
  return { ...plain(''), name: MESSAGE_LABELS[language].insteadOf, ...(at ? { at: at / 1000 } : {}) };
}

/** The button that every bot's chat begins with sends it; with a payload when a link led there. */
const START = /^\/start(?:@\w+)?(?:\s|$)/;

/** Not of Telegram Business: whoever writes there never meant to speak with a bot. */
function isStart(message: JsonObject, { type, businessConnection }: TelegramChat): boolean {
  return type === 'private' && businessConnection === undefined && START.test(asText(message.text));
}

function reasonToIgnore(message: JsonObject, { quiet }: MessageContent): Ignored | null {
  if (message.sender_business_bot !== undefined) return ECHO;
  return quiet ? NOTICE : null;
}

/**
 * In a chat of Telegram Business whoever is not the client is the owner of the account (his greeting and away messages
 * too); in a topic of a channel's direct messages, the channel or one of its administrators.
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

/** With the name of who speaks, wherever that is not the client alone. */
function signed(words: RichText, name: string | undefined, isOwner: boolean, chatType: string): RichText {
  if (isOwner) {
    const beginsWithQuote = words.marks.some(({ type, offset }) => type === 'quote' && offset === 0);
    return join([`${name ? `${name} (Telegram)` : 'Telegram'}:`, words], beginsWithQuote ? '\n' : ' ');
  }
  return name && isGroup(chatType) ? join([withMark(`${name}:`, 'bold'), words], '\n') : words;
}

function readLiveLocation(message: JsonObject, context: Context): ClientUpdate {
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
  return line(context, chat, said, asOrdinal(message.message_id));
}

/** A line of the system on what one of several people did. */
function inGroup(chatType: string, name: string | undefined, words: RichText): RichText {
  return name && isGroup(chatType) ? concat(`${name}: `, words) : words;
}

function isGroup(chatType: string): boolean {
  return chatType !== 'private' && chatType !== 'direct_messages';
}

function readCallbackQuery(query: JsonObject, context: Context): ClientUpdate {
  const from = asObject(query.from);
  const place = asObject(query.message);
  const chat = parseChat(place, from);
  const described = describeUpdate(context.update, context.language);
  if (!chat || !described) return record(context, chat, NOWHERE);
  const author = authorOf({ from });
  const said = (words: RichText): Said => ({
    kind: described.kind,
    ...signed(words, author.authorName, false, chat.type),
    ...author,
    raw: context.update,
    notOwnWords: true,
  });
  const buttonId = asText(query.data);
  if (!isButtonId(buttonId)) return { ...context.base, chat, said: said(described.words), sawChat: true };
  const label = MESSAGE_LABELS[context.language].buttonPressed;
  const telegramMessageId = asOrdinal(place.message_id);
  return {
    ...context.base,
    chat,
    // Until the table says what it means.
    said: said(plain(named(label, readPressedCaption(query)))),
    press: { buttonId, pressId: asText(query.id), before: said(plain(`${label}:`)).text },
    ...(telegramMessageId === undefined ? {} : { replyTo: { telegramMessageId } }),
    sawChat: true,
  };
}

function readReaction(reaction: JsonObject, context: Context): ClientUpdate {
  const author = authorOf({ from: reaction.user, sender_chat: reaction.actor_chat });
  // The update does not name the topic, and another dialog than that of the message would mislead.
  const inSomeTopic = asObject(reaction.chat).is_forum === true;
  const chat = inSomeTopic ? null : parseChat({ chat: reaction.chat }, asObject(reaction.user));
  if (!chat) return record(context, null, NOWHERE, author);
  const described = describeUpdate(context.update, context.language);
  if (!described) return { ...record(context, chat, UNCHANGED, author), sawChat: true };
  const said = {
    kind: described.kind,
    ...inGroup(chat.type, author.authorName, described.words),
    ...author,
    saidAt: dateOf(reaction.date),
  };
  const telegramMessageId = asOrdinal(reaction.message_id);
  const replyTo = telegramMessageId === undefined ? undefined : { telegramMessageId, unnamed: true };
  return { ...line(context, chat, said), replyTo, sawChat: true };
}

function readMembership(change: JsonObject, context: Context): ClientUpdate {
  const chat = parseChat({ chat: change.chat }, asObject(change.from));
  const author = authorOf(change);
  if (!chat) return record(context, null, NOWHERE, author);
  const is = isMember(change.new_chat_member);
  const isSame = change.old_chat_member !== undefined && isMember(change.old_chat_member) === is;
  const described = isSame ? null : describeUpdate(context.update, context.language);
  const told = described
    ? line(context, chat, { kind: described.kind, ...described.words, ...author, saidAt: dateOf(change.date) })
    : record(context, chat, UNCHANGED, author);
  return { ...told, blocked: !is };
}

function readConnection(connection: JsonObject, context: Context): ClientUpdate {
  const id = asText(connection.id);
  const ownerId = asBigInt(asObject(connection.user).id);
  const enabled = connection.is_enabled === true;
  const name = authorOf({ from: connection.user });
  const ignored = {
    code: 'business_connection',
    detail: `The Telegram Business account is ${enabled ? 'connected' : 'disconnected'}.`,
  };
  const recorded = record(context, null, ignored, { ...name, saidAt: dateOf(connection.date) });
  if (id === '' || ownerId === undefined) return recorded;
  // Servers before Bot API 9.0 say it without a list of rights.
  const canReply = (connection.rights === undefined ? connection : asObject(connection.rights)).can_reply === true;
  return { ...recorded, connection: { id, ownerId, enabled, canReply } };
}

function readDeletion(deletion: JsonObject, context: Context): ClientUpdate {
  const chat = parseChat(deletion, {});
  const deletes = asList(deletion.message_ids).flatMap((id) => asOrdinal(id) ?? []);
  return { ...record(context, chat, DELETION), ...(chat && deletes.length > 0 ? { deletes } : {}) };
}

function authorOf(place: JsonObject): { authorId?: string; authorName?: string } {
  const senderChat = asObject(place.sender_chat);
  const title = visible(senderChat.title);
  if (title) return { authorId: asId(senderChat.id) || undefined, authorName: title };
  const from = asObject(place.from);
  return { authorId: asId(from.id) || undefined, authorName: personName(from) || undefined };
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

/** Unix time; undefined for what is no moment that a calendar with four digits knows. */
function dateOf(seconds: unknown): Date | undefined {
  const known = Number.isInteger(seconds) && (seconds as number) >= 0 && (seconds as number) < 1e11;
  return known ? new Date((seconds as number) * 1000) : undefined;
}
