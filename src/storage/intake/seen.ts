import type { Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';

/**
 * The clients of these chats wrote or reacted: whatever had reached them, up to the message `newest` of
 * `chat_links.unseen_message_id`, is seen. Only the history knows; the portal is not told: it takes
 * `imconnector.send.status.reading` and drops it (Bitrix24's module imopenlines, lib/connector.php,
 * onReceivedStatusReading). What reached a client since then is left to their next sign of life; rows of messages that
 * somebody else has locked stay as they are, so that nobody waits for anybody.
 */
export async function markSeen(connection: Queryable, seen: { chatId: bigint; newest: bigint }[]): Promise<void> {
  if (seen.length === 0) return;
  await connection.query(
    `WITH seen AS MATERIALIZED (
       SELECT c.id AS chat_id, r.newest
         FROM jsonb_to_recordset($1::jsonb) AS r(chat_id bigint, newest bigint)
         JOIN chat_links c ON c.id = r.chat_id AND c.unseen_message_id = r.newest
        ORDER BY c.bot_id, c.external_id FOR NO KEY UPDATE OF c
     ), told AS (
       UPDATE chat_links c SET unseen_message_id = NULL FROM seen WHERE c.id = seen.chat_id
     )
     UPDATE messages m SET seen_at = now()
       FROM seen r
      CROSS JOIN LATERAL (
        -- The latest that was seen before, found backwards by (chat_id, id), ends the look.
        SELECT u.id FROM messages u
         WHERE u.chat_id = r.chat_id AND u.id <= r.newest AND u.id > coalesce((
                 SELECT s.id FROM messages s
                  WHERE s.chat_id = r.chat_id AND s.id <= r.newest AND s.seen_at IS NOT NULL
                  ORDER BY s.id DESC LIMIT 1), 0)
           AND u.direction = 'outbound' AND u.state = 'delivered' AND u.seen_at IS NULL
           -- So many at once: a chat that was silent for long must not hold up its first words.
         ORDER BY u.id DESC LIMIT 1000
           FOR NO KEY UPDATE SKIP LOCKED) unseen
      WHERE m.id = unseen.id`,
    [jsonb(seen.map(({ chatId, newest }) => ({ chat_id: chatId, newest })))],
  );
}
