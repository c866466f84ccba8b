import type { Queryable } from '../postgres/database.service.js';
import { IS_UNSENT } from './advertising.js';
import { LOWER_PENDING } from './dropped-work.js';
import { lockLanes } from './lock-order.js';

/** Chats in which something of a broadcast, or of any one by the bot, is under way. */
export async function chatsUnderWay(
  connection: Queryable,
  { broadcastId, botId }: { broadcastId?: bigint; botId?: bigint },
): Promise<bigint[]> {
  const { rows } = await connection.query<{ chat_id: bigint }>(
    `SELECT chat_id FROM broadcast_recipients
      WHERE state = 'sending' AND chat_id IS NOT NULL AND ${broadcastId === undefined ? 'bot_id' : 'broadcast_id'} = $1`,
    [broadcastId ?? botId],
  );
  return rows.map(({ chat_id }) => chat_id);
}

/**
 * What of broadcasts waits in the lanes of these chats and was not sent is taken back: their clients wait again, or have
 * `gone`. `broadcastId` null: of whichever. To be called with the chats locked. Returns how many.
 */
export async function withdrawBroadcasts(
  connection: Queryable,
  { chatIds, broadcastId }: { chatIds: bigint[]; broadcastId: bigint | null },
  become: 'waiting' | 'gone',
): Promise<number> {
  if (chatIds.length === 0) return 0;
  await lockLanes(connection, chatIds);
  const { rows: gone } = await connection.query<{ message_id: bigint }>(
    `WITH gone AS (
       DELETE FROM deliveries d USING broadcast_recipients r, lanes l
        WHERE ($1::bigint IS NULL OR r.broadcast_id = $1) AND r.state = 'sending' AND r.chat_id = ANY($2::bigint[])
          AND l.chat_id = r.chat_id AND l.channel = 'outbound' AND d.lane_id = l.id AND d.message_id = r.message_id
          AND ${IS_UNSENT}
        RETURNING d.lane_id, d.message_id
     ), ${LOWER_PENDING}
     SELECT message_id FROM gone`,
    [broadcastId, chatIds],
  );
  const messageIds = gone.map(({ message_id }) => message_id);
  await connection.query(
    `UPDATE broadcast_recipients SET state = $2::"RecipientState", message_id = NULL
      WHERE message_id = ANY($1::bigint[])`,
    [messageIds, become],
  );
  // Nobody said it.
  await connection.query(`DELETE FROM messages WHERE id = ANY($1::bigint[])`, [messageIds]);
  return messageIds.length;
}
