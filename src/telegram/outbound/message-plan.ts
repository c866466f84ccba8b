import { concat, isBlank, plain, trim, type RichText } from '../../relay/rich-text.js';
import { truncate } from '../../relay/rich-text-split.js';
import type { MediaKind } from './media-kind.js';
import {
  asTelegramTakes,
  fitsOneMessage,
  splitForTelegram,
  TELEGRAM_CAPTION_LIMIT,
  TELEGRAM_TEXT_LIMIT,
} from '../markup/telegram-markup.js';

/** Most items of an album (core.telegram.org/bots/api#sendmediagroup). */
const ALBUM_LIMIT = 10;
/**
 * Characters that are kept free for the line with the operator's name, whatever the name: the text is cut in the same
 * places when the name changes, or is not known, between two attempts.
 */
const HEADING_ROOM = 128;

/** The line before an operator's words on lines that show it; '' while nobody can say the name. */
export interface Heading {
  line: string;
}

/** What is sent of an operator's message, and what Telegram has of it. */
export interface MessageToPlan {
  words: RichText;
  /** null: on this line, or before this message, there is none. */
  heading: Heading | null;
  /** How many files the message has; their ordinals are the first part numbers, its texts have those behind. */
  attached: number;
  /** Those of its files that can be sent, in order. */
  files: { ordinal: number; kind: MediaKind }[];
  /** Part numbers that Telegram has. */
  sent: ReadonlySet<number>;
  /** false: Telegram does not take the words under a file. */
  captioned?: boolean;
  /** What stands above its keyboard where it has no words; absent: it has no keyboard. */
  aboveKeyboard?: RichText;
}

/**
 * One call of the Bot API, which makes as many messages as `parts` has numbers: of files, several are an album.
 * `keyboard`: it carries the keyboard of the message.
 */
export type PlannedCall = { parts: number[]; keyboard?: true } & (
  { type: 'text'; words: RichText } | { type: 'files'; caption: RichText | null }
);

/**
 * What is still to be sent, in order. Words that fit a caption go with the first file, longer ones before it; files
 * that follow each other and may be in one album are one. What was sent is not planned again, and neither is a file
 * before one that was sent: it was left out. The same message is always cut in the same way.
 *
 * A keyboard ends its message: it stands under the only file with its caption, else under the last text, which comes
 * behind the files, because an album cannot carry one (core.telegram.org/bots/api#sendmediagroup).
 */
export function planMessage(message: MessageToPlan): PlannedCall[] {
  const { words, heading, attached, files, sent, captioned = true, aboveKeyboard } = message;
  const sentFiles = [...sent].filter((part) => part < attached);
  const sentTexts = sent.size - sentFiles.length;
  const left = files.filter(({ ordinal }) => ordinal > Math.max(-1, ...sentFiles));
  const bears = aboveKeyboard !== undefined;
  const caption = captioned && (!bears || attached === 1) ? captionOf(words, heading) : null;
  const isCaption = caption !== null && sentTexts === 0 && (left.length > 0 || sentFiles.length > 0);
  const texts = isCaption ? [] : textsOf(wordsAbove(words, aboveKeyboard), heading);
  const textCalls = texts
    .map((text, index): PlannedCall => {
      const isLast = bears && index === texts.length - 1;
      return { type: 'text', parts: [attached + index], words: text, ...(isLast ? { keyboard: true } : {}) };
    })
    .filter(({ parts }) => !sent.has(parts[0]!));
  const fileCalls = albumsOf(left).map((album, index): PlannedCall => {
    const isCaptioned = isCaption && caption.text !== '' && index === 0 && sentFiles.length === 0;
    const parts = album.map(({ ordinal }) => ordinal);
    return {
      type: 'files',
      parts,
      caption: isCaptioned ? caption : null,
      ...(bears && isCaption ? { keyboard: true } : {}),
    };
  });
  return bears ? [...fileCalls, ...textCalls] : [...textCalls, ...fileCalls];
}

/** Telegram shows no keyboard without a message above it. */
export function wordsAbove(words: RichText, aboveKeyboard: RichText | undefined): RichText {
  return aboveKeyboard && isBlank(words.text) ? aboveKeyboard : words;
}

/** The words as messages without files; empty when there is nothing to read. */
export function textsOf(words: RichText, heading: Heading | null): RichText[] {
  const limit = TELEGRAM_TEXT_LIMIT - (heading ? HEADING_ROOM : 0);
  return splitForTelegram(words, limit).map((text, index) => (index === 0 ? withHeading(text, heading) : text));
}

/** The words as they stand under a file: '' when there are none; null when they are too long for that. */
export function captionOf(words: RichText, heading: Heading | null): RichText | null {
  const caption = trim(asTelegramTakes(words));
  if (isBlank(caption.text)) return plain('');
  const limit = TELEGRAM_CAPTION_LIMIT - (heading ? HEADING_ROOM : 0);
  return fitsOneMessage(caption, limit) ? withHeading(caption, heading) : null;
}

function withHeading(words: RichText, heading: Heading | null): RichText {
  if (!heading || isBlank(heading.line)) return words;
  return concat(truncate(asTelegramTakes(plain(heading.line)), HEADING_ROOM - 1), '\n', words);
}

/** Photos and videos stand together in an album, documents and audio among their like, the rest alone. */
function albumsOf<File extends { kind: MediaKind }>(files: File[]): File[][] {
  const albums: File[][] = [];
  for (const file of files) {
    const album = albums.at(-1);
    const family = familyOf(file.kind);
    const fits = album && family !== null && familyOf(album[0]!.kind) === family && album.length < ALBUM_LIMIT;
    if (fits) album.push(file);
    else albums.push([file]);
  }
  return albums;
}

function familyOf(kind: MediaKind): string | null {
  if (kind === 'photo' || kind === 'video') return 'visual';
  return kind === 'document' || kind === 'audio' ? kind : null;
}
