import type { Queryable } from '../postgres/database.service.js';

/**
 * Whoever locks rows for longer than a statement locks them in this order, so that nobody waits in a circle: bots and
 * portals (by id) → endpoints (by id) → chat_links (by bot_id, external_id) → lanes (by chat_id, channel) → messages
 * and everything else.
 *
 * Bots: the key share lock of an intake waits for nothing but a move of the bot to another line, a removal, or another
 * exclusive lock; moves wait for the intakes that are under way. So where a message goes is decided by one committed state.
 */

/** These bots stay where they are until the commit; returns the portal that each of them serves. */
export async function lockBots(connection: Queryable, botIds: bigint[]): Promise<Map<bigint, bigint | null>> {
  const { rows } = await connection.query<{ id: bigint; portal_id: bigint | null }>(
    `SELECT id, portal_id FROM bots WHERE id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE`,
    [[...new Set(botIds)]],
  );
  return new Map(rows.map(({ id, portal_id }) => [id, portal_id]));
}

/** The bots of these portals stay where they are until the commit. */
export async function lockBotsOfPortals(connection: Queryable, portalIds: bigint[]): Promise<void> {
  await connection.query(`SELECT FROM bots WHERE portal_id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE`, [
    [...new Set(portalIds)],
  ]);
}

/** These portals are not removed before the commit. */
export async function lockPortals(connection: Queryable, portalIds: bigint[]): Promise<void> {
  if (portalIds.length === 0) return;
  await connection.query(`SELECT FROM portals WHERE id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE`, [
    [...new Set(portalIds)],
  ]);
}

/** Keeps others from writing these chats until the commit. */
export async function lockChats(connection: Queryable, chatIds: bigint[]): Promise<void> {
  if (chatIds.length === 0) return;
  await connection.query(
    `SELECT FROM chat_links WHERE id = ANY($1::bigint[]) ORDER BY bot_id, external_id FOR NO KEY UPDATE`,
    [[...new Set(chatIds)]],
  );
}

/** Keeps others from writing the lanes of these chats until the commit; a claim passes them by. */
export async function lockLanes(connection: Queryable, chatIds: bigint[]): Promise<void> {
  if (chatIds.length === 0) return;
  await connection.query(`SELECT FROM lanes WHERE chat_id = ANY($1::bigint[]) ORDER BY chat_id, channel FOR UPDATE`, [
    [...new Set(chatIds)],
  ]);
}

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

/** Keeps others from writing any chat of this bot, and its lanes, until the commit. */
export async function lockChatsOfBot(connection: Queryable, botId: bigint): Promise<void> {
  await connection.query(`SELECT FROM chat_links WHERE bot_id = $1 ORDER BY bot_id, external_id FOR NO KEY UPDATE`, [
    botId,
  ]);
  await connection.query(
    `SELECT FROM lanes WHERE chat_id IN (SELECT id FROM chat_links WHERE bot_id = $1) ORDER BY chat_id, channel FOR UPDATE`,
    [botId],
  );
}
