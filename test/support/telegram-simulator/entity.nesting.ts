import type { MessageEntity } from '@grammyjs/types';

/** Entities of one message that count (`MAX_USER_ENTITY_COUNT` of tdlib/td, td/telegram/MessageEntity.cpp). */
export const ENTITY_LIMIT = 100;

type EntityType = MessageEntity['type'];

/** Bold, italic …: cut where others begin or end. */
export const STYLES: ReadonlySet<EntityType> = new Set(['bold', 'italic', 'underline', 'strikethrough', 'spoiler']);
export const QUOTES: ReadonlySet<EntityType> = new Set(['blockquote', 'expandable_blockquote']);
/** What holds no style (`is_pre_entity`). */
export const CODE: ReadonlySet<EntityType> = new Set(['code', 'pre', 'date_time']);

/** Which of two entities over the same characters is the outer one (`get_type_priority`), smaller is outer. */
const PRIORITY: Partial<Record<EntityType, number>> = {
  blockquote: 0,
  expandable_blockquote: 0,
  pre: 11,
  code: 20,
  date_time: 30,
  text_link: 49,
  text_mention: 49,
  bold: 90,
  italic: 91,
  underline: 92,
  strikethrough: 93,
  spoiler: 94,
  custom_emoji: 99,
};

export const end = (entity: MessageEntity) => entity.offset + entity.length;
export const apart = (a: MessageEntity, b: MessageEntity) => end(a) <= b.offset || end(b) <= a.offset;
export const contains = (outer: MessageEntity, inner: MessageEntity) =>
  outer.offset <= inner.offset && end(inner) <= end(outer);

export function sorted(entities: readonly MessageEntity[]): MessageEntity[] {
  return [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length || priority(a) - priority(b));
}

function priority(entity: MessageEntity): number {
  // A block of code with a language stands before one without.
  return entity.type === 'pre' && entity.language ? 10 : (PRIORITY[entity.type] ?? 50);
}

/**
 * Entities in the order of the text, of which none overlap in part: of two quotes, links or codes the first stays, what
 * reaches over the edge of a quote is dropped, styles are joined and cut, also where one lies in another
 * (`fix_entities` of MessageEntity.cpp).
 */
export function nest(entities: readonly MessageEntity[]): MessageEntity[] {
  const ordered = sorted(entities);
  const quotes = withoutIntersections(ordered.filter(({ type }) => QUOTES.has(type)));
  const whole = withoutIntersections(ordered.filter(({ type }) => !STYLES.has(type) && !QUOTES.has(type))).filter(
    (entity) => quotes.every((quote) => apart(entity, quote) || contains(quote, entity)),
  );
  const fixed = sorted([...quotes, ...whole]);
  return sorted([...fixed, ...cutStyles(ordered, fixed)]);
}

/**
 * What the server counts and keeps of them: quotes, code and links first, then styles; custom emoji are not counted
 * (`get_input_message_entities` of MessageEntity.cpp).
 */
export function withinLimit(entities: readonly MessageEntity[]): MessageEntity[] {
  const emoji = entities.filter(({ type }) => type === 'custom_emoji');
  const whole = entities.filter(({ type }) => !STYLES.has(type) && type !== 'custom_emoji').slice(0, ENTITY_LIMIT);
  const styles = cutStyles(entities, []).slice(0, ENTITY_LIMIT - whole.length);
  return sorted([...emoji, ...whole, ...styles]);
}

function withoutIntersections(ordered: readonly MessageEntity[]): MessageEntity[] {
  let free = 0;
  return ordered.filter((entity) => {
    if (entity.offset < free) return false;
    free = end(entity);
    return true;
  });
}

/** Joins styles that touch, then cuts them wherever another one begins or a fixed entity begins or ends; code has none. */
function cutStyles(entities: readonly MessageEntity[], fixed: readonly MessageEntity[]): MessageEntity[] {
  const joined = [...STYLES].flatMap((type) => join(entities.filter((entity) => entity.type === type)));
  const cuts = [...joined.map(({ offset }) => offset), ...fixed.flatMap((entity) => [entity.offset, end(entity)])];
  const code = fixed.filter(({ type }) => CODE.has(type));
  const pieces = joined.flatMap((entity) => cut(entity, cuts));
  return sorted(pieces.filter((piece) => code.every((block) => !contains(block, piece))));
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
