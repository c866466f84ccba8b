import {
  byTime,
  Conditions,
  kindConditions,
  orderOf,
  placeConditions,
  where,
  type MessageFilter,
} from './message-filter.js';
import { substringPattern, type Search, type SearchTerm } from './text-search.js';

/**
 * Of so many of the nearest messages each is looked at whether it is meant, before the index of words is asked. What is
 * not among them once in 200 is rare enough for all of its places to be fetched and sorted, and what is frequent has
 * filled the page.
 */
export const NEAREST = 10_000;

/** SQL conditions on the words of a message `m` that has its text at hand. */
export function wordsConditions({ terms, exact }: Search, values: unknown[]): Conditions {
  const conditions = textConditions(exact, values);
  if (terms.length > 0) {
    const query = wordsQuery(terms, values);
    conditions.also(`EXISTS (SELECT FROM message_words w WHERE w.message_id = m.id AND w.words @@ ${query} OFFSET 0)`);
  }
  return conditions;
}

/** SQL conditions on what must stand in the text as it was typed. */
export function textConditions(exact: string[], values: unknown[]): Conditions {
  const conditions = new Conditions(values);
  for (const text of exact) conditions.add(substringPattern(text), (place) => `m.text ~ ${place}`);
  return conditions;
}

/**
 * SQL: ids of the nearest messages that have the words. The planner is not left to guess whether to go through the
 * history from its end or to fetch and sort every place of the words: when they are frequent one by one and rare
 * together it guesses wrong, and reads all of the history. Nor whether to look at the messages of these places before
 * they are sorted: only so many are looked at, nearest first, as it takes to fill the page.
 */
export function byWords(filter: MessageFilter, { terms, exact }: Search, values: unknown[], limit: number): string {
  const places = placeConditions(filter, values);
  const kinds = kindConditions(filter, values);
  const texts = textConditions(exact, values);
  const query = wordsQuery(terms, values);
  const way = filter.after ? 'ASC' : 'DESC';
  const wordsAlone = places.parts.length + kinds.parts.length + texts.parts.length === 0;
  const last = `ORDER BY ${orderOf(filter)} LIMIT ${limit}`;
  const isShort = `(SELECT count(*) FROM near) < ${limit} AND EXISTS (SELECT FROM messages m ${where(places)} OFFSET ${NEAREST})`;
  const found = `SELECT w.message_id AS id FROM message_words w WHERE w.words @@ ${query}`;
  const near = wordsAlone
    ? `SELECT m.id
         FROM (SELECT message_id AS id, words FROM message_words ORDER BY message_id DESC LIMIT ${NEAREST}) m
        WHERE m.words @@ ${query}`
    : `SELECT m.id
         FROM (SELECT m.* FROM messages m ${where(places)} ORDER BY ${orderOf(filter)} LIMIT ${NEAREST}) m
        CROSS JOIN LATERAL (SELECT FROM message_words w WHERE w.message_id = m.id AND w.words @@ ${query} OFFSET 0) w
        ${where(kinds, texts)}`;
  // OFFSET 0 keeps the planner out of a query.
  const far = wordsAlone
    ? `SELECT m.id FROM (${found} OFFSET 0) m WHERE ${isShort} ${last}`
    : byTime(filter)
      ? `SELECT m.id FROM (${found} OFFSET 0) w JOIN messages m USING (id) ${where(places, kinds, texts)} AND ${isShort} ${last}`
      : `SELECT m.id
           FROM (${found} AND ${isShort} ORDER BY w.message_id ${way} OFFSET 0) w
          CROSS JOIN LATERAL (SELECT m.id FROM messages m ${where(places, kinds, texts)} AND m.id = w.id OFFSET 0) m
          ORDER BY w.id ${way} LIMIT ${limit}`;
  return `
    WITH near AS MATERIALIZED (${near} ${last}), far AS (${far})
    SELECT id FROM near UNION SELECT id FROM far`;
}

/**
 * SQL: what the vector of a message must match. The stem of a word stands for the word, too, unless it is one of those
 * that have none (`the`, `и`).
 */
export function wordsQuery(terms: SearchTerm[], values: unknown[]): string {
  const alternatives = terms.map(({ word, prefix, forms }) => {
    const asItStands = `$${values.push(`'${word}'${prefix ? ':*' : ''}`)}::tsquery`;
    if (!forms) return asItStands;
    const stem = `plainto_tsquery('russian', $${values.push(word)})`;
    return prefix ? `(${asItStands} || ${stem})` : `CASE WHEN numnode(${stem}) > 0 THEN ${stem} ELSE ${asItStands} END`;
  });
  return `(${alternatives.join(' && ')})`;
}
