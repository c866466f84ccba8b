import { Injectable } from '@nestjs/common';
import { withoutSecrets } from '../../common/redact.js';
import { insertAuditEntry, type NewAuditEntry } from '../postgres/audit-entries.js';
import { AUDIT_ENTRY } from '../postgres/columns.js';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { AuditEntry } from '../prisma/client.js';

export interface AuditFilter {
  portalId?: bigint;
  action?: string;
  from?: Date;
  to?: Date;
  /** Ids below it. */
  before?: bigint;
}

/** The table `audit_entries`: who changed what, and how that ended. */
@Injectable()
export class AuditRepository {
  constructor(private readonly db: DatabaseService) {}

  /** As {@link insertAuditEntry}. */
  record(entry: NewAuditEntry): Promise<bigint> {
    return insertAuditEntry(this.db, entry);
  }

  /** What is known of a change once it is over, in place of what was known when it began. */
  async complete(id: bigint, { subject, portalId, detail, outcome = 'done' }: NewAuditEntry): Promise<void> {
    await this.db.query(
      `UPDATE audit_entries SET subject = $2, portal_id = $3, detail = $4::jsonb, outcome = $5 WHERE id = $1`,
      [id, subject, portalId, jsonb(withoutSecrets(detail)), outcome],
    );
  }

  /** A change that was begun was refused before anything of it was done. */
  async withdraw(id: bigint): Promise<void> {
    await this.db.query(`DELETE FROM audit_entries WHERE id = $1 AND outcome = 'begun'`, [id]);
  }

  /** Newest first, at most `limit`. */
  async list({ portalId, action, from, to, before }: AuditFilter, limit: number): Promise<AuditEntry[]> {
    const { rows } = await this.db.query<AuditEntry>(
      `SELECT ${AUDIT_ENTRY} FROM audit_entries
        WHERE ($2::bigint IS NULL OR portal_id = $2) AND ($3::text IS NULL OR action = $3)
          AND ($4::timestamptz IS NULL OR at >= $4) AND ($5::timestamptz IS NULL OR at <= $5)
          AND ($6::bigint IS NULL OR id < $6)
        ORDER BY id DESC LIMIT $1`,
      [limit, portalId ?? null, action ?? null, from ?? null, to ?? null, before ?? null],
    );
    return rows;
  }
}
