import type { LinkedChat } from './chat-linking.js';
import type { Queryable } from './database.service.js';
import { jsonb } from './json.js';

/**
 * The clients of these chats wrote or reacted: whatever had reached them is seen. Only the history knows; the portal
 * is not told: it takes `imconnector.send.status.reading` and drops it (Bitrix24's module imopenlines, lib/connector.php,
 * onReceivedStatusReading). To be called in the transaction that keeps the updates; rows of
 * messages that somebody else has locked stay as they are, so that nobody waits for anybody.
 */
export async function markSeen(connection: Queryable, chats: LinkedChat[]): Promise<void> {
  const seen = new Map(
    chats.flatMap(({ id, unseen_message_id: newest }) => (newest === null ? [] : [[id, newest] as const])),
  );
  if (seen.size === 0) return;
  await connection.query(`UPDATE chat_links SET unseen_message_id = NULL WHERE id = ANY($1::bigint[])`, [
    [...seen.keys()],
  ]);
  await connection.query(
    `UPDATE messages m SET seen_at = now()
       FROM jsonb_to_recordset($1::jsonb) AS r(chat_id bigint, newest bigint)
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
    [jsonb([...seen].map(([chat_id, newest]) => ({ chat_id, newest })))],
  );
}
