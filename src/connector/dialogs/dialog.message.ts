import { bitrixProblem } from '../../bitrix/bitrix-problems.js';
import { makeClientMessageId, makeNoteId, makePartId, makeReportedId } from '../../common/external-ids.js';
import type { Language } from '../../common/language.js';
import { join, plain, type Mark, type RichText } from '../../relay/rich-text.js';
import type { ClaimedAttachment, ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import { isTrackerCode, START } from '../../storage/intake/start-press.js';
import { firstPlace } from '../../storage/work/outbox.js';
import { splitForBitrix, toBBCode } from '../markup/bbcode.writer.js';
import { replyFrame } from '../markup/reply.frame.js';
import type { ElementFile } from './client-files.js';

type Chat = ClaimedLane['chat'];

/** One of MESSAGES (apidocs.bitrix24.com, imconnector.send.messages). */
export interface Element {
  user: Record<string, unknown>;
  message: {
    id: string;
    date?: number;
    text?: string;
    files?: ElementFile[];
    user_id?: number;
    /** The CRM looks for no contacts of the client in the text. */
    disable_crm?: 'Y';
  };
  chat: Record<string, string>;
  /**
   * A code of the portal's own tracker. Any other value would switch the CRM off for the session that the message opens:
   * no search of the client, no lead, no deal (imopenlines/lib/session.php, `empty(CRM_TRACKER_REF)`).
   */
  ref?: { source: string };
}

/** Longer names are cut by the CRM (apidocs.bitrix24.com, imconnector.send.messages: user.name, up to 25 characters). */
const NAME_LIMIT = 25;

/**
 * The client as Bitrix24 is told of him. The whole block is hashed there and every change of it costs a profile
 * update, so nothing that varies from message to message belongs here.
 */
export function userOf(chat: Chat, photo: string | null = null): Element['user'] {
  const person = chat.type === 'private' || chat.type === 'direct_messages';
  // All topics of a forum are dialogs of one client, the group.
  const first = crmName(person ? chat.firstName : (chat.firstName ?? chat.title));
  const last = person ? crmName(chat.lastName) : '';
  // The CRM finds whom it has invited by the number that it has. Not by an e-mail: the portal makes no user of one that it
  // finds wrong, or that another user has (main, CUser::CheckFields), and then takes none of the client's words.
  const phone = chat.phone ?? chat.invitedPhone;
  const fallback = crmName(chat.username) || `Telegram ${chat.telegramChatId}`;
  return {
    id: chat.externalUserId,
    name: first || last || fallback,
    ...(first && last ? { last_name: last } : {}),
    ...(photo ? { picture: { url: photo } } : {}),
    ...(chat.username ? { url: `https://t.me/${chat.username}` } : {}),
    ...(phone ? { phone, skip_phone_validate: 'Y' } : {}),
  };
}

export function chatOf(chat: Chat): Record<string, string> {
  return { id: chat.externalId, name: chat.title };
}

/** Number of the open line. A bot that was taken off its line has nowhere to send: the message waits for the next line. */
export function lineOf({ chat }: { chat: Pick<Chat, 'lineId'> }): number {
  if (chat.lineId === null) throw bitrixProblem('NO_LINE', 'The bot of this chat serves no open line.');
  return Number(chat.lineId);
}

/**
 * A name as a CRM card takes it: letters, marks, digits, spaces, hyphen, apostrophe, dot. Letters that nobody can see
 * (U+3164 and the other fillers) are none; '' when no letter or digit is left.
 */
function crmName(name: string | null): string {
  const letters = (name ?? '')
    .normalize('NFC')
    .replace(/\p{DI}/gu, '')
    .replace(/[^\p{L}\p{M}\p{N} '’.-]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return /[\p{L}\p{N}]/u.test(letters) ? [...letters].slice(0, NAME_LIMIT).join('').trim() : '';
}

/** message.id of what a client said; of a press or the like, which Telegram does not number, by our own id. */
export function externalIdOf(
  chat: Chat,
  { id, telegramMessageIds, sameTelegramId }: ClaimedDelivery['message'],
): string {
  const [telegramMessageId] = telegramMessageIds;
  if (telegramMessageId === undefined) return makeClientMessageId(chat.externalId, { messageId: id });
  return makeClientMessageId(chat.externalId, { telegramMessageId, ...(sameTelegramId && { messageId: id }) });
}

/** message.id of a note about a message; a message that fails again gets another note. */
export function noteIdOf(chat: Chat, { message, seq }: ClaimedDelivery): string {
  return makeNoteId(chat.externalId, message.id, firstPlace(seq));
}

/** All ids under which Telegram knows an operator's message. */
export function externalIdsOf(
  chat: Pick<Chat, 'externalId'>,
  message: Pick<ClaimedDelivery['message'], 'telegramMessageIds'>,
): string[] {
  return message.telegramMessageIds.map((id) => makeReportedId(chat.externalId, id));
}

/** Nobody's words: they never come back to us as an event, and the CRM looks for no phones and addresses in them. */
export const NOBODYS = { user_id: 0, disable_crm: 'Y' } as const;

/** What waited for longer than so many milliseconds says when it was said. */
const LATE_MS = 300_000;

/** Before a line that waited for the client's next words: nobody shall take it for news. */
export function timeOfLate({ waited, startedAt, queuedAt, kind, message }: ClaimedDelivery): string {
  const at = kind === 'note' ? queuedAt : (message.saidAt ?? message.createdAt);
  if (!waited || startedAt.getTime() - at.getTime() < LATE_MS) return '';
  return `🕓 ${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** What goes along with the words of a message. */
export interface Accompaniment {
  files: ElementFile[];
  /** Read in place of files that cannot go. */
  labels: string[];
  /** Read beside files that go. */
  named: string[];
  /** Link of the client's photo. */
  photo: string | null;
  /** Says that this may be a repetition: an earlier attempt's outcome could not be found out. */
  repeated: string | null;
  language: Language;
}

/** Nobody sees what they hold before they are played: they are named beside their file. */
const PLAYED = new Set(['voice', 'video_note', 'audio']);

/** The names of those files that are played, for the operator to read beside them. */
export function playedFiles(files: readonly ClaimedAttachment[]): string[] {
  return files.filter(({ kind }) => PLAYED.has(kind)).map(({ label }) => label);
}

/** What the portal takes for a rating, but only where nothing stands before it. */
const RATING = /^\s*[01]\s*$/;

/**
 * Elements of MESSAGES for one thing that was said: usually one, more when its BBCode outgrows the limit. Files go with
 * the first.
 */
export function messagesOf(chat: Chat, delivery: ClaimedDelivery, along: Accompaniment): Element[] {
  const { message } = delivery;
  const id = externalIdOf(chat, message);
  const words: RichText = { text: message.text, marks: message.marks as Mark[] };
  const said = join([...along.labels.map(plain), words, ...along.named.map(plain)], '\n');
  const lines = [along.repeated ?? '', timeOfLate(delivery)].filter((line) => line !== '');
  const before = `${lines.map((line) => `${line}\n`).join('')}${RATING.test(said.text) ? '' : replyFrame(message, along.language)}`;
  const parts = splitForBitrix(said, before.length);
  if (parts.length === 0 && (along.files.length > 0 || before !== '')) parts.push(plain(''));
  const date = Math.floor((message.saidAt ?? message.createdAt).getTime() / 1000);
  return parts.map((part, index) => ({
    user: userOf(chat, along.photo),
    message: {
      id: makePartId(id, index + 1),
      date,
      text: textOf(part, index === 0 ? before : ''),
      ...(index === 0 && along.files.length > 0 ? { files: along.files } : {}),
      ...(message.systemLine ? NOBODYS : {}),
      // What stands in a link is no phone number of the client, whatever it looks like.
      ...(message.notOwnWords || message.kind === START ? { disable_crm: 'Y' as const } : {}),
    },
    chat: chatOf(chat),
    ...(index === 0 && message.source !== null && isTrackerCode(message.source)
      ? { ref: { source: message.source } }
      : {}),
  }));
}

/** Elements of imconnector.update.messages: the message as it reads now. */
export function correctionsOf(
  chat: Chat,
  delivery: ClaimedDelivery,
  { photo, language }: Pick<Accompaniment, 'photo' | 'language'>,
): Element[] {
  const { message } = delivery;
  const id = externalIdOf(chat, message);
  const { text, marks } = delivery.payload as { text: string; marks: Mark[] };
  const { attachments } = message;
  const labels = text.trim() === '' ? attachments.map(({ label }) => label) : playedFiles(attachments);
  const said = join([{ text, marks }, ...labels.map(plain)], '\n');
  const before = RATING.test(said.text) ? '' : replyFrame(message, language);
  return splitForBitrix(said, before.length).map((part, index) => ({
    user: userOf(chat, photo),
    message: { id: makePartId(id, index + 1), text: textOf(part, index === 0 ? before : '') },
    chat: chatOf(chat),
  }));
}

function textOf(part: RichText, before: string): string {
  return `${before}${toBBCode(part)}`.trim();
}
