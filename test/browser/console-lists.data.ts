import { Client } from 'pg';
import type { Bridge } from '../support/bridge.js';

/** SQL on the database of the bridge. */
export async function sql<Row extends object>(bridge: Bridge, text: string, values: unknown[] = []): Promise<Row[]> {
  const database = new Client({ connectionString: bridge.database.directUrl });
  await database.connect();
  try {
    return (await database.query<Row>(text, values)).rows;
  } finally {
    await database.end();
  }
}

/** A chat of the first bot; answers our id of it. */
export async function storeChat(bridge: Bridge, telegramId: number, title: string): Promise<string> {
  const [chat] = await sql<{ id: string }>(
    bridge,
    `INSERT INTO chat_links (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title, first_name, language)
     SELECT id, portal_id, 'tg:' || $1::bigint, 'tg:' || $1::bigint, $1::bigint, $2, $2, 'en' FROM bots ORDER BY id LIMIT 1 RETURNING id`,
    [telegramId, title],
  );
  return chat!.id;
}

export interface Stored {
  from: number;
  to: number;
  state?: 'delivered' | 'failed' | 'uncertain' | 'queued';
  direction?: 'inbound' | 'outbound';
  /** How long ago. */
  hours?: number;
}

/** Messages `no. <from>;` to `no. <to>;` of a chat, a second after one another; answers their ids. */
export async function storeMessages(
  bridge: Bridge,
  chat: string,
  { from, to, state = 'delivered', direction = 'inbound', hours = 0 }: Stored,
): Promise<string[]> {
  const rows = await sql<{ id: string }>(
    bridge,
    `INSERT INTO messages (portal_id, bot_id, chat_id, direction, state, kind, text, author_id, author_name,
                           external_chat_id, raw, attempts, created_at, delivered_at)
     SELECT portal_id, bot_id, id, $4::"Direction", $5::"MessageState", 'text', 'no. ' || n || ';', telegram_chat_id::text, title,
            external_id, '{}', 1, now() - $6::float8 * interval '1 hour' - ($3::int - n) * interval '1 second', now()
       FROM chat_links, generate_series($2::int, $3::int) n WHERE id = $1 ORDER BY n RETURNING id`,
    [chat, from, to, direction, state, hours],
  );
  return rows.map(({ id }) => id);
}
