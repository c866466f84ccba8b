import type { Queryable } from '../postgres/database.service.js';
import {
  byTime,
  Conditions,
  isSendingAlone,
  orderOf,
  storedStates,
  whetherSending,
  type MessageFilter,
} from './message-filter.js';

/**
 * Messages of one portal, bot, direction and state are a stratum, and two indexes hold each of them in order: by id and
 * by time. What is newest of some strata is found by looking at the newest of each, so that a bot which was quiet for a
 * million messages is as quickly read as one that is not. With one index per filter or for the planner to choose from,
 * there is always a filter that leaves little of much.
 */
export const STRATA_INDEXES = ['messages_strata_by_id', 'messages_strata_by_time'];

/** Which strata a filter means: each portal with its bot, in each direction and state. */
export interface Strata {
  portalIds: (bigint | null)[];
  botIds: (bigint | null)[];
}

const STATES = ['queued', 'delivered', 'failed', 'uncertain', 'ignored'];
const DIRECTIONS = ['inbound', 'outbound'];

/**
 * Null: the filter is not about strata, or the indexes are not there yet. Finds the portals and bots that have messages
 * by jumping from one to the next in the index, however many messages lie between.
 */
export async function strataOf(connection: Queryable, filter: MessageFilter): Promise<Strata | null> {
  const { portalId, botId, direction, states } = filter;
  const narrowed = [portalId, botId, direction, states].some((part) => part !== undefined);
  if (!narrowed || filter.chatId !== undefined || isSendingAlone(states)) return null;
  if (!(await areIndexed(connection))) return null;
  const values: unknown[] = [];
  const given = (id: bigint) => `SELECT $${values.push(id)}::bigint`;
  const next = (column: string, condition: string) =>
    `(SELECT n.${column} FROM messages n WHERE ${condition} ORDER BY n.${column} LIMIT 1)`;
  // Ends with null: messages of no portal, or of no bot.
  const all = (column: string, condition: string) => `
    WITH RECURSIVE found (id) AS (
      SELECT ${next(column, condition)}
      UNION ALL SELECT ${next(column, `${condition} AND n.${column} > found.id`)} FROM found WHERE found.id IS NOT NULL
    ) SELECT id FROM found`;
  const bots = (condition: string) => (botId === undefined ? all('bot_id', condition) : given(botId));
  const ofPortals = `
    SELECT p.id AS "portalId", b.id AS "botId" FROM (${portalId === undefined ? all('portal_id', 'true') : given(portalId)}) p (id)
     CROSS JOIN LATERAL (${bots('n.portal_id = p.id')}) b (id) WHERE p.id IS NOT NULL`;
  const ofNone = () => ` UNION ALL SELECT NULL, b.id FROM (${bots('n.portal_id IS NULL')}) b (id)`;
  const { rows } = await connection.query<{ portalId: bigint | null; botId: bigint | null }>(
    portalId === undefined ? ofPortals + ofNone() : ofPortals,
    values,
  );
  return { portalIds: rows.map((row) => row.portalId), botIds: rows.map((row) => row.botId) };
}

async function areIndexed(connection: Queryable): Promise<boolean> {
  const { rowCount } = await connection.query(
    `SELECT FROM pg_index WHERE indisvalid AND indexrelid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)`,
    [STRATA_INDEXES],
  );
  return rowCount === STRATA_INDEXES.length;
}

/**
 * SQL: `id` and `created_at` of the first `limit` messages of each stratum that the filter means, without regard to its
 * words. The place within a stratum is a comparison of rows, and the order that of the whole index, because then no
 * other index will do: the planner would take the one by id wherever it guesses that the next message fits.
 */
export function firstOfStrata(strata: Strata, filter: MessageFilter, values: unknown[], limit: number): string {
  const conditions = new Conditions(values);
  const [portals, bots] = [strata.portalIds, strata.botIds].map((ids) => `${conditions.place(ids)}::bigint[]`);
  const directions = conditions.place(filter.direction ? [filter.direction] : DIRECTIONS);
  const states = conditions.place(filter.states ? storedStates(filter.states) : STATES);
  const within = byTime(filter) ? withinTimes(filter, conditions) : withinIds(filter, conditions);
  const sending = filter.states && whetherSending(filter.states);
  const rest = [...within, ...(sending ? [sending] : [])].join(' AND ');
  const way = filter.after ? 'ASC' : 'DESC';
  const order = ['portal_id', 'bot_id', 'direction', 'state', ...(byTime(filter) ? ['created_at'] : []), 'id'];
  const arm = (hasPortal: boolean, hasBot: boolean) => `
    SELECT m.id, m.created_at
      FROM unnest(${portals}, ${bots}) AS s (portal_id, bot_id)
     CROSS JOIN unnest(${directions}::"Direction"[]) AS d (direction) CROSS JOIN unnest(${states}::"MessageState"[]) AS e (state)
     CROSS JOIN LATERAL (
       SELECT m.id, m.created_at FROM messages m
        WHERE m.portal_id ${hasPortal ? '= s.portal_id' : 'IS NULL'} AND m.bot_id ${hasBot ? '= s.bot_id' : 'IS NULL'} AND ${rest}
        ORDER BY ${order.map((column) => `m.${column} ${way}`).join(', ')} LIMIT ${limit}) m
     WHERE s.portal_id IS ${hasPortal ? 'NOT ' : ''}NULL AND s.bot_id IS ${hasBot ? 'NOT ' : ''}NULL`;
  return [arm(true, true), arm(true, false), arm(false, true), arm(false, false)].join(' UNION ALL ');
}

/** SQL: the newest of all strata together. */
export function newestOfStrata(strata: Strata, filter: MessageFilter, values: unknown[], limit: number): string {
  return `SELECT m.id FROM (${firstOfStrata(strata, filter, values, limit)}) m ORDER BY ${orderOf(filter)} LIMIT ${limit}`;
}

const LAST_ID = '9223372036854775807';

function withinIds({ before, after }: MessageFilter, conditions: Conditions): string[] {
  const row = '(m.direction, m.state, m.id)';
  return [
    `${row} > (d.direction, e.state, ${conditions.place(after?.id ?? 0n)}::bigint)`,
    before
      ? `${row} < (d.direction, e.state, ${conditions.place(before.id)}::bigint)`
      : `${row} <= (d.direction, e.state, ${LAST_ID})`,
  ];
}

function withinTimes({ from, to, before, after }: MessageFilter, conditions: Conditions): string[] {
  const compared = (operator: string, createdAt: Date | string, id: bigint | string) =>
    `(m.direction, m.state, m.created_at, m.id) ${operator}
       (d.direction, e.state, ${conditions.place(createdAt)}::timestamptz, ${conditions.place(id)}::bigint)`;
  return [
    compared('>', from ?? '-infinity', 0n),
    compared('<=', to ?? 'infinity', LAST_ID),
    ...(before ? [compared('<', before.createdAt, before.id)] : []),
    ...(after ? [compared('>', after.createdAt, after.id)] : []),
  ];
}
