import type { MessageEntity } from '@grammyjs/types';
import { normalise, plain, type Mark } from '../../relay/rich-text.js';
import { edited, type Edit } from '../../relay/rich-text-edits.js';
import { split } from '../../relay/rich-text-split.js';
import type { MarkType, RichText } from '../../relay/rich-text.js';
import { telegramLink, tellsWhere } from './telegram-links.js';

/** Longest text of a message ("1-4096 characters", Bot API, sendMessage): Telegram counts code points, we UTF-16 units, which are never fewer. */
export const TELEGRAM_TEXT_LIMIT = 4096;
/** Longest caption of a file, likewise ("0-1024 characters", sendPhoto and its kin). */
export const TELEGRAM_CAPTION_LIMIT = 1024;
/** Telegram ignores every further entity of a message without an error. */
export const TELEGRAM_ENTITY_LIMIT = 100;

/** Entities that format. All others (url, email, mention, hashtag, text_mention, custom_emoji, date_time, …) read as their text. */
const MARK_OF_ENTITY: ReadonlyMap<string, MarkType> = new Map([
  ['bold', 'bold'],
  ['italic', 'italic'],
  ['underline', 'underline'],
  ['strikethrough', 'strikethrough'],
  ['spoiler', 'spoiler'],
  ['code', 'code'],
  ['pre', 'pre'],
  ['text_link', 'link'],
  ['blockquote', 'quote'],
  ['expandable_blockquote', 'quote'],
]);

/** When a text has too many entities, those that carry meaning are kept before those that only decorate. */
const LEAST_IMPORTANT_FIRST: readonly MarkType[] = ['spoiler', 'quote', 'code', 'pre', 'link'];
/** Telegram counts these before those that only decorate. */
const COUNTED_FIRST: ReadonlySet<MarkType> = new Set(['quote', 'code', 'pre', 'link']);

/**
 * Telegram's text and entities (or caption and caption_entities) in neutral form. Malformed entities are skipped, so
 * any parsed JSON may be passed.
 */
export function fromEntities(text: string, entities?: readonly MessageEntity[]): RichText {
  const marks = Array.isArray(entities) ? entities.flatMap((entity: unknown) => toMark(entity)) : [];
  return normalise({ text, marks });
}

/** Text and entities for sendMessage and its kin, to be sent without `parse_mode`. */
export interface FormattedWords {
  text: string;
  entities: MessageEntity[];
}

/**
 * The words as Telegram leaves them alone. A link that it does not take becomes `words (address)`, or the words alone
 * when they tell the address. Characters are composed (NFC), line separators are line feeds, and nothing is left that
 * Telegram would take out: it glues what stood around it. To be done before words are cut into messages.
 */
export function asTelegramTakes(rich: RichText): RichText {
  const { text, marks } = normalise(rich);
  const isRefused = ({ type, url = '' }: Mark) => type === 'link' && telegramLink(url) === null;
  const addresses = linksIn(marks.filter(isRefused)).flatMap((link) => addressBeside(link, text));
  const spelled = edited({ text, marks: marks.filter((mark) => !isRefused(mark)) }, addresses);
  return edited(spelled, characterEdits(spelled.text));
}

/**
 * Nothing in the answer can be refused as unparsable: entities are in bounds, nested by Telegram's rules and at most
 * 100, links are such as it takes.
 */
export function toEntities(rich: RichText): FormattedWords {
  const { text, marks } = normalise(rich);
  const sendable = marks.filter(({ type, url = '' }) => type !== 'link' || telegramLink(url) !== null);
  return { text, entities: mostImportant(sendable).map(toEntity) };
}

/**
 * The same words without entities, as long as there is room for it with the addresses of their links beside them: for
 * a Telegram that takes the words but not the entities.
 */
export function withoutEntities(rich: RichText, limit: number): FormattedWords {
  const { text, marks } = normalise(rich);
  let room = limit - text.length;
  const addresses = linksIn(marks)
    .flatMap((link) => addressBeside(link, text))
    .filter((address) => {
      if (address.text.length > room) return false;
      room -= address.text.length;
      return true;
    });
  return { text: edited(plain(text), addresses).text, entities: [] };
}

/**
 * The words as messages of at most `limit` UTF-16 units, each already trimmed as Telegram would trim it and with no more
 * links, quotes and code than Telegram keeps. An empty list when there is nothing to send. See {@link split} for where
 * it cuts.
 */
export function splitForTelegram(rich: RichText, limit: number = TELEGRAM_TEXT_LIMIT): RichText[] {
  return split(asTelegramTakes(rich), limit, ({ text, marks }) =>
    Math.max(text.length, (countedFirst(marks) * limit) / TELEGRAM_ENTITY_LIMIT),
  );
}

/** True when one message can carry the words with all their links. */
export function fitsOneMessage({ text, marks }: RichText, limit: number): boolean {
  return text.length <= limit && countedFirst(marks) <= TELEGRAM_ENTITY_LIMIT;
}

function countedFirst(marks: readonly Mark[]): number {
  return marks.filter(({ type }) => COUNTED_FIRST.has(type)).length;
}

/** The links in their order, each whole again where another mark has cut it. */
function linksIn(marks: readonly Mark[]): Mark[] {
  const links: Mark[] = [];
  for (const mark of marks.filter(({ type }) => type === 'link')) {
    const last = links.at(-1);
    const goesOn = last && last.url === mark.url && last.offset + last.length === mark.offset;
    if (goesOn) last.length += mark.length;
    else links.push({ ...mark });
  }
  return links;
}

/** Where the address of a link is written out, and how; nowhere when its words tell it. */
function addressBeside({ offset, length, url = '' }: Mark, text: string): Edit[] {
  const words = text.slice(offset, offset + length).trimEnd();
  const address = url.trim();
  if (address === '' || tellsWhere(words, address)) return [];
  const end = offset + (words.length || length);
  return [{ start: end, end, text: ` (${address})` }];
}

/** A written-out link, a line break of any kind, what Telegram takes out, a control character, a character with its accents. */
const CHARACTERS = new RegExp(
  [
    '(?<link>https?://[^\\s\\0-\\x1F]+)',
    '(?<lineBreak>\\r\\n?|[\\v\\f\\x85\\u2028\\u2029])',
    '(?<nothing>[\\u202A-\\u202E])',
    '(?<control>[\\0-\\x1F](?<!\\n))',
    '[\\u1100-\\u11FF\\uA960-\\uA97F\\uD7B0-\\uD7FF]+|.\\p{M}*',
  ].join('|'),
  'giu',
);
/** What Telegram takes out: accents where they do not belong to a composed character, and signs of direction. */
const ACCENTS = /\u0333|\u033F|\u030A/g;
const ACCENT_OR_SIGN = /\u0333|\u033F|\u030A|[\u202A-\u202E]/g;
// oxlint-disable-next-line no-control-regex
const UNUSUAL = /[\0-\x09\x0B-\x1F\x85\u2028-\u202E]|\u0333|\u033F|\u030A/;

function characterEdits(text: string): Edit[] {
  if (!UNUSUAL.test(text) && text.normalize('NFC') === text) return [];
  return [...text.matchAll(CHARACTERS)].flatMap(({ 0: found, index, groups = {} }) => {
    if (groups['link'] !== undefined) return addressEdits(found, index);
    const replaced = replacement(found, groups);
    return replaced === found ? [] : [{ start: index, end: index + found.length, text: replaced }];
  });
}

/** The address stays the same one, so its characters are not composed. */
function addressEdits(address: string, offset: number): Edit[] {
  return [...address.matchAll(ACCENT_OR_SIGN)].map(({ 0: character, index }) => {
    const start = offset + index;
    return { start, end: start + 1, text: character >= '\u202A' ? '' : encodeURIComponent(character) };
  });
}

function replacement(found: string, { lineBreak, nothing, control }: Record<string, string>): string {
  if (lineBreak !== undefined) return '\n';
  if (nothing !== undefined) return '';
  return control === undefined ? found.normalize('NFC').replace(ACCENTS, '') : ' ';
}

function toMark(entity: unknown): Mark[] {
  if (typeof entity !== 'object' || entity === null) return [];
  const { type, offset, length, url, language } = entity as Record<string, unknown>;
  const markType = typeof type === 'string' ? MARK_OF_ENTITY.get(type) : undefined;
  if (!markType || typeof offset !== 'number' || typeof length !== 'number') return [];
  if (markType === 'link') return typeof url === 'string' ? [{ type: markType, offset, length, url }] : [];
  if (markType === 'pre' && typeof language === 'string') return [{ type: markType, offset, length, language }];
  return [{ type: markType, offset, length }];
}

function mostImportant(marks: Mark[]): Mark[] {
  if (marks.length <= TELEGRAM_ENTITY_LIMIT) return marks;
  const importance = (mark: Mark) => LEAST_IMPORTANT_FIRST.indexOf(mark.type);
  const kept = new Set([...marks].sort((a, b) => importance(b) - importance(a)).slice(0, TELEGRAM_ENTITY_LIMIT));
  return marks.filter((mark) => kept.has(mark));
}

function toEntity({ type, offset, length, url, language }: Mark): MessageEntity {
  switch (type) {
    case 'link':
      return { type: 'text_link', offset, length, url: telegramLink(url ?? '') ?? '' };
    case 'quote':
      return { type: 'blockquote', offset, length };
    case 'pre':
      return { type, offset, length, ...(language ? { language } : {}) };
    default:
      return { type, offset, length };
  }
}
