import { insertAuditEntry, PROGRAM } from '../postgres/audit-entries.js';
import type { Queryable } from '../postgres/database.service.js';

/** Why the program pauses a broadcast that runs; people decide how it goes on. */
export const PAUSE_REASONS = [
  /** Its file could not be had, or Telegram does not take it: nobody gets the words without it. */
  'file_unavailable',
  /** The application was removed from the portal: what was news then may be none when it comes back. */
  'portal_removed',
  /** All who wait, wait for bots that are switched off, refused by Telegram, or whose open line is switched off. */
  'bots_off',
] as const;
export type PauseReason = (typeof PAUSE_REASONS)[number];

/**
 * Pauses one broadcast, or all of a portal, that run; `detail` is for the audit. What waits in lanes is taken back afterwards: see
 * BroadcastFanOut. To be called in a transaction.
 */
export async function haltBroadcasts(
  connection: Queryable,
  { id, portalId }: { id?: bigint; portalId?: bigint },
  reason: PauseReason,
  detail = '',
): Promise<void> {
  const { rows } = await connection.query<{ id: bigint; portal_id: bigint }>(
    `UPDATE broadcasts SET state = 'paused', pause_reason = $3
      WHERE state = 'running' AND (id = $1 OR portal_id = $2) RETURNING id, portal_id`,
    [id ?? null, portalId ?? null, reason],
  );
  for (const broadcast of rows) {
    await insertAuditEntry(connection, {
      actor: PROGRAM,
      action: 'broadcast.pause',
      subject: `broadcast:${broadcast.id}`,
      portalId: broadcast.portal_id,
      detail: { reason, ...(detail && { detail }) },
    });
  }
}
