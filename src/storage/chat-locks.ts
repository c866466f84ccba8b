import type { Queryable } from './database.service.js';

/**
 * Locks, until the commit, the chats of these messages and the portals that they were written in, in the one order of
 * all that write: portals, endpoints, chats, lanes, messages. A move of a bot to another line waits for its chats, so
 * from here on where a chat belongs stays what the next statement sees.
 */
export async function lockChatsOf(connection: Queryable, messageIds: bigint[]): Promise<void> {
  await connection.query(
    `WITH theirs AS MATERIALIZED (SELECT chat_id, portal_id FROM messages WHERE id = ANY($1::bigint[])),
     told AS MATERIALIZED (
       SELECT FROM portals WHERE id IN (SELECT portal_id FROM theirs) ORDER BY id FOR KEY SHARE
     )
     -- The count makes the chats wait for the portals.
     SELECT FROM chat_links WHERE (SELECT count(*) FROM told) >= 0 AND id IN (SELECT chat_id FROM theirs)
      ORDER BY bot_id, external_id FOR NO KEY UPDATE`,
    [messageIds],
  );
}
