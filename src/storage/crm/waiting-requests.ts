import type { Queryable } from '../postgres/database.service.js';

/** How far the clocks of Telegram and of the database may be apart. */
const CLOCKS_APART = '5 seconds';

/**
 * From now on it waits for what the client says, until then at most; what they have said since a robot of the same
 * process reached them counts, unless it was an answer already. False: the client is on the ban list.
 */
export async function beginWaiting(
  db: Queryable,
  { id, state, chatId, until }: { id: bigint; state: string; chatId: bigint; until: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE send_requests r
        SET state = 'waiting', chat_id = (SELECT id FROM chat_links WHERE id = $3), attempts = 0, due_at = $4,
            step_at = now(),
            error_code = NULL, error_detail = NULL,
            payload = (
              SELECT jsonb_strip_nulls(jsonb_build_object('until', $4::timestamptz, 'since', asked.at, 'after', greatest(heard.id,
                       -- Where to begin to look: a chat may be long.
                       CASE WHEN asked.at IS NOT NULL THEN asked.message_id ELSE (
                         SELECT m.id FROM messages m WHERE m.chat_id = $3 AND m.created_at < r.created_at
                          ORDER BY m.id DESC LIMIT 1) END)))
                FROM (SELECT max((s.outcome ->> 'messageId')::bigint) AS id FROM send_requests s
                       WHERE s.chat_id = $3 AND s.portal_id = r.portal_id AND s.process = r.process
                         AND s.outcome ->> 'status' = 'answered') heard
                LEFT JOIN LATERAL (
                  SELECT s.message_id, (SELECT max(a.started_at) FROM attempts a
                                         WHERE a.message_id = s.message_id AND a.outcome IN ('delivered', 'uncertain')) AS at
                    FROM send_requests s
                   WHERE s.chat_id = $3 AND s.portal_id = r.portal_id AND s.process = r.process AND s.id < r.id
                     AND s.message_id IS NOT NULL
                   ORDER BY s.id DESC LIMIT 1) asked ON true)
      WHERE r.id = $1 AND r.state = $2::"SendRequestState"
        AND NOT EXISTS (SELECT FROM chat_links c WHERE c.id = $3 AND c.banned_at IS NOT NULL)`,
    [id, state, chatId, until],
  );
  if (rowCount) return true;
  const { rowCount: banned } = await db.query(`SELECT FROM chat_links WHERE id = $1 AND banned_at IS NOT NULL`, [
    chatId,
  ]);
  return !banned;
}

/**
 * Those for which the client has said something since they were asked are to be reported: what it was. In a group
 * anybody's words count: the group is the client. A press of Start
 * is no answer, nor a vote, nor a button of a broadcast, nor what was said before and came late, nor what was said after
 * the time. Returns how many go on waiting.
 */
export async function noteAnswers(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ open: number }>(
    `WITH answered AS MATERIALIZED (
       SELECT r.id, r.chat_id IS NULL AS gone, a.id AS message_id, a.text, coalesce(a.said_at, a.created_at) AS at
         FROM send_requests r LEFT JOIN LATERAL (
           SELECT m.id, m.said_at, m.created_at,
                  -- Of a button what stands on it: the rest is said to operators.
                  coalesce((SELECT b.text FROM buttons b WHERE b.chat_id = m.chat_id
                               AND b.pressed_by = m.raw #>> '{callback_query,id}'), m.text) AS text
             FROM messages m
            WHERE m.chat_id = r.chat_id AND m.id > coalesce((r.payload ->> 'after')::bigint, 0)
              AND m.direction = 'inbound' AND m.created_at >= coalesce((r.payload ->> 'since')::timestamptz, r.created_at)
              AND NOT m.system_line AND m.state <> 'ignored' AND m.kind NOT IN ('start', 'vote')
              -- Whoever wants what is advertised has not answered.
              AND NOT EXISTS (SELECT FROM buttons b JOIN messages o ON o.id = b.message_id
                               WHERE b.chat_id = m.chat_id AND b.pressed_by = m.raw #>> '{callback_query,id}'
                                 AND o.kind = 'broadcast')
              -- What the client says to another portal, to which the bot went meanwhile, is no business of this one.
              AND m.portal_id = r.portal_id
              AND coalesce(m.said_at, m.created_at)
                  > coalesce((r.payload ->> 'since')::timestamptz, r.created_at) - interval '${CLOCKS_APART}'
              -- Nobody listens to what is said later: another robot may. A press has no date of its own.
              AND coalesce(m.said_at <= (r.payload ->> 'until')::timestamptz, true)
            ORDER BY m.id LIMIT 1) a ON true
        WHERE r.state = 'waiting' AND (a.id IS NOT NULL OR r.chat_id IS NULL)
          FOR UPDATE OF r SKIP LOCKED
     ), noted AS (
       UPDATE send_requests r
          SET state = 'reporting', attempts = 0, due_at = now(), step_at = now(),
              outcome = CASE WHEN a.gone THEN '{"status": "gone"}' ELSE jsonb_build_object(
                'status', 'answered', 'messageId', a.message_id::text, 'text', a.text, 'at', a.at) END
         FROM answered a WHERE r.id = a.id RETURNING r.id
     )
     SELECT count(*)::int AS open FROM send_requests r
      WHERE r.state = 'waiting' AND r.id NOT IN (SELECT id FROM noted)`,
    [],
    { prepared: true },
  );
  return rows[0]!.open;
}
