import { languageOf, type Language } from '../../common/language.js';
import { plain, type RichText } from '../../relay/rich-text.js';
import type { BroadcastContent } from '../../storage/crm/broadcasts.repository.js';
import type { WordsFor } from '../../storage/intake/broadcast-portions.repository.js';
import type { Button } from '../../storage/work/keyboard.js';
import { attachmentsOf } from '../files/kept-file.js';
import { filledWords } from '../requests/filled-words.js';
import { writtenMessage, type WrittenMessage } from '../requests/written-message.js';

/** On the button by which clients end what nobody asked them for. */
const UNSUBSCRIBE: Readonly<Record<Language, string>> = { en: 'Unsubscribe', ru: 'Отписаться' };

/** Characters of a text, as it is written and as each client reads it. */
export const BROADCAST_TEXT_LIMIT = 20_000;
/** Most characters of one message, and of words that stand under a file (core.telegram.org/bots/api#sendmessage). */
const TEXT_LIMIT = 4_096;
const CAPTION_LIMIT = 1_024;

/** What is written; of its files only how many there are. */
export type WrittenBroadcast = Omit<BroadcastContent, 'files'> & { files: readonly unknown[] };

/** What each client reads, in parts that depend on their language; null: there is nothing to send. */
export function broadcastMessage(written: BroadcastContent, portalOrigin: string): WordsFor | null {
  const message = messageOf(written, portalOrigin);
  if (!message) return null;
  const linked = message.files.map(({ name, url }) => ({ kind: 'document', name, label: name, url }));
  const attachments = [...linked, ...attachmentsOf(written.files)];
  return (reader) => {
    const { words, keyboard } = filledWords(message, reader);
    if (words.text.length > BROADCAST_TEXT_LIMIT) return null;
    const asked = keyboard?.rows ?? [];
    const last: Button = { action: 'unsubscribe', text: UNSUBSCRIBE[languageOf(reader.language)] };
    const rows = written.hasUnsubscribe ? [...asked, [last]] : asked;
    return { ...words, attachments, ...(rows.length > 0 ? { keyboard: { type: 'buttons', rows } } : {}) };
  };
}

/** How many messages in Telegram it is. */
export function partsOf(written: WrittenBroadcast, portalOrigin: string): number {
  const message = messageOf(written, portalOrigin);
  if (!message) return 0;
  const { words } = message;
  const files = message.files.length + written.files.length;
  if (files > 0 && lengthOf(words) <= CAPTION_LIMIT) return files;
  return files + Math.max(1, Math.ceil(lengthOf(words) / TEXT_LIMIT));
}

/** A file that was uploaded says something without words. */
function messageOf({ text, buttons, file, files }: WrittenBroadcast, portalOrigin: string): WrittenMessage | null {
  const nothing = files.length > 0 ? { words: plain(''), files: [], keyboard: null } : null;
  return writtenMessage({ text, buttons, file }, portalOrigin) ?? nothing;
}

/** Telegram counts characters (code points). */
function lengthOf({ text }: RichText): number {
  return [...text].length;
}
