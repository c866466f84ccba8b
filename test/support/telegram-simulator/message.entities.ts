import type { MessageEntity } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import { apart, CODE, contains, end, nest, QUOTES, sorted, STYLES, withinLimit } from './entity.nesting.js';
import { checkLink, LinkFault, mentionedUser } from './link.check.js';
import { cleanText, isNothing } from './text.cleaning.js';

/** Code points of a text message as it is kept (core.telegram.org/bots/api#sendmessage). */
export const TEXT_LIMIT = 4096;

/** Code points of a caption as it is kept (core.telegram.org/bots/api#sendphoto). */
export const CAPTION_LIMIT = 1024;

export interface FormattedText {
  readonly text: string;
  readonly entities: MessageEntity[];
}

type EntityType = MessageEntity['type'];

/** Found by the server itself; given by a bot they are ignored (`get_text_entity_type` of Client.cpp). */
const AUTOMATIC: readonly string[] = [
  'mention',
  'hashtag',
  'cashtag',
  'bot_command',
  'url',
  'email',
  'phone_number',
  'bank_card_number',
];
const ACCEPTED: ReadonlySet<string> = new Set([
  ...STYLES,
  ...QUOTES,
  ...CODE,
  'text_link',
  'text_mention',
  'custom_emoji',
]);
const LONE_SURROGATE = /\p{Surrogate}/u;
/** Offsets and lengths beyond it are refused whatever the text is (`fix_formatted_text`). */
const FARTHEST = 1_000_000;

/**
 * Checks the `entities` parameter of a call and drops what a bot cannot set: `get_text_entity` of
 * tdlib/telegram-bot-api, telegram-bot-api/Client.cpp, and `get_message_entities` of tdlib/td,
 * td/telegram/MessageEntity.cpp. One link that is not taken refuses the whole call.
 */
export function readEntities(value: unknown): MessageEntity[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw badRequest('expected an Array of MessageEntity');
  return value.map(parseEntity).flatMap((entity) => (entity ? [withCheckedLink(entity)] : []));
}

function parseEntity(item: unknown): MessageEntity | undefined {
  const refuse = (reason: string) => badRequest(`can't parse MessageEntity: ${reason}`);
  if (typeof item !== 'object' || item === null || Array.isArray(item)) throw refuse('expected an Object');
  const entity = item as Record<string, unknown>;
  const required = entity['type'] === 'text_link' ? ['type', 'url'] : ['type'];
  for (const field of ['offset', 'length']) {
    if (entity[field] === undefined) throw refuse(`Can't find field "${field}"`);
    if (!Number.isInteger(entity[field])) throw refuse(`Field "${field}" must be of type Number`);
  }
  for (const field of required) {
    if (typeof entity[field] !== 'string') throw refuse(`Can't find field "${field}"`);
  }
  const type = entity['type'] as string;
  if (AUTOMATIC.includes(type)) return undefined;
  if (!ACCEPTED.has(type)) throw refuse('Unsupported type specified');
  return entity as unknown as MessageEntity;
}

function withCheckedLink(entity: MessageEntity): MessageEntity {
  if (entity.type !== 'text_link') return entity;
  const { offset, length } = entity;
  if (LONE_SURROGATE.test(entity.url)) throw badRequest('messageEntityTextUrl.url must be encoded in UTF-8');
  const { text: url } = cleanText(entity.url);
  const id = mentionedUser(url);
  if (id !== undefined) {
    return { type: 'text_mention', offset, length, user: { id, is_bot: false, first_name: '' } };
  }
  try {
    return { type: 'text_link', offset, length, url: checkLink(url) };
  } catch (error) {
    if (!(error instanceof LinkFault)) throw error;
    throw badRequest(`entity URL '${url}' is invalid: ${error.message}`);
  }
}

/** What becomes of a text on its way through the server. Offsets are UTF-16 code units, lengths count code points. */
export function formatText(raw: string, given: readonly MessageEntity[]): FormattedText {
  const formatted = withFoundEntities(fixText(raw, given));
  if ([...formatted.text].length > TEXT_LIMIT) throw badRequest('message is too long');
  return formatted;
}

/** The same for a caption, which may be empty. */
export function formatCaption(raw: string, given: readonly MessageEntity[]): FormattedText {
  const formatted = withFoundEntities(fixText(raw, given, { mayBeEmpty: true }));
  if ([...formatted.text].length > CAPTION_LIMIT) throw badRequest('message caption is too long');
  return formatted;
}

/**
 * Cleans a text, makes its entities nest, checks them against the text as given and trims both ends, the beginning no
 * farther than its first entity; {@link withinLimit} of them stay. The rules are those of `fix_formatted_text` and
 * `clean_input_string_with_entities` in tdlib/td, td/telegram/MessageEntity.cpp.
 */
export function fixText(
  raw: string,
  given: readonly MessageEntity[],
  { mayBeEmpty = false }: { mayBeEmpty?: boolean } = {},
): FormattedText {
  if (LONE_SURROGATE.test(raw)) throw badRequest('strings must be encoded in UTF-8');
  for (const { offset, length } of given) {
    if (offset < 0 || offset > FARTHEST) throw badRequest(`receive an entity with incorrect offset ${offset}`);
    if (length < 0 || length > FARTHEST) throw badRequest(`receive an entity with incorrect length ${length}`);
  }
  const nested = nest(given.filter(({ length }) => length > 0));
  for (const entity of nested) checkBounds(raw, entity);

  const { text, offset: moved } = cleanText(raw);
  const kept = nested
    .map((entity) => ({
      ...entity,
      offset: moved(entity.offset),
      length: moved(end(entity)) - moved(entity.offset),
    }))
    .filter(({ length }) => length > 0);
  const trimmed = trim({ text, entities: nest(kept) });
  if (!mayBeEmpty && isNothing(trimmed.text)) throw badRequest('text must be non-empty');
  return { text: trimmed.text, entities: withinLimit(trimmed.entities) };
}

function checkBounds(text: string, { offset, length }: MessageEntity): void {
  const stop = offset + length;
  if (offset > text.length) {
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

function trim({ text, entities }: FormattedText): FormattedText {
  const stop = text.length - /[ \n]*$/.exec(text)![0].length;
  const kept = entities
    .filter(({ offset }) => offset < stop)
    .map((entity) => ({ ...entity, length: Math.min(end(entity), stop) - entity.offset }));
  const start = Math.min(/^[ \n]*/.exec(text)![0].length, kept[0]?.offset ?? stop, stop);
  const moved = kept.map((entity) => ({ ...entity, offset: entity.offset - start }));
  return { text: text.slice(start, stop), entities: sorted(moved) };
}

function withFoundEntities({ text, entities }: FormattedText): FormattedText {
  return { text, entities: nest([...entities, ...unclaimed(findEntities(text), entities)]) };
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
  const taken = given.filter((entity) => !STYLES.has(entity.type));
  return found.filter((entity) =>
    taken.every((other) => apart(other, entity) || (QUOTES.has(other.type) && contains(other, entity))),
  );
}
