import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import { filesOf, lockPortal, readFiles, takeFilesOff, type KeptFileRow, type RowWithFiles } from './kept-files.js';

export interface ReadyAnswerRow {
  id: bigint;
  portalId: bigint;
  /** null: for every line of the portal. */
  lineId: string | null;
  title: string;
  shortcut: string | null;
  /** BBCode. */
  text: string;
  language: string | null;
  createdAt: Date;
  createdBy: string;
  /** Another one whenever its words or files change. */
  changedAt: Date;
  /** In the order in which they came. */
  files: KeptFileRow[];
}

export type NewReadyAnswer = Pick<
  ReadyAnswerRow,
  'portalId' | 'lineId' | 'title' | 'shortcut' | 'text' | 'language' | 'createdBy'
>;

export interface ReadyAnswerFilter {
  portalId?: bigint;
  /** Those of this line and those of every line. */
  lineId?: string;
  /** Those that stand behind this one. */
  after?: bigint;
}

export type ReadyAnswerChange = Partial<Pick<NewReadyAnswer, 'lineId' | 'title' | 'shortcut' | 'text' | 'language'>>;

const COLUMNS = `a.id, a.portal_id AS "portalId", a.line_id AS "lineId", a.title, a.shortcut, a.text, a.language,
  a.created_at AS "createdAt", a.created_by AS "createdBy", a.changed_at AS "changedAt",
  ${filesOf('answer_id', 'a.id')} AS files`;

type Row = Omit<ReadyAnswerRow, 'files'> & RowWithFiles;

/** The table `ready_answers`. */
@Injectable()
export class ReadyAnswersRepository {
  constructor(private readonly db: DatabaseService) {}

  /** In the order that people gave them, portal by portal. */
  async list({ portalId, lineId, after }: ReadyAnswerFilter, limit: number): Promise<ReadyAnswerRow[]> {
    const { rows } = await this.db.query<Row>(
      `SELECT ${COLUMNS} FROM ready_answers a
        WHERE ($1::bigint IS NULL OR a.portal_id = $1) AND ($2::text IS NULL OR a.line_id IS NULL OR a.line_id = $2)
          AND ($3::bigint IS NULL OR (a.portal_id, a.position, a.id) >
               (SELECT portal_id, position, id FROM ready_answers WHERE id = $3))
        ORDER BY a.portal_id, a.position, a.id LIMIT $4`,
      [portalId ?? null, lineId ?? null, after ?? null, limit],
    );
    return rows.map(read);
  }

  async find(id: bigint): Promise<ReadyAnswerRow | null> {
    const { rows } = await this.db.query<Row>(`SELECT ${COLUMNS} FROM ready_answers a WHERE a.id = $1`, [id]);
    return rows[0] ? read(rows[0]) : null;
  }

  /** Puts it at the end. Null: the portal has `limit` of them already. */
  async create({ portalId, ...answer }: NewReadyAnswer, limit: number): Promise<bigint | null> {
    return this.db.transaction(async (connection) => {
      await lockPortal(connection, portalId);
      const { rows } = await connection.query<{ id: bigint }>(
        `INSERT INTO ready_answers (portal_id, line_id, title, shortcut, text, language, created_by, position)
         SELECT $1, r.line_id, r.title, r.shortcut, r.text, r.language, r.created_by, k.position
           FROM jsonb_to_record($2::jsonb) AS r(line_id text, title text, shortcut text, text text, language text, created_by text),
                (SELECT coalesce(max(position) + 1, 0) AS position, count(*) AS known FROM ready_answers WHERE portal_id = $1) k
          WHERE k.known < $3 RETURNING id`,
        [portalId, jsonb({ ...answer, line_id: answer.lineId, created_by: answer.createdBy }), limit],
      );
      return rows[0]?.id ?? null;
    });
  }

  /** What is not named stays. False: there is no such answer. */
  async change(id: bigint, { lineId, title, shortcut, text, language }: ReadyAnswerChange): Promise<boolean> {
    const values = { line_id: lineId, title, shortcut, text, language };
    const named = Object.entries(values).filter(([, value]) => value !== undefined);
    const { rowCount } = await this.db.query(
      `UPDATE ready_answers SET ${[...named.map(([column], at) => `${column} = $${at + 2}`), 'changed_at = now()'].join(', ')}
        WHERE id = $1`,
      [id, ...named.map(([, value]) => value)],
    );
    return (rowCount ?? 0) > 0;
  }

  /** Puts it before the one that stands at this place among the others of its portal, from 0; beyond the last: at the end. */
  async place(portalId: bigint, id: bigint, place: number): Promise<void> {
    await this.db.transaction(async (connection) => {
      await lockPortal(connection, portalId);
      await connection.query(
        `WITH others AS (
           SELECT id, row_number() OVER (ORDER BY position, id) - 1 AS at FROM ready_answers WHERE portal_id = $1 AND id <> $2
         )
         UPDATE ready_answers a SET position = n.position
           FROM (SELECT id, CASE WHEN at < $3 THEN at ELSE at + 1 END AS position FROM others
                 UNION ALL SELECT $2, least($3, (SELECT count(*) FROM others))) n
          WHERE a.id = n.id AND a.portal_id = $1`,
        [portalId, id, place],
      );
    });
  }

  /** With its files, but for those that messages on their way may name. */
  async remove(id: bigint): Promise<void> {
    await this.db.transaction(async (connection) => {
      // The answer before its files: in this order everywhere.
      await connection.query(`SELECT FROM ready_answers WHERE id = $1 FOR UPDATE`, [id]);
      await takeFilesOff(connection, { answerId: id }, null);
      await connection.query(`DELETE FROM ready_answers WHERE id = $1`, [id]);
    });
  }
}

function read(row: Row): ReadyAnswerRow {
  return { ...row, files: readFiles(row) };
}
