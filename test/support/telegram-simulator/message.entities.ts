import type { MessageEntity } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';

/** Characters of a text message after entities parsing (core.telegram.org/bots/api#sendmessage). */
export const TEXT_LIMIT = 4096;

/** Characters of a caption after entities parsing (core.telegram.org/bots/api#sendphoto). */
export const CAPTION_LIMIT = 1024;

/** Entities of one message that count; further ones are ignored without an error. */
export const ENTITY_LIMIT = 100;

export interface FormattedText {
  readonly text: string;
  readonly entities: MessageEntity[];
}

type EntityType = MessageEntity['type'];

const SPLITTABLE = new Set<EntityType>(['bold', 'italic', 'underline', 'strikethrough', 'spoiler']);
const QUOTES = new Set<EntityType>(['blockquote', 'expandable_blockquote']);
const CODE = new Set<EntityType>(['code', 'pre']);
/** Found by the server itself; given by a bot they are ignored. */
const AUTOMATIC = ['mention', 'hashtag', 'cashtag', 'bot_command', 'url', 'email', 'phone_number'];
const ACCEPTED: ReadonlySet<string> = new Set([
  ...SPLITTABLE,
  ...QUOTES,
  ...CODE,
  'text_link',
  'text_mention',
  'custom_emoji',
  'date_time',
]);
/** Which of two entities over the same characters is the outer one: TDLib's order, smaller is outer. */
const NESTING: Partial<Record<EntityType, number>> = {
  blockquote: 0,
  expandable_blockquote: 0,
  pre: 11,
  code: 20,
  text_link: 49,
  text_mention: 49,
  bold: 90,
  italic: 91,
  underline: 92,
  strikethrough: 93,
  spoiler: 94,
  custom_emoji: 99,
};
const LONE_SURROGATE = /\p{Surrogate}/u;
const LINK_PROTOCOL = /^(https?|tg|ton|tonsite|mailto|tel):/i;

const end = (entity: MessageEntity) => entity.offset + entity.length;

/** Checks the `entities` parameter of a call and drops what a bot cannot set. */
export function readEntities(value: unknown): MessageEntity[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw badRequest('expected an Array of MessageEntity');
  return value.flatMap((item: unknown) => readEntity(item) ?? []);
}

function readEntity(item: unknown): MessageEntity | undefined {
  const refuse = (reason: string) => badRequest(`can't parse MessageEntity: ${reason}`);
  if (typeof item !== 'object' || item === null || Array.isArray(item)) throw refuse('expected an Object');
  const entity = item as Record<string, unknown>;
  for (const field of ['offset', 'length']) {
    if (entity[field] === undefined) throw refuse(`Can't find field "${field}"`);
    if (!Number.isInteger(entity[field])) throw refuse(`Field "${field}" must be of type Number`);
  }
  if (typeof entity['type'] !== 'string') throw refuse('Can\'t find field "type"');
  if (AUTOMATIC.includes(entity['type'])) return undefined;
  if (!ACCEPTED.has(entity['type'])) throw refuse('Unsupported type specified');
  if (entity['type'] === 'text_link') return { ...entity, url: checkedLink(entity['url']) } as MessageEntity;
  return entity as unknown as MessageEntity;
}

/** A link as the server stores it: with a protocol, and with the slash after a bare host. */
function checkedLink(url: unknown): string {
  if (typeof url !== 'string' || url.trim() === '') throw badRequest('entity URL is empty');
  const link = /^[a-z][a-z\d+.-]*:/i.test(url) ? url : `http://${url}`;
  if (!LINK_PROTOCOL.test(link) || !URL.canParse(link)) throw badRequest(`entity URL '${url}' is invalid`);
  return /^https?:\/\/[^/?#]+$/i.test(link) ? `${link}/` : link;
}

/**
 * What becomes of a text on its way through the server: bounds are checked against the text as given, control
 * characters become spaces, carriage returns disappear, both ends are trimmed, entities are made to nest (those that
 * partly overlap are cut, never refused) and links, mentions, hashtags, addresses and commands are found.
 * Offsets are UTF-16 code units. The rules are those of `fix_formatted_text` in TDLib's MessageEntity.cpp.
 */
export function formatText(raw: string, given: readonly MessageEntity[]): FormattedText {
  const formatted = format(raw, given);
  if (formatted.text === '') throw badRequest('text must be non-empty');
  if (formatted.text.length > TEXT_LIMIT) throw badRequest('message is too long');
  return formatted;
}

/** The same for a caption, which may be empty. */
export function formatCaption(raw: string, given: readonly MessageEntity[]): FormattedText {
  const formatted = format(raw, given);
  if (formatted.text.length > CAPTION_LIMIT) throw badRequest('message caption is too long');
  return formatted;
}

function format(raw: string, given: readonly MessageEntity[]): FormattedText {
  if (LONE_SURROGATE.test(raw)) throw badRequest('strings must be encoded in UTF-8');
  const real = sorted(given.filter((entity) => entity.length !== 0));
  for (const entity of real) checkBounds(raw, entity);

  const { text, entities } = trim(clean({ text: raw, entities: nest(real) }));
  return { text, entities: nest([...entities, ...unclaimed(findEntities(text), entities)]).slice(0, ENTITY_LIMIT) };
}

function checkBounds(text: string, { offset, length }: MessageEntity): void {
  if (offset < 0 || offset > 1_000_000) throw badRequest(`receive an entity with incorrect offset ${offset}`);
  if (length < 0 || length > 1_000_000) throw badRequest(`receive an entity with incorrect length ${length}`);
  const stop = offset + length;
  if (offset >= text.length) {
    throw badRequest(`entity begins after the end of the text at UTF-16 offset ${offset}`);
  }
  if (insideSymbol(text, offset)) {
    throw badRequest(`entity begins in a middle of a UTF-16 symbol at byte offset ${bytesThrough(text, offset)}`);
  }
  const where = `entity beginning at UTF-16 offset ${offset}`;
  if (stop > text.length) throw badRequest(`${where} ends after the end of the text at UTF-16 offset ${stop}`);
  if (insideSymbol(text, stop)) {
    throw badRequest(`${where} ends in a middle of a UTF-16 symbol at byte offset ${bytesThrough(text, stop)}`);
  }
}

const insideSymbol = (text: string, index: number) => /[\uDC00-\uDFFF]/.test(text.charAt(index));
const bytesThrough = (text: string, index: number) => Buffer.byteLength(text.slice(0, index + 1));

const CONTROL = /[^\P{Cc}\n\r\u007F-\u009F]/gu;

function clean({ text, entities }: FormattedText): FormattedText {
  const spaced = text.replace(CONTROL, ' ');
  if (!spaced.includes('\r')) return { text: spaced, entities };
  const at = (index: number) => spaced.slice(0, index).replaceAll('\r', '').length;
  const moved = entities.map((entity) => ({
    ...entity,
    offset: at(entity.offset),
    length: at(end(entity)) - at(entity.offset),
  }));
  return { text: spaced.replaceAll('\r', ''), entities: moved.filter((entity) => entity.length > 0) };
}

function trim({ text, entities }: FormattedText): FormattedText {
  const stop = text.replace(/(?<![ \n])[ \n]+$/, '').length;
  const kept = entities.flatMap((entity) => {
    const covered = text.slice(entity.offset, Math.min(end(entity), stop));
    const blank = covered.length - covered.replace(/^[ \n]+/, '').length;
    const length = covered.length - blank;
    return length > 0 ? [{ ...entity, offset: entity.offset + blank, length }] : [];
  });
  const start = Math.min(text.length - text.replace(/^[ \n]+/, '').length, stop);
  return {
    text: text.slice(start, stop),
    entities: kept.map((entity) => ({ ...entity, offset: entity.offset - start })),
  };
}

function sorted(entities: readonly MessageEntity[]): MessageEntity[] {
  const rank = (entity: MessageEntity) => NESTING[entity.type] ?? 50;
  return [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length || rank(a) - rank(b));
}

/** Entities in the order of the text, of which any two that share characters lie one inside the other. */
function nest(entities: readonly MessageEntity[]): MessageEntity[] {
  const ordered = sorted(entities);
  if (isNested(ordered)) return ordered;

  const quotes = withoutIntersections(ordered.filter((entity) => QUOTES.has(entity.type)));
  const whole = withoutIntersections(
    ordered.filter((entity) => !SPLITTABLE.has(entity.type) && !QUOTES.has(entity.type)),
  ).filter((entity) => quotes.every((quote) => apart(entity, quote) || contains(quote, entity)));
  const fixed = sorted([...quotes, ...whole]);
  const splittable = ordered.filter((entity) => SPLITTABLE.has(entity.type));
  return sorted([...fixed, ...split(splittable, fixed)]);
}

function isNested(ordered: readonly MessageEntity[]): boolean {
  const open: MessageEntity[] = [];
  for (const entity of ordered) {
    while (open.length > 0 && end(open[open.length - 1]!) <= entity.offset) open.pop();
    const parent = open[open.length - 1];
    if (parent && (end(entity) > end(parent) || !mayContain(open, entity))) return false;
    open.push(entity);
  }
  return true;
}

function mayContain(open: readonly MessageEntity[], inner: MessageEntity): boolean {
  if (open.some((outer) => CODE.has(outer.type))) return false;
  if (SPLITTABLE.has(inner.type)) return open.every((outer) => outer.type !== inner.type);
  if (QUOTES.has(inner.type)) return open.every((outer) => SPLITTABLE.has(outer.type));
  return open.every((outer) => SPLITTABLE.has(outer.type) || QUOTES.has(outer.type));
}

const apart = (a: MessageEntity, b: MessageEntity) => end(a) <= b.offset || end(b) <= a.offset;
const contains = (outer: MessageEntity, inner: MessageEntity) =>
  outer.offset <= inner.offset && end(inner) <= end(outer);

function withoutIntersections(ordered: readonly MessageEntity[]): MessageEntity[] {
  let free = 0;
  return ordered.filter((entity) => {
    if (entity.offset < free) return false;
    free = end(entity);
    return true;
  });
}

/** Joins what touches, then cuts bold, italic … wherever another entity begins or a fixed one ends. */
function split(splittable: readonly MessageEntity[], fixed: readonly MessageEntity[]): MessageEntity[] {
  const joined = [...SPLITTABLE].flatMap((type) => join(splittable.filter((entity) => entity.type === type)));
  const cuts = [...joined.map((entity) => entity.offset), ...fixed.flatMap((entity) => [entity.offset, end(entity)])];
  const code = fixed.filter((entity) => CODE.has(entity.type));
  return joined
    .flatMap((entity) => cut(entity, cuts))
    .filter((piece) => code.every((block) => !contains(block, piece)));
}

function join(ordered: readonly MessageEntity[]): MessageEntity[] {
  const result: MessageEntity[] = [];
  for (const entity of ordered) {
    const last = result.at(-1);
    if (last && entity.offset <= end(last)) last.length = Math.max(end(last), end(entity)) - last.offset;
    else result.push({ ...entity });
  }
  return result;
}

function cut(entity: MessageEntity, cuts: readonly number[]): MessageEntity[] {
  const inside = cuts.filter((at) => at > entity.offset && at < end(entity));
  const edges = [...new Set([entity.offset, ...inside, end(entity)])].sort((a, b) => a - b);
  return edges.slice(1).map((stop, index) => ({ ...entity, offset: edges[index]!, length: stop - edges[index]! }));
}

const AUTOMATIC_PATTERNS: ReadonlyArray<readonly [EntityType, RegExp]> = [
  ['url', /https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]}]/giu],
  ['email', /(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+/gu],
  ['mention', /(?<![\w@.])@[a-z]\w{3,31}(?![\w@])/giu],
  ['hashtag', /(?<![\p{L}\p{N}_#&])#[\p{L}\p{N}_]*\p{L}[\p{L}\p{N}_]*/gu],
  ['bot_command', /(?<![\w/<>])\/[a-z0-9_]{1,64}(?:@\w{3,32})?(?![\w/@<>])/giu],
];

/** The entities the server finds by itself: links with a protocol, addresses, mentions, hashtags and commands. */
export function findEntities(text: string): MessageEntity[] {
  const found: MessageEntity[] = [];
  for (const [type, pattern] of AUTOMATIC_PATTERNS) {
    for (const match of text.matchAll(pattern)) {
      const entity = { type, offset: match.index, length: match[0].length } as MessageEntity;
      if (found.every((other) => apart(other, entity))) found.push(entity);
    }
  }
  return sorted(found);
}

function unclaimed(found: readonly MessageEntity[], given: readonly MessageEntity[]): MessageEntity[] {
  const taken = given.filter((entity) => !SPLITTABLE.has(entity.type));
  return found.filter((entity) =>
    taken.every((other) => apart(other, entity) || (QUOTES.has(other.type) && contains(other, entity))),
  );
}
