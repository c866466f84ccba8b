import type { MessageEntity } from '@grammyjs/types';
import { isOpenableLink, normalise, split, type Mark, type MarkType, type RichText } from '../relay/rich-text.js';

/** Longest text of a message in UTF-16 units, a safe reading of "1-4096 characters" (Bot API, sendMessage). */
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

/**
 * Telegram's text and entities (or caption and caption_entities) in neutral form. Malformed entities are skipped, so
 * any parsed JSON may be passed.
 */
export function fromEntities(text: string, entities?: readonly MessageEntity[]): RichText {
  const marks = Array.isArray(entities) ? entities.flatMap((entity: unknown) => toMark(entity)) : [];
  return normalise({ text, marks });
}

/**
 * Text and entities for sendMessage and its kin, to be sent without `parse_mode`: nothing in them can be refused as
 * unparsable. In bounds, nested by Telegram's rules, links with a scheme Telegram opens, at most 100 entities.
 */
export function toEntities(rich: RichText): { text: string; entities: MessageEntity[] } {
  const { text, marks } = normalise(rich);
  return { text, entities: mostImportant(marks.filter(isSendable)).map(toEntity) };
}

/**
 * The text as messages of at most `limit` UTF-16 units, each already trimmed as Telegram would trim it. An empty list
 * when there is nothing to send. See {@link split} for where it cuts.
 */
export function splitForTelegram(rich: RichText, limit: number = TELEGRAM_TEXT_LIMIT): RichText[] {
  return split(rich, limit);
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

function isSendable(mark: Mark): boolean {
  return mark.type !== 'link' || isOpenableLink(mark.url);
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
      return { type: 'text_link', offset, length, url: url ?? '' };
    case 'quote':
      return { type: 'blockquote', offset, length };
    case 'pre':
      return { type, offset, length, ...(language ? { language } : {}) };
    default:
      return { type, offset, length };
  }
}
