import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';
import type { Line, LineState, OperatorName } from './prisma/client.js';

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

  /**
   * What clients read before an operator's words in this line, from the next message on; the template counts with
   * `template` only. False: we do not know the line.
   */
  async setOperatorName(
    portalId: bigint,
    lineId: string,
    shown: { operatorName: OperatorName; template: string | null },
  ): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE lines SET operator_name = $3::"OperatorName", operator_name_template = $4, updated_at = now()
        WHERE portal_id = $1 AND line_id = $2`,
      [portalId, lineId, shown.operatorName, shown.template],
    );
    return (rowCount ?? 0) > 0;
  }

  /** Changes the state of a line that we know; false: it is in that state, or we never had it, which is no error. */
  async setState(portalId: bigint, lineId: string, state: LineState): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE lines SET state = $3::"LineState", updated_at = now()
        WHERE portal_id = $1 AND line_id = $2 AND state <> $3::"LineState"`,
      [portalId, lineId, state],
    );
    return (rowCount ?? 0) > 0;
  }

  /** The application was removed, and our connector with it from every line. */
  async switchAllOff(portalId: bigint): Promise<void> {
    await this.db.query(
      `UPDATE lines SET state = 'inactive', updated_at = now() WHERE portal_id = $1 AND state = 'active'`,
      [portalId],
    );
  }
}
