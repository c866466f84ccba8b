import type { Queryable } from '../postgres/database.service.js';
import type { ClientUpdateRow } from './intake.rows.js';

/** Kind of the messages that are a press of Start: `/start`, which the app sends by itself, with the payload of a link. */
export const START = 'start';

/**
 * Whether the payload is a code of the CRM's own tracker, by which it knows whom a link of its was made for. The
 * portal's own channel looks for the prefix letter by letter; see `ref` in dialog.message.ts for what others would do.
 */
export function isTrackerCode(payload: string): boolean {
  return /^btrx[0-9A-Za-z]{10}$/.test(payload);
}

/**
 * The updates as their lines want them. A press of Start that no link led to is nobody's words and waits for some; where
 * the line says so (`start_opens_session`) the client has spoken with it. Asks nothing of the database when nobody
 * pressed.
 */
export async function heedStarts(connection: Queryable, updates: ClientUpdateRow[]): Promise<ClientUpdateRow[]> {
  const pressed = updates.filter(waits);
  if (pressed.length === 0) return updates;
  const { rows } = await connection.query<{ id: bigint }>(
    `SELECT b.id FROM bots b JOIN lines l ON l.portal_id = b.portal_id AND l.line_id = b.line_id
      WHERE b.id = ANY($1::bigint[]) AND l.start_opens_session`,
    [[...new Set(pressed.map(({ botId }) => botId))]],
  );
  const opening = new Set(rows.map(({ id }) => id));
  return updates.map((update) => {
    if (!waits(update) || !opening.has(update.botId)) return update;
    const { canWait: _canWait, ...said } = update.said!;
    return { ...update, said: { ...said, systemLine: false } };
  });
}

function waits({ said }: ClientUpdateRow): boolean {
  return said?.kind === START && said.canWait === true;
}
