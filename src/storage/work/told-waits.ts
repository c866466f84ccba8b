import type { Queryable } from '../postgres/database.service.js';

/** What a network asked for must be longer than this to be told, in milliseconds. */
export const LONG_WAIT_MS = 300_000;

/** Code of the note that a message waits because the network asked for silence; its payload names `until`. */
export const WAITS = 'waits';

/** A note that is due: on the operator's message that waits longest in its chat. */
export interface WaitNote {
  messageId: bigint;
  until: Date;
}

/**
 * Of these lanes, those that wait and of whose wait no operator was told although one waits: each is returned once in
 * its wait, whatever becomes of the process. What the portal itself writes (author 0) tells nobody.
 */
export async function untoldWaits(connection: Queryable, laneIds: bigint[]): Promise<WaitNote[]> {
  if (laneIds.length === 0) return [];
  const { rows } = await connection.query<{ message_id: bigint; waits_until: Date }>(
    `UPDATE lanes l SET wait_told = true
       FROM (
         SELECT w.id, first.message_id
           FROM lanes w CROSS JOIN LATERAL (
             SELECT d.message_id FROM deliveries d JOIN messages m ON m.id = d.message_id
              WHERE d.lane_id = w.id AND d.kind = 'message' AND m.bitrix_message_id IS NOT NULL
                AND m.author_id IS DISTINCT FROM '0'
              ORDER BY d.seq LIMIT 1) first
          WHERE w.id = ANY($1::bigint[]) AND w.channel = 'outbound' AND w.waits_until > now() AND NOT w.wait_told) t
      WHERE l.id = t.id RETURNING t.message_id, l.waits_until`,
    [laneIds],
  );
  return rows.map((row) => ({ messageId: row.message_id, until: row.waits_until }));
}
