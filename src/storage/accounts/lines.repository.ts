import { Injectable } from '@nestjs/common';
import { LINE } from '../postgres/columns.js';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { Line, LineState, OperatorName } from '../prisma/client.js';

/** What clients read, before an operator's words and when they press Start, and what such a press does. */
export interface LineChange {
  operatorName?: OperatorName;
  operatorNameTemplate?: string | null;
  /** null: the bot says nothing. */
  welcomeText?: string | null;
  /** A press of Start opens a session, although the client has said nothing yet. */
  startOpensSession?: boolean;
  /** Under the welcome text stands a button by which clients share their phone number. */
  welcomeAsksPhone?: boolean;
}

/** The table `lines`: the open lines in which our connector was switched on. */
@Injectable()
export class LinesRepository {
  constructor(private readonly db: DatabaseService) {}

  async listByPortal(portalId: bigint): Promise<Line[]> {
    const { rows } = await this.db.query<Line>(`SELECT ${LINE} FROM lines WHERE portal_id = $1 ORDER BY line_id`, [
      portalId,
    ]);
    return rows;
  }

  async find(portalId: bigint, lineId: string): Promise<Line | null> {
    const { rows } = await this.db.query<Line>(
      `SELECT ${LINE} FROM lines WHERE portal_id = $1 AND line_id = $2`,
      [portalId, lineId],
      { name: 'line' },
    );
    return rows[0] ?? null;
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
   * Changes the options of this line, from the next message on; what is left out stays. The template counts with
   * `template` only. False: we do not know the line.
   */
  async change(portalId: bigint, lineId: string, change: LineChange): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE lines
          SET operator_name = coalesce($3::"OperatorName", operator_name),
              operator_name_template = CASE WHEN $4 THEN $5 ELSE operator_name_template END,
              welcome_text = CASE WHEN $6 THEN $7 ELSE welcome_text END,
              start_opens_session = coalesce($8::boolean, start_opens_session),
              welcome_asks_phone = coalesce($9::boolean, welcome_asks_phone),
              updated_at = now()
        WHERE portal_id = $1 AND line_id = $2`,
      [
        portalId,
        lineId,
        change.operatorName ?? null,
        change.operatorNameTemplate !== undefined,
        change.operatorNameTemplate ?? null,
        change.welcomeText !== undefined,
        change.welcomeText ?? null,
        change.startOpensSession ?? null,
        change.welcomeAsksPhone ?? null,
      ],
    );
    return (rowCount ?? 0) > 0;
  }

  /**
   * Keeps under which names operators answer, as the portal says; see the columns. A line that we do not know is left
   * alone.
   */
  async saveOperators(portalId: bigint, lineId: string, data: string, names: Record<string, string>): Promise<void> {
    await this.db.query(
      `UPDATE lines SET operator_data = $3, operator_names = $4::jsonb, updated_at = now()
        WHERE portal_id = $1 AND line_id = $2 AND (operator_data, operator_names) IS DISTINCT FROM ($3, $4::jsonb)`,
      [portalId, lineId, data, jsonb(names)],
    );
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
