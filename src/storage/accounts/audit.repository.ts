import { Injectable } from '@nestjs/common';
import { withoutSecrets } from '../../common/redact.js';
import { AUDIT_ENTRY } from '../postgres/columns.js';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { AuditEntry, Prisma } from '../prisma/client.js';

export interface NewAuditEntry {
  /** Who, and from which address: `name@ip`. */
  actor: string;
  /** What was done, e.g. `bot.create`. */
  action: string;
  /** To what, e.g. `bot:5`. */
  subject: string;
  /** The portal that the change belongs to; null: to none, or to all. */
  portalId: bigint | null;
  detail: Prisma.InputJsonObject;
}

export interface AuditFilter {
  portalId?: bigint;
  action?: string;
  from?: Date;
  to?: Date;
  /** Ids below it. */
  before?: bigint;
}

/** The table `audit_entries`: who changed what. Append only. */
@Injectable()
export class AuditRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Whatever `detail` holds, its secrets are not kept: see {@link withoutSecrets}. */
  async record(entry: NewAuditEntry): Promise<void> {
    await this.db.query(
      `INSERT INTO audit_entries (actor, action, subject, portal_id, detail) VALUES ($1, $2, $3, $4, $5::jsonb)`,
      [entry.actor, entry.action, entry.subject, entry.portalId, jsonb(withoutSecrets(entry.detail))],
    );
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
