import type { Queryable } from '../postgres/database.service.js';
import { LOWER_PENDING } from '../work/dropped-work.js';
import type { ErasureCounts } from './erasures.repository.js';

const NOTHING: ErasureCounts = { chats: 0, messages: 0, attachments: 0, revisions: 0, deliveries: 0, events: 0 };

/**
 * Takes work that nobody has begun out of the chat's lanes: of these messages, or (null) all of it; with `force` also
 * what is being sent. `busy`: messages of which something is still being sent.
 */
export async function dropWaiting(
  connection: Queryable,
  chatId: bigint,
  messageIds: bigint[] | null,
  force = false,
): Promise<{ deliveries: number; busy: Set<bigint> }> {
  // In the order in which everybody locks them; nobody claims a lane that is locked.
  await connection.query(`SELECT FROM lanes WHERE chat_id = $1 ORDER BY channel FOR UPDATE`, [chatId]);
  const { rows: gone } = await connection.query<{ count: number }>(
    `WITH gone AS (
       DELETE FROM deliveries d USING lanes l
        WHERE l.chat_id = $1 AND d.lane_id = l.id AND (d.state = 'queued' OR $3)
          AND ($2::bigint[] IS NULL OR d.message_id = ANY($2::bigint[])) RETURNING d.lane_id
     ), ${LOWER_PENDING}
     SELECT count(*)::int AS count FROM gone`,
    [chatId, messageIds, force],
  );
  const { rows: sending } = await connection.query<{ message_id: bigint }>(
    `SELECT d.message_id FROM deliveries d JOIN lanes l ON l.id = d.lane_id
      WHERE l.chat_id = $1 AND ($2::bigint[] IS NULL OR d.message_id = ANY($2::bigint[]))`,
    [chatId, messageIds],
  );
  return {
    deliveries: gone[0]!.count,
    busy: new Set(sending.map((row) => row.message_id)),
  };
}

/** Where a chat came from by one of these messages. */
export async function forgetSources(connection: Queryable, chatId: bigint, messageIds: bigint[]): Promise<void> {
  await connection.query(
    `UPDATE chat_links c
        SET source = CASE WHEN c.source = ANY(s.told) THEN NULL ELSE c.source END,
            last_source = CASE WHEN c.last_source = ANY(s.told) THEN NULL ELSE c.last_source END
       FROM (SELECT array_agg(source) AS told FROM messages WHERE id = ANY($2::bigint[]) AND source IS NOT NULL) s
      WHERE c.id = $1 AND (c.source = ANY(s.told) OR c.last_source = ANY(s.told))`,
    [chatId, messageIds],
  );
}

export async function eraseMessages(
  connection: Queryable,
  ids: bigint[],
): Promise<Pick<ErasureCounts, 'messages' | 'attachments' | 'revisions'>> {
  if (ids.length === 0) return { messages: 0, attachments: 0, revisions: 0 };
  const { rows } = await connection.query<{ attachments: number; revisions: number }>(
    `SELECT (SELECT count(*)::int FROM attachments WHERE message_id = ANY($1::bigint[])) AS attachments,
            (SELECT count(*)::int FROM revisions WHERE message_id = ANY($1::bigint[])) AS revisions`,
    [ids],
  );
  await forgetAnswers(connection, ids);
  const { rowCount } = await connection.query(`DELETE FROM messages WHERE id = ANY($1::bigint[])`, [ids]);
  return { messages: rowCount ?? 0, ...rows[0]! };
}

/**
 * What robots and the message service were to do with the client of this chat, and nobody could begin with while their
 * portal was away, is forgotten: as far as it is known to be theirs by its number, by what the CRM is known to have of
 * them, or by a process that has written to them; and what the same processes, or others about the same documents, are to
 * do: a wait seldom says more of its client. To be called before those are forgotten.
 */
export async function forgetRequests(connection: Queryable, chatId: bigint): Promise<void> {
  const digits = (phone: string) => `right(regexp_replace(${phone}, '\\D', '', 'g'), 10)`;
  await connection.query(
    `WITH waiting AS MATERIALIZED (
       SELECT r.id, r.process, r.payload FROM send_requests r JOIN chat_links c ON c.portal_id = r.portal_id
        WHERE c.id = $1 AND r.state = 'received'
     ), theirs AS MATERIALIZED (
       SELECT r.id, r.process, r.payload -> 'document' AS document FROM waiting r JOIN chat_links c ON c.id = $1
        WHERE ${digits("coalesce(r.payload ->> 'phone', r.payload #>> '{properties,phone}', '')")} = ${digits('c.phone')}
           OR r.process IN (SELECT process FROM send_requests WHERE chat_id = c.id)
           OR EXISTS (
             SELECT FROM arrivals a CROSS JOIN LATERAL (VALUES (a.found_type, a.found_id), (a.entity_type, a.entity_id)) AS e(type, id)
              WHERE a.chat_id = c.id AND e.id IS NOT NULL AND a.obstacle IS NULL
                AND jsonb_build_object('type', e.type, 'id', e.id) IN (
                  SELECT r.payload -> 'document' UNION ALL
                  SELECT jsonb_array_elements(coalesce(r.payload -> 'entities', '[]'))))
     )
     UPDATE send_requests r
        SET state = 'reporting', outcome = '{"status": "gone"}', payload = '{}', attempts = 0, due_at = now(), step_at = now()
       FROM waiting w
      WHERE r.id = w.id AND r.state = 'received'
        AND (w.id IN (SELECT id FROM theirs) OR w.process IN (SELECT process FROM theirs)
             OR w.payload -> 'document' IN (SELECT document FROM theirs))`,
    [chatId],
  );
}

/** What a client answered to a robot is not told any more. Whoever notes an answer just now is waited for. */
async function forgetAnswers(connection: Queryable, messageIds: bigint[]): Promise<void> {
  await connection.query(
    `UPDATE send_requests
        SET outcome = CASE WHEN outcome ? 'text' AND outcome ->> 'messageId' = ANY($2::text[]) THEN '{"status": "gone"}'
                           ELSE outcome END
      WHERE chat_id IN (SELECT chat_id FROM messages WHERE id = ANY($1::bigint[])) AND state IN ('waiting', 'reporting')`,
    [messageIds, messageIds.map(String)],
  );
}

/** What was erased is added to the receipt, in the same transaction. */
export async function addToReceipt(
  connection: Queryable,
  erasureId: bigint,
  counts: Partial<ErasureCounts>,
): Promise<void> {
  const all = { ...NOTHING, ...counts };
  const added = Object.entries(all).filter(([, count]) => count > 0);
  if (added.length === 0) return;
  await connection.query(
    `UPDATE erasures SET ${added.map(([name], index) => `${name} = ${name} + $${index + 2}`).join(', ')} WHERE id = $1`,
    [erasureId, ...added.map(([, count]) => count)],
  );
}

/**
 * That somebody came by a link of ours is still counted; who it was, and by which payload, is not kept. Of a group: only
 * what these messages tell.
 */
export async function forgetArrivals(
  connection: Queryable,
  chatId: bigint,
  messageIds: bigint[] | null,
): Promise<void> {
  const theirs = `chat_id = $1 AND ($2::bigint[] IS NULL OR message_id = ANY($2::bigint[]))`;
  await connection.query(`UPDATE links SET used_by = NULL WHERE used_by = $1 AND $2::bigint[] IS NULL`, [
    chatId,
    messageIds,
  ]);
  await connection.query(`DELETE FROM arrivals WHERE ${theirs} AND link_id IS NULL`, [chatId, messageIds]);
  await connection.query(
    `UPDATE arrivals SET chat_id = NULL, message_id = NULL, payload = '', entity_id = NULL, found_id = NULL,
            detail = NULL, due_at = NULL
      WHERE ${theirs}`,
    [chatId, messageIds],
  );
}
