import type { Update } from '@grammyjs/types';
import type { Language } from '../../common/language.js';
import { asId, asObject, type JsonObject } from '../../common/json-fields.js';
import type { ClientUpdate, Ignored, Said, TelegramChat } from '../../relay/message.js';
import { concat, join, plain, withMark, type RichText } from '../../relay/rich-text.js';
import { describeUpdate } from './message-content.js';
import { personName, visible } from './person-name.js';

/** What every reader of an update knows besides its own part of it. */
export interface UpdateContext {
  base: Pick<ClientUpdate, 'botId' | 'updateId'>;
  update: Update;
  language: Language;
}
export type Reader = (value: JsonObject, context: UpdateContext) => ClientUpdate;

export const NOWHERE: Ignored = {
  code: 'no_dialog',
  detail: 'It happened where nobody can be answered: in a channel, or in a topic that Telegram does not name.',
};

/** An update that is kept for the record and not relayed. */
export function record(
  { base, update, language }: UpdateContext,
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
export function systemLine(
  { base, update }: UpdateContext,
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

/** With the name of who speaks, wherever that is not the client alone. */
export function signed(words: RichText, name: string | undefined, isOwner: boolean, chatType: string): RichText {
  if (isOwner) {
    const beginsWithQuote = words.marks.some(({ type, offset }) => type === 'quote' && offset === 0);
    return join([`${name ? `${name} (Telegram)` : 'Telegram'}:`, words], beginsWithQuote ? '\n' : ' ');
  }
  return name && isGroup(chatType) ? join([withMark(`${name}:`, 'bold'), words], '\n') : words;
}

/** A line of the system on what one of several people did. */
export function inGroup(chatType: string, name: string | undefined, words: RichText): RichText {
  return name && isGroup(chatType) ? concat(`${name}: `, words) : words;
}

export function isGroup(chatType: string): boolean {
  return chatType !== 'private' && chatType !== 'direct_messages';
}

export function authorOf(place: JsonObject): { authorId?: string; authorName?: string } {
  const senderChat = asObject(place.sender_chat);
  const title = visible(senderChat.title);
  if (title) return { authorId: asId(senderChat.id) || undefined, authorName: title };
  const from = asObject(place.from);
  return { authorId: asId(from.id) || undefined, authorName: personName(from) || undefined };
}

/** A Unix time; undefined for what no calendar with four-digit years can show. */
export function dateOf(seconds: unknown): Date | undefined {
  const known = Number.isInteger(seconds) && (seconds as number) >= 0 && (seconds as number) < 1e11;
  return known ? new Date((seconds as number) * 1000) : undefined;
}
