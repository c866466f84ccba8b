import { Injectable } from '@nestjs/common';
import { withoutSecrets } from '../common/redact.js';
import { DatabaseService } from './database.service.js';
import type { AuditEntry, Prisma } from './prisma/client.js';

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
    await this.db.prisma.auditEntry.create({ data: { ...entry, detail: withoutSecrets(entry.detail) } });
  }

  /** Newest first, at most `limit`. */
  list({ portalId, action, from, to, before }: AuditFilter, limit: number): Promise<AuditEntry[]> {
    return this.db.prisma.auditEntry.findMany({
      where: { portalId, action, at: { gte: from, lte: to }, id: { lt: before } },
      orderBy: { id: 'desc' },
      take: limit,
    });
  }
}
