import { withoutSecrets } from '../../common/redact.js';
import type { Prisma } from '../prisma/client.js';
import type { Queryable } from './database.service.js';
import { jsonb } from './json.js';

/**
 * How a change ended. `begun`: it is under way, or the program ended in the middle of it; `partial`: some of its steps
 * failed; `failed`: it ended with an error, and what it had done by then stays.
 */
export type AuditOutcome = 'begun' | 'done' | 'partial' | 'failed';

export interface NewAuditEntry {
  /** Who, and from which address: `name@ip`; `portal:1/user:2`: somebody in a portal; `program`: nobody. */
  actor: string;
  /** What was done, e.g. `bot.create`. */
  action: string;
  /** To what, e.g. `bot:5`. */
  subject: string;
  /** The portal that the change belongs to; null: to none, or to all. */
  portalId: bigint | null;
  detail: Prisma.InputJsonObject;
  /** `done` when absent. */
  outcome?: AuditOutcome;
}

/** `actor` of what the program does by itself. */
export const PROGRAM = 'program';

/**
 * Writes an entry and answers its id; in the transaction of the change itself where `connection` is one. Whatever `detail`
 * holds, its secrets are not kept: see {@link withoutSecrets}.
 */
export async function insertAuditEntry(connection: Queryable, entry: NewAuditEntry): Promise<bigint> {
  const { actor, action, subject, portalId, detail, outcome = 'done' } = entry;
  const { rows } = await connection.query<{ id: bigint }>(
    `INSERT INTO audit_entries (actor, action, subject, portal_id, detail, outcome)
     VALUES ($1, $2, $3, $4, $5::jsonb, $6) RETURNING id`,
    [actor, action, subject, portalId, jsonb(withoutSecrets(detail)), outcome],
  );
  return rows[0]!.id;
}

/**
 * Records what the program does to a portal every hour or so: `counts` are added to its entry of the last 24 hours, or begin
 * a new one. Locks the entry, so it comes last in its transaction.
 */
export async function addToAuditEntry(
  connection: Queryable,
  { action, portalId }: { action: string; portalId: bigint },
  counts: Record<string, number>,
): Promise<void> {
  const { rowCount } = await connection.query(
    `UPDATE audit_entries SET detail = detail || (
        SELECT jsonb_object_agg(key, value::bigint + coalesce((detail ->> key)::bigint, 0)) FROM jsonb_each_text($4::jsonb))
      WHERE id = (SELECT id FROM audit_entries
                   WHERE portal_id = $1 AND action = $2 AND actor = $3 AND at > now() - interval '1 day'
                   ORDER BY id DESC LIMIT 1)`,
    [portalId, action, PROGRAM, jsonb(counts)],
  );
  if ((rowCount ?? 0) > 0) return;
  await insertAuditEntry(connection, {
    actor: PROGRAM,
    action,
    subject: `portal:${portalId}`,
    portalId,
    detail: counts,
  });
}
