import type { Queryable } from '../postgres/database.service.js';

/** That a session of a dialog began or ended, as Bitrix24 tells. */
export interface SessionNews {
  externalChatId: string;
  lineId: string;
  sessionId: string;
  open: boolean;
}

/** SQL: session `a` is newer than `b`. Their ids are numbers that grow within a portal. */
export const newerSession = (a: string, b: string) =>
  `(${b} IS NULL OR (length(${a}), ${a} COLLATE "C") > (length(${b}), ${b} COLLATE "C"))`;

/**
 * Keeps what the portal told of its sessions, and makes due what waited for one of them; returns the endpoints of that.
 * A session that has ended does not begin any more: of two events about the same one the end counts, whichever came first.
 */
export async function noteSessions(connection: Queryable, portalId: bigint, news: SessionNews[]): Promise<string[]> {
  const begun: bigint[] = [];
  await connection.query(
    `SELECT FROM chat_links WHERE portal_id = $1 AND external_id = ANY($2::text[])
      ORDER BY bot_id, external_id FOR NO KEY UPDATE`,
    [portalId, news.map(({ externalChatId }) => externalChatId)],
  );
  for (const { externalChatId, lineId, sessionId, open } of news) {
    const newer = newerSession('$4::text', 'c.bitrix_session_id');
    const { rows } = await connection.query<{ id: bigint; dialog_open: boolean | null }>(
      `UPDATE chat_links c
          SET bitrix_session_id = $4::text,
              dialog_open = CASE WHEN ${newer} OR NOT $5::boolean THEN $5 ELSE coalesce(c.dialog_open, $5) END
         FROM bots b
        WHERE c.portal_id = $1 AND c.external_id = $2 AND b.id = c.bot_id AND b.line_id = $3
          AND (${newer} OR c.bitrix_session_id = $4::text)
        RETURNING c.id, c.dialog_open`,
      [portalId, externalChatId, lineId, sessionId, open],
    );
    begun.push(...rows.filter((row) => row.dialog_open).map(({ id }) => id));
  }
  return begun.length === 0 ? [] : wakeWaiting(connection, begun);
}

/**
 * Every lane is written, not only the waiting ones: a settlement that is about to let it wait is waited for, and its
 * outcome seen. The rows of the chats are locked already.
 */
async function wakeWaiting(connection: Queryable, chatIds: bigint[]): Promise<string[]> {
  const { rows } = await connection.query<{ endpoint: string }>(
    `WITH theirs AS MATERIALIZED (
       SELECT id FROM lanes WHERE chat_id = ANY($1::bigint[]) AND channel = 'inbound' AND pending > 0
        ORDER BY chat_id, channel FOR UPDATE
     )
     UPDATE lanes SET due_at = CASE WHEN due_at = 'infinity' THEN now() ELSE due_at END
       FROM theirs WHERE lanes.id = theirs.id RETURNING endpoint`,
    [chatIds],
  );
  return [...new Set(rows.map(({ endpoint }) => endpoint).filter(Boolean))];
}
