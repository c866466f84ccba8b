import type { Queryable } from '../postgres/database.service.js';
import { IS_ADVERTISING, IS_UNSUBSCRIBED } from '../work/advertising.js';
import {
  BLOCKED,
  messageConditions,
  orderOf,
  where,
  type Conditions,
  type MessageFilter,
  type MessagePlace,
} from './message-filter.js';
import { byWords, NEAREST, textConditions, wordsConditions, wordsQuery } from './message-search.js';
import { newestOfStrata, strataOf, type Strata } from './message-strata.js';
import { isEmpty, parseSearch } from './text-search.js';

/** So many messages are counted one by one, and so many that have the words are looked at for the rest of a filter. */
export const COUNTED = 10_000;

/** Before every message, by id and by time. */
export const START: MessagePlace = { id: -1n, createdAt: new Date(0) };

/** SQL: ids of the first `limit` messages that the filter leaves without regard to its words, in the order of {@link orderOf}. */
export function nearestOf(strata: Strata | null, filter: MessageFilter, values: unknown[], limit: number): string {
  if (strata) return newestOfStrata(strata, filter, values, limit);
  return `SELECT m.id FROM messages m ${where(messageConditions(filter, values))} ORDER BY ${orderOf(filter)} LIMIT ${limit}`;
}

/** SQL: the same of those that have its words. */
export async function idsOf(
  connection: Queryable,
  filter: MessageFilter,
  values: unknown[],
  limit: number,
): Promise<string> {
  const search = parseSearch(filter.words ?? '');
  const strata = await strataOf(connection, filter);
  if (isEmpty(search)) return nearestOf(strata, filter, values, limit);
  if (search.terms.length === 0) {
    return `SELECT m.id FROM messages m ${where(messageConditions(filter, values), textConditions(search.exact, values))}
             ORDER BY ${orderOf(filter)} LIMIT ${limit}`;
  }
  if (!(await areFew(connection, strata, filter))) return byWords(filter, search, values, limit);
  // One after the other, until the page is full.
  const texts = textConditions(search.exact, values);
  return `SELECT n.id FROM (${nearestOf(strata, filter, values, NEAREST)}) n
           CROSS JOIN LATERAL (
             SELECT FROM message_words w WHERE w.message_id = n.id AND w.words @@ ${wordsQuery(search.terms, values)} OFFSET 0) w
           CROSS JOIN LATERAL (${texts.parts.length > 0 ? `SELECT FROM messages m ${where(texts)} AND m.id = n.id` : 'SELECT'} OFFSET 0) t
           LIMIT ${limit}`;
}

/** SQL: `count` of the messages that the filter means, and whether more may be beyond those that were looked at (`cut`). */
export async function countingOf(connection: Queryable, filter: MessageFilter, values: unknown[]): Promise<string> {
  const search = parseSearch(filter.words ?? '');
  const strata = await strataOf(connection, filter);
  const most = COUNTED + 1;
  if (search.terms.length === 0 || (await areFew(connection, strata, filter))) {
    const nearest = nearestOf(strata, filter, values, most);
    const { parts } = wordsConditions(search, values);
    if (parts.length === 0) return `SELECT count(*) AS count FROM (${nearest}) m`;
    return `SELECT count(*) FILTER (WHERE ${parts.join(' AND ')}) AS count, count(*) = ${most} AS cut
              FROM messages m WHERE m.id IN (${nearest})`;
  }
  const found = `SELECT message_id AS id FROM message_words w WHERE w.words @@ ${wordsQuery(search.terms, values)} LIMIT ${most}`;
  const rest = where(messageConditions(filter, values), textConditions(search.exact, values));
  if (rest === '') return `SELECT count(*) AS count FROM (${found}) m`;
  return `WITH found AS MATERIALIZED (${found})
          SELECT count(*) AS count, (SELECT count(*) FROM found) = ${most} AS cut FROM found JOIN messages m USING (id) ${rest}`;
}

/** Whether the filter leaves so few messages without regard to its words that each can be looked at. */
async function areFew(connection: Queryable, strata: Strata | null, filter: MessageFilter): Promise<boolean> {
  const values: unknown[] = [];
  if (messageConditions(filter).parts.length === 0) return false;
  const { rows } = await connection.query<{ count: bigint }>(
    `SELECT count(*) AS count FROM (${nearestOf(strata, filter, values, NEAREST + 1)}) m`,
    values,
  );
  return rows[0]!.count <= NEAREST;
}

/** Those about which a person may do something. With a portal, not of chats that moved to another one since. */
export function replayableConditions(filter: MessageFilter): Conditions {
  const conditions = messageConditions(filter);
  conditions.also(`m.state IN ('failed', 'uncertain')`);
  if (filter.portalId !== undefined) {
    conditions.also(`EXISTS (SELECT FROM chat_links c WHERE c.id = m.chat_id AND c.portal_id = m.portal_id)`);
  }
  return conditions;
}

/**
 * Those of them that can go: not taken back by their authors, of a chat, not for a client who has blocked the bot, and no
 * advertising for one who has unsubscribed.
 */
export function retryableConditions(filter: MessageFilter): Conditions {
  const conditions = replayableConditions(filter);
  conditions.also(`m.deleted_at IS NULL AND m.chat_id IS NOT NULL AND NOT ${BLOCKED}`);
  conditions.also(
    `NOT (${IS_ADVERTISING} AND EXISTS (SELECT FROM chat_links c WHERE c.id = m.chat_id AND ${IS_UNSUBSCRIBED}))`,
  );
  return conditions;
}
