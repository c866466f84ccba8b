import type { Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';

/** Keeps an event of Bitrix24 that is no message, as it came. */
export async function insertEvent(
  connection: Queryable,
  event: { portalId: bigint; name: string; raw: unknown },
): Promise<void> {
  await connection.query(`INSERT INTO events (portal_id, name, raw) VALUES ($1, $2, $3::jsonb)`, [
    event.portalId,
    event.name,
    jsonb(event.raw),
  ]);
}
