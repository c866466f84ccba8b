import type { Queryable } from '../postgres/database.service.js';
import type { EventRow } from './intake.rows.js';
import { jsonb, storableText } from '../postgres/json.js';

/** What the updates of a bot are known by; see `processed_events.source`. */
export const updateSource = (botId: bigint) => `telegram:${botId}`;
/** The same of a portal's events. */
export const eventSource = (portalId: bigint) => `bitrix24:${portalId}`;

/** Remembers the keys and returns the items whose key was not there yet, in their order, each key once. */
export async function firstSeen<Item extends EventRow>(connection: Queryable, items: Item[]): Promise<Item[]> {
  const { rows } = await connection.query<{ source: string; key: string }>(
    `INSERT INTO processed_events (source, key)
     SELECT DISTINCT source, key FROM jsonb_to_recordset($1::jsonb) AS r(source text, key text) ORDER BY source, key
     ON CONFLICT DO NOTHING RETURNING source, key`,
    [jsonb(items.map(({ source, key }) => ({ source, key })))],
  );
  const fresh = new Set(rows.map((row) => `${row.source}/${row.key}`));
  return items.filter((item) => fresh.delete(`${storableText(item.source)}/${storableText(item.key)}`));
}
