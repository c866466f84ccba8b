import { query } from './stage.js';

/** Private chats of the history; the first of them are those of the clients who write during a measure. */
const HISTORY_CHATS = 20_000;
const FIRST_HISTORY_CHAT = 1_000_000;
/** Chats that wait, half of them of each of the first two bots. */
const WAITING_CHATS = 1_000;
/** Telegram ids of waiting chats begin here, and no others are as high. */
export const FIRST_WAITING_CHAT = 5_000_000;

/** Rows are stored as they are known to fit: without this every one of them would look for the row it refers to. */
const TRUSTED = 'SET session_replication_role = replica';

/**
 * Stores delivered messages of the first bot, both directions, with everything that they leave behind: chats, idle
 * lanes, links, attempts, keys of processed events (all within the days that those are kept).
 */
export async function storeHistory(database: string, messages: number): Promise<void> {
  await query(
    database,
    `${TRUSTED};
     CREATE TEMP TABLE bot ON COMMIT DROP AS
       SELECT b.id, b.portal_id, p.connector_id FROM bots b JOIN portals p ON p.id = b.portal_id ORDER BY b.id LIMIT 1;

     ${insertChats('SELECT id, portal_id FROM bot', FIRST_HISTORY_CHAT, HISTORY_CHATS)};

     CREATE TEMP TABLE said ON COMMIT DROP AS
       SELECT n, nextval(pg_get_serial_sequence('messages', 'id')) AS id, c.id AS chat_id, c.telegram_chat_id,
              1000000 + n / ${HISTORY_CHATS} AS telegram_message_id, n / ${HISTORY_CHATS} % 2 = 0 AS inbound,
              now() - interval '1 hour' - (${messages} - n) * (interval '4 days' / ${messages}) AS at
         FROM generate_series(0, ${messages - 1}) AS n
         JOIN chat_links c ON c.telegram_chat_id = ${FIRST_HISTORY_CHAT} + n % ${HISTORY_CHATS} ORDER BY n;

     INSERT INTO messages (id, portal_id, bot_id, chat_id, direction, state, kind, text, author_id, author_name,
                           external_chat_id, bitrix_message_id, bitrix_chat_id, raw, attempts, said_at, created_at, delivered_at)
     SELECT s.id, bot.portal_id, bot.id, s.chat_id, CASE WHEN inbound THEN 'inbound' ELSE 'outbound' END::"Direction",
            'delivered', 'text', ${TEXT},
            CASE WHEN inbound THEN s.telegram_chat_id::text ELSE '27' END,
            CASE WHEN inbound THEN 'Client Petrov' ELSE 'Samantha Johnson' END,
            'tg:' || s.telegram_chat_id, CASE WHEN inbound THEN NULL ELSE (10000000 + n)::text END,
            CASE WHEN inbound THEN NULL ELSE (100000 + s.chat_id)::text END, ${UPDATE}, 1, s.at, s.at, s.at
       FROM said s, bot;

     ${INSERT_LINKS};

     INSERT INTO attempts (message_id, kind, number, started_at, finished_at, outcome, instance)
     SELECT s.id, kind::"DeliveryKind", 1, s.at, s.at, 'delivered', 'bench-1-abcdef'
       FROM said s JOIN unnest('{message,status}'::text[]) AS kind ON kind = 'message' OR NOT inbound ORDER BY s.id;

     INSERT INTO processed_events (source, key, received_at)
     SELECT CASE WHEN inbound THEN 'telegram:' || bot.id ELSE 'bitrix24:' || bot.portal_id END,
            CASE WHEN inbound THEN (10000000 + n)::text ELSE bot.connector_id || ':' || (10000000 + n) END, s.at
       FROM said s, bot;

     INSERT INTO lanes (chat_id, channel, endpoint, priority, tail, due_at)
     SELECT chat_id, channel::"Channel", CASE WHEN channel = 'outbound' THEN 'bot:' || bot.id ELSE 'portal:' || bot.portal_id END,
            CASE WHEN channel = 'status' THEN 5 ELSE 0 END, count(*), max(at)
       FROM said JOIN unnest('{inbound,outbound,status}'::text[]) AS channel ON (channel = 'inbound') = inbound, bot
      GROUP BY chat_id, channel, bot.id, bot.portal_id`,
  );
  await settleDown(database);
}

/**
 * Stores messages of clients that wait: half of them of the first bot, tried once and due again in an hour, half of
 * the second one, due now.
 */
export async function storeWaiting(database: string, messages: number): Promise<void> {
  const half = WAITING_CHATS / 2;
  const bot = (n: number) => `SELECT id, portal_id FROM bots ORDER BY id LIMIT 1 OFFSET ${n}`;
  await query(
    database,
    `${TRUSTED};
     ${insertChats(bot(0), FIRST_WAITING_CHAT, half)};
     ${insertChats(bot(1), FIRST_WAITING_CHAT + half, half)};

     CREATE TEMP TABLE said ON COMMIT DROP AS
       SELECT n, nextval(pg_get_serial_sequence('messages', 'id')) AS id, c.id AS chat_id, c.bot_id, c.portal_id,
              c.telegram_chat_id, 1 + n / ${WAITING_CHATS} AS telegram_message_id,
              n < ${WAITING_CHATS} AND c.telegram_chat_id < ${FIRST_WAITING_CHAT + half} AS tried,
              now() - (${messages} - n) * interval '10 milliseconds' AS at
         FROM generate_series(0, ${messages - 1}) AS n
         JOIN chat_links c ON c.telegram_chat_id = ${FIRST_WAITING_CHAT} + n % ${WAITING_CHATS} ORDER BY n;

     INSERT INTO messages (id, portal_id, bot_id, chat_id, direction, state, kind, text, author_id, author_name,
                           external_chat_id, raw, attempts, said_at, created_at)
     SELECT s.id, s.portal_id, s.bot_id, s.chat_id, 'inbound', 'queued', 'text', ${TEXT}, s.telegram_chat_id::text,
            'Client Petrov', 'tg:' || s.telegram_chat_id, ${UPDATE}, tried::int, s.at, s.at
       FROM said s;

     ${INSERT_LINKS};

     INSERT INTO attempts (message_id, kind, number, started_at, finished_at, outcome, code, instance)
     SELECT id, 'message', 1, at, at, 'retry', '503', 'bench-1-abcdef' FROM said WHERE tried;

     INSERT INTO processed_events (source, key, received_at)
     SELECT 'telegram:' || bot_id, (20000000 + n)::text, at FROM said;

     INSERT INTO lanes (chat_id, channel, endpoint, tail, pending, due_at)
     SELECT chat_id, 'inbound', 'portal:' || portal_id, count(*), count(*),
            CASE WHEN bool_or(tried) THEN now() + interval '1 hour' ELSE min(at) END
       FROM said GROUP BY chat_id, portal_id;

     INSERT INTO deliveries (lane_id, seq, message_id, kind, attempts, created_at)
     SELECT l.id, row_number() OVER (PARTITION BY l.id ORDER BY s.id), s.id, 'message', s.tried::int, s.at
       FROM said s JOIN lanes l ON l.chat_id = s.chat_id AND l.channel = 'inbound'`,
  );
  await settleDown(database);
}

const TEXT = `'Message ' || n || ': is the blue one still available in size 42?'`;

/** As Telegram writes it. */
const UPDATE = `jsonb_build_object('update_id', 10000000 + n, 'message', jsonb_build_object(
       'message_id', s.telegram_message_id, 'date', extract(epoch FROM s.at)::int, 'text', ${TEXT},
       'from', jsonb_build_object('id', s.telegram_chat_id, 'is_bot', false, 'first_name', 'Client', 'last_name', 'Petrov',
                                  'username', 'client_' || s.telegram_chat_id, 'language_code', 'en'),
       'chat', jsonb_build_object('id', s.telegram_chat_id, 'first_name', 'Client', 'last_name', 'Petrov',
                                  'username', 'client_' || s.telegram_chat_id, 'type', 'private')))`;

const INSERT_LINKS = `INSERT INTO message_links (message_id, part, chat_id, telegram_message_id)
     SELECT id, 0, chat_id, telegram_message_id FROM said`;

/** @param bot query of its `id` and `portal_id` */
function insertChats(bot: string, first: number, count: number): string {
  return `INSERT INTO chat_links (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title, first_name,
                                  last_name, username, language, last_inbound_at)
     SELECT bot.id, bot.portal_id, 'tg:' || c, 'tg:' || c, c, 'Client Petrov', 'Client', 'Petrov', 'client_' || c, 'en',
            now() - interval '1 hour'
       FROM (${bot}) bot, generate_series(${first}, ${first + count - 1}) AS c`;
}

/** What the server would otherwise do about so many new rows while the program is measured. */
async function settleDown(database: string): Promise<void> {
  await query(database, 'VACUUM (ANALYZE)');
  await query(database, 'CHECKPOINT');
}
