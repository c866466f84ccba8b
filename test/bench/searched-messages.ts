import { wordsVector } from '../../src/storage/history/message-words.repository.js';
import { query } from './stage.js';

export const SEARCHED_MESSAGES = 1_000_000;
const CHATS = 20_000;
const BATCH = 100_000;
const FIRST = '2026-01-01T00:00:00Z';
/** A million messages take 90 days. */
const EVERY_MS = 7_800;

/** When the n-th message was stored. */
export const storedAt = (n: number) => new Date(Date.parse(FIRST) + n * EVERY_MS);

/**
 * A quarter of a year of it, of the first bot. Words as they are in real texts: few make up most of it, most are rare; a
 * fifth of the messages has an order number; the first third was written during a sale that is over. Each was delivered
 * after some seconds.
 */
export async function storeSearchedMessages(database: string): Promise<void> {
  await query(
    database,
    `CREATE TABLE vocabulary AS
     SELECT n, (ARRAY['заказ', 'доставк', 'оплат', 'order', 'товар', 'цен', 'ship', 'поддержк', 'возврат', 'город'])[1 + n % 10]
               || CASE WHEN n < 100 THEN '' ELSE translate(to_hex(n * 7919), '0123456789abcdef', 'аеиоуклмнпрстдвж') END
               || CASE WHEN n % 10 IN (3, 6) THEN (ARRAY['', 's', 'ed'])[1 + n / 10 % 3]
                       ELSE (ARRAY['', 'а', 'ы', 'у', 'ом'])[1 + n / 10 % 5] END AS word
       FROM generate_series(0, 29999) n;
     CREATE UNIQUE INDEX ON vocabulary (n);
     INSERT INTO chat_links (id, bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title)
     SELECT n, b.id, b.portal_id, 'tg:' || n, 'tg:' || n, n, 'Client ' || n
       FROM generate_series(1, ${CHATS}) n, (SELECT id, portal_id FROM bots LIMIT 1) b`,
  );
  for (let from = 1; from <= SEARCHED_MESSAGES; from += BATCH) await query(database, messagesFrom(from));
  await query(database, 'VACUUM ANALYZE');
}

function messagesFrom(first: number): string {
  // The ends of a number are entries, as searchableWords makes them.
  const words = `text || CASE WHEN n % 5 = 0 THEN coalesce((
    SELECT string_agg(' ' || substr(n::text, k), '') FROM generate_series(2, length(n::text) - 2) k), '') ELSE '' END`;
  return `
    WITH said AS (
      SELECT m.n, string_agg(v.word, ' ')
                  || CASE WHEN m.n % 5 = 0 THEN ' ' || m.n ELSE '' END
                  || CASE WHEN m.n < ${Math.round(SEARCHED_MESSAGES / 3)} AND m.n % 3 = 0 THEN ' распродажа' ELSE '' END AS text,
             '${FIRST}'::timestamptz + m.n * interval '${EVERY_MS} ms' AS at
        FROM generate_series(${first}, ${first + BATCH - 1}) AS m (n)
       CROSS JOIN LATERAL (SELECT floor(power(29999, random()))::int AS n FROM generate_series(1, 3 + m.n % 15)) r
        JOIN vocabulary v ON v.n = r.n
       GROUP BY m.n ORDER BY m.n
    ), kept AS (
      INSERT INTO messages (id, portal_id, bot_id, chat_id, direction, state, kind, text, raw, created_at, delivered_at)
      SELECT said.n, c.portal_id, c.bot_id, c.id, (CASE WHEN said.n % 2 = 0 THEN 'inbound' ELSE 'outbound' END)::"Direction",
             (CASE WHEN said.n % 100 = 0 THEN 'failed' WHEN said.n % 999 = 0 THEN 'uncertain' ELSE 'delivered' END)::"MessageState",
             'text', text, jsonb_build_object('update_id', said.n, 'message', jsonb_build_object('text', text)),
             at, CASE WHEN said.n % 100 > 0 AND said.n % 999 > 0 THEN at + exp(random() * 8) * interval '1 ms' END
        FROM said JOIN chat_links c ON c.id = 1 + said.n % ${CHATS}
    )
    INSERT INTO message_words (message_id, words)
    SELECT n, ${wordsVector('words')} FROM (SELECT n, ${words} AS words FROM said) w`;
}
