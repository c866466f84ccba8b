import type { Queryable } from '../postgres/database.service.js';
import { LOWER_PENDING } from './dropped-work.js';
import { isOwnWordsSql } from './own-words.js';

/** Why what was to be sent as advertising is not. */
export const UNSUBSCRIBED = { code: 'unsubscribed', detail: 'The client has unsubscribed from advertising.' };

/** SQL: since when the client of the chat wants no advertising, also where an earlier chat with the bot was erased; else null. */
export const unsubscribedSince = (chat: string) => `coalesce(${chat}.unsubscribed_at, (
  SELECT w.since FROM forgotten_wishes w JOIN bots o ON o.telegram_id = w.bot_telegram_id
   WHERE o.id = ${chat}.bot_id AND w.client = forgotten_client(${chat}.external_user_id)))`;

/** SQL: the client of the chat `c` wants no advertising. */
export const IS_UNSUBSCRIBED = `(${unsubscribedSince('c')} IS NOT NULL)`;

/** From now on a bare "stop" of these clients is the wish for no more of it. To be called with the chats locked. */
export async function noteAdvertised(connection: Queryable, chatIds: bigint[]): Promise<void> {
  if (chatIds.length === 0) return;
  await connection.query(`UPDATE chat_links SET advertised_at = now() WHERE id = ANY($1::bigint[])`, [
    [...new Set(chatIds)],
  ]);
}

/** SQL: the message `name` is advertising that the program sends on its own account: nobody is its author. */
export const isAdvertising = (name: string) =>
  `(${name}.direction = 'outbound' AND ${name}.author_id IS NOT DISTINCT FROM '0' AND ${isOwnWordsSql(`${name}.kind`)})`;
export const IS_ADVERTISING = isAdvertising('m');

/** SQL: the message `m` from the portal, in the chat `c`, may be a newsletter: nobody wrote it, and it names no session. */
export const MAY_BE_NEWSLETTER = `(m.direction = 'outbound' AND m.author_id = '0' AND m.bitrix_message_id IS NOT NULL
  AND c.type = 'private' AND m.raw::text NOT LIKE '%"IMOL\\_%')`;

/** SQL: it is one by the same signs as when it came: see newsletters.ts. */
const IS_NEWSLETTER = `(${MAY_BE_NEWSLETTER} AND c.dialog_open IS NOT TRUE)`;

/** SQL: the delivery `d` of words waits, and nothing of it can have reached the client. */
export const IS_UNSENT = `(d.state = 'queued' AND d.kind = 'message' AND d.unknown_since IS NULL
  AND NOT EXISTS (SELECT FROM message_links s WHERE s.message_id = d.message_id))`;

/**
 * Advertising that waits for these chats, and of which nothing was sent, is not sent. To be called with the chats and
 * their lanes locked.
 */
export async function withholdAdvertising(connection: Queryable, chatIds: bigint[]): Promise<void> {
  if (chatIds.length === 0) return;
  await connection.query(
    `WITH gone AS (
       DELETE FROM deliveries d USING lanes l, messages m, chat_links c
        WHERE l.chat_id = ANY($1::bigint[]) AND l.channel = 'outbound' AND d.lane_id = l.id AND ${IS_UNSENT}
          AND m.id = d.message_id AND c.id = l.chat_id AND (${IS_ADVERTISING} OR ${IS_NEWSLETTER})
        RETURNING d.lane_id, d.message_id
     ), ${LOWER_PENDING}
     UPDATE messages SET state = 'ignored', error_code = $2, error_detail = $3
      WHERE id IN (SELECT message_id FROM gone)`,
    [chatIds, UNSUBSCRIBED.code, UNSUBSCRIBED.detail],
  );
}

/**
 * Advertising that could not be sent and waits for its next try goes behind words that came after it in its chat: nobody's
 * words wait for it. The words are due at once.
 */
export async function letWordsPass(db: Queryable): Promise<void> {
  await db.query(
    `WITH under_way AS MATERIALIZED (
       SELECT message_id FROM broadcast_recipients WHERE state = 'sending'
       UNION SELECT message_id FROM send_requests WHERE state = 'sending'
     ), ahead AS MATERIALIZED (
       SELECT l.id, l.tail, d.seq
         FROM under_way u JOIN deliveries d ON d.message_id = u.message_id JOIN messages m ON m.id = d.message_id
         JOIN lanes l ON l.id = d.lane_id
        WHERE ${IS_ADVERTISING} AND ${IS_UNSENT} AND d.attempts > 0
          AND l.channel = 'outbound' AND l.pending > 1 AND l.busy_fence IS NULL AND l.due_at > now()
          AND NOT EXISTS (SELECT FROM deliveries o WHERE o.lane_id = l.id AND o.seq < d.seq)
          AND EXISTS (SELECT FROM deliveries o JOIN messages w ON w.id = o.message_id
                       WHERE o.lane_id = l.id AND o.seq > d.seq AND w.author_id IS DISTINCT FROM '0')
        ORDER BY l.chat_id, l.channel FOR UPDATE OF l SKIP LOCKED
     ), behind AS (
       UPDATE deliveries d SET seq = a.tail + 1 FROM ahead a WHERE d.lane_id = a.id AND d.seq = a.seq AND ${IS_UNSENT}
     )
     UPDATE lanes l SET tail = a.tail + 1, due_at = now() FROM ahead a WHERE l.id = a.id`,
    [],
    { prepared: true },
  );
}
