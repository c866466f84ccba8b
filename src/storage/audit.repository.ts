import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';
import type { AuditEntry, Prisma } from './prisma/client.js';

/** The table `audit_entries`: who changed what through the admin API. Append only. */
@Injectable()
export class AuditRepository {
  constructor(private readonly db: DatabaseService) {}

  /** `detail` must be free of credentials. */
  async record(entry: {
    actor: string;
    action: string;
    subject: string;
    detail: Prisma.InputJsonObject;
  }): Promise<void> {
    await this.db.prisma.auditEntry.create({ data: entry });
  }

  /** Newest first; `before` is the id of the last entry already seen. */
  list(limit: number, before?: bigint): Promise<AuditEntry[]> {
    return this.db.prisma.auditEntry.findMany({
      where: before === undefined ? {} : { id: { lt: before } },
      orderBy: { id: 'desc' },
      take: limit,
    });
  }
}
