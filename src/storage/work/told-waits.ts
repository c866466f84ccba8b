import type { Queryable } from '../postgres/database.service.js';
import { appendReports, routeReports, type Report } from './dialog-reports.js';

/** Operators are told of waits longer than this, in milliseconds. */
export const LONG_WAIT_MS = 300_000;

/** Code of the note that a message waits because the network asked for silence; its payload names `until`. */
export const WAITS = 'waits';

/** A note that is due: on the operator's message that waits longest in its chat. */
export interface WaitNote {
  messageId: bigint;
  until: Date;
}

/**
 * Notes for those of these lanes whose wait no operator has been told about although an operator's message waits: each
 * wait is returned once, whatever becomes of the process. Messages of the portal itself (author 0) do not count.
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

/** The note that tells of a wait. */
export function waitReport({ messageId, until }: WaitNote): Report {
  return { messageId, payload: { code: WAITS, detail: '', about: 'message', until: until.toISOString() } };
}

/** Operators are told of messages that came into waits of these lanes; returns the portals that have work. */
export async function tellOfWaits(connection: Queryable, laneIds: bigint[]): Promise<string[]> {
  const waits = await untoldWaits(connection, laneIds);
  return appendReports(connection, await routeReports(connection, waits.map(waitReport)));
}
