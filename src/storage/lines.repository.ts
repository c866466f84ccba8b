import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';
import type { Line, LineState } from './prisma/client.js';

/** The table `lines`: the open lines in which our connector was switched on. */
@Injectable()
export class LinesRepository {
  constructor(private readonly db: DatabaseService) {}

  listByPortal(portalId: bigint): Promise<Line[]> {
    return this.db.prisma.line.findMany({ where: { portalId }, orderBy: { lineId: 'asc' } });
  }

  find(portalId: bigint, lineId: string): Promise<Line | null> {
    return this.db.prisma.line.findUnique({ where: { portalId_lineId: { portalId, lineId } } });
  }

  /** Remembers that the connector works in this line; a line that was off or deleted is on again. */
  async activate(portalId: bigint, lineId: string): Promise<void> {
    await this.db.query(
      `INSERT INTO lines (portal_id, line_id, state, updated_at) VALUES ($1, $2, 'active', now())
       ON CONFLICT (portal_id, line_id) DO UPDATE SET state = 'active', updated_at = now()`,
      [portalId, lineId],
    );
  }

  /** Changes the state of a line that we know; false: we never had it, which is no error. */
  async setState(portalId: bigint, lineId: string, state: LineState): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE lines SET state = $3::"LineState", updated_at = now() WHERE portal_id = $1 AND line_id = $2`,
      [portalId, lineId, state],
    );
    return (rowCount ?? 0) > 0;
  }
}
