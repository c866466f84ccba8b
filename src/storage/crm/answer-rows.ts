import type { Queryable } from '../postgres/database.service.js';

/** A message that waits longer goes without its files, and the dialog is told. */
const KEPT_DAYS = 7;

/** SQL: a message that was accepted with this row of `answer_files` may still be on its way. */
export const FILE_IS_NEEDED = `(used_at IS NOT NULL AND used_at > now() - interval '${KEPT_DAYS} days')`;

/** Until the commit nobody else counts, or orders, what the portal has. */
export async function lockPortal(connection: Queryable, portalId: bigint): Promise<void> {
  await connection.query(`SELECT FROM portals WHERE id = $1 FOR NO KEY UPDATE`, [portalId]);
}
