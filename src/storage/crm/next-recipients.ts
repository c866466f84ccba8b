import type { Queryable } from '../postgres/database.service.js';

/** Who is to have it next. */
export interface NextRecipient {
  id: bigint;
  chatId: bigint | null;
}

/**
 * SQL: recipients `r` of this bot, the oldest first. A plain equation would let PostgreSQL look for them in the order of all
 * ids, past those of every broadcast before.
 */
const ofBot = (id: string) => `r.bot_id BETWEEN ${id} AND ${id} ORDER BY r.bot_id, r.id`;

/** SQL: advertising may be sent by the bot `o`: it is in service, and somebody hears what clients answer. */
const IN_SERVICE = `(o.state IN ('active', 'conflict') AND NOT EXISTS (
  SELECT FROM lines l WHERE l.portal_id = o.portal_id AND l.line_id = o.line_id AND l.state <> 'active'))`;

/**
 * Those who come next, of each bot that is in service and can send so many that it has `depth` under way, whatever they are of. Those of
 * bots that have left the portal come when nobody else does.
 */
export async function nextRecipients(
  db: Queryable,
  { id, portalId }: { id: bigint; portalId: bigint },
  depth: number,
): Promise<NextRecipient[]> {
  const { rows } = await db.query<NextRecipient>(
    `SELECT n.id, n.chat_id AS "chatId"
       FROM bots o
      CROSS JOIN LATERAL (
        SELECT count(*) AS under_way FROM broadcast_recipients s WHERE s.bot_id = o.id AND s.state = 'sending') u
      CROSS JOIN LATERAL (
        SELECT r.id, r.chat_id FROM broadcast_recipients r
         WHERE r.broadcast_id = $1 AND r.state = 'waiting' AND ${ofBot('o.id')} LIMIT greatest(0, $3 - u.under_way)) n
      WHERE o.portal_id = $2 AND ${IN_SERVICE}`,
    [id, portalId, depth],
    { prepared: true },
  );
  if (rows.length > 0) return rows;
  const { rows: left } = await db.query<NextRecipient>(
    // From bot to bot by the index: of those who wait there are many, of their bots few.
    `WITH RECURSIVE theirs AS (
       SELECT min(bot_id) AS bot_id FROM broadcast_recipients WHERE broadcast_id = $1 AND state = 'waiting'
       UNION ALL
       SELECT (SELECT min(r.bot_id) FROM broadcast_recipients r
                WHERE r.broadcast_id = $1 AND r.state = 'waiting' AND r.bot_id > t.bot_id)
         FROM theirs t WHERE t.bot_id IS NOT NULL
     )
     SELECT n.id, n.chat_id AS "chatId"
       FROM theirs t CROSS JOIN LATERAL (
         SELECT r.id, r.chat_id FROM broadcast_recipients r
          WHERE r.broadcast_id = $1 AND r.state = 'waiting' AND ${ofBot('t.bot_id')} LIMIT $3) n
      WHERE NOT EXISTS (SELECT FROM bots o WHERE o.id = t.bot_id AND o.portal_id = $2)
      LIMIT $3`,
    [id, portalId, depth],
  );
  return left;
}

/** Clients wait, or are under way, and all of them for bots of the portal that are out of service. */
export async function isStranded(db: Queryable, { id, portalId }: { id: bigint; portalId: bigint }): Promise<boolean> {
  const { rows } = await db.query<{ stranded: boolean }>(
    `SELECT coalesce(bool_and(NOT w.in_service), false) AS stranded
       FROM (SELECT ${IN_SERVICE} AS in_service FROM bots o
              WHERE o.portal_id = $2 AND (
                EXISTS (SELECT FROM broadcast_recipients r
                         WHERE r.broadcast_id = $1 AND r.state = 'waiting' AND r.bot_id BETWEEN o.id AND o.id)
                OR EXISTS (SELECT FROM broadcast_recipients r
                            WHERE r.broadcast_id = $1 AND r.state = 'sending' AND r.bot_id BETWEEN o.id AND o.id))) w`,
    [id, portalId],
    { prepared: true },
  );
  return rows[0]!.stranded;
}
