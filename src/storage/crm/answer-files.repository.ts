import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { FILE_IS_NEEDED, lockPortal } from './answer-rows.js';
import type { ReadyAnswerRow } from './ready-answers.repository.js';

/** A file that is to be kept with a ready answer. */
export interface NewAnswerFile {
  portalId: bigint;
  answerId: bigint;
  name: string;
  mime: string | null;
  content: Buffer;
}

/** What a portal may keep. */
export interface FileLimits {
  filesOfAnswer: number;
  bytesOfPortal: number;
}

/** A file as it is sent. */
export interface StoredFile {
  name: string;
  mime: string | null;
  size: number;
  /** From its first to its last byte; throws where it cannot be read to its end. */
  content: AsyncGenerator<Buffer>;
}

const PART_BYTES = 256 * 1024;
/** The table `answer_files`. */
@Injectable()
export class AnswerFilesRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Keeps the file in place of the one of the same name. `gone`: there is no such answer of this portal; `too_many`, `full`:
   * the answer has as many files, the portal as many bytes, as it may.
   */
  async keep(
    { portalId, answerId, name, mime, content }: NewAnswerFile,
    limits: FileLimits,
  ): Promise<'kept' | 'gone' | 'too_many' | 'full'> {
    return this.db.transaction(async (connection) => {
      await lockPortal(connection, portalId);
      const { rows: known } = await connection.query(
        `SELECT FROM ready_answers WHERE id = $1 AND portal_id = $2 FOR NO KEY UPDATE`,
        [answerId, portalId],
      );
      if (known.length === 0) return 'gone';
      const { rows } = await connection.query<{ files: number; bytes: number }>(
        `SELECT count(*) FILTER (WHERE answer_id = $2 AND name <> $3)::int AS files,
                coalesce(sum(size) FILTER (WHERE NOT (answer_id IS NOT DISTINCT FROM $2 AND name = $3)), 0)::float8 AS bytes
           FROM answer_files WHERE portal_id = $1`,
        [portalId, answerId, name],
      );
      const { files, bytes } = rows[0]!;
      if (files >= limits.filesOfAnswer) return 'too_many';
      if (bytes + content.length > limits.bytesOfPortal) return 'full';
      await connection.query(TAKE_AWAY, [answerId, name]);
      await connection.query(FORGET, [answerId, name]);
      await connection.query(
        `INSERT INTO answer_files (portal_id, answer_id, name, mime, size, content) VALUES ($1, $2, $3, $4, $5, $6)`,
        [portalId, answerId, name, mime, content.length, content],
      );
      await connection.query(`UPDATE ready_answers SET changed_at = now() WHERE id = $1`, [answerId]);
      return 'kept';
    });
  }

  /** False: the answer has no such file. */
  async remove(answerId: bigint, name: string): Promise<boolean> {
    return this.db.transaction(async (connection) => {
      const { rowCount } = await connection.query(
        `UPDATE ready_answers a SET changed_at = now() FROM answer_files f
          WHERE a.id = $1 AND f.answer_id = a.id AND f.name = $2`,
        [answerId, name],
      );
      await connection.query(TAKE_AWAY, [answerId, name]);
      await connection.query(FORGET, [answerId, name]);
      return (rowCount ?? 0) > 0;
    });
  }

  /**
   * A message is about to be accepted with these files of the answer: they stay until it has been sent. False: not all of
   * them belong to it any more.
   */
  async noteUse({ id, files }: Pick<ReadyAnswerRow, 'id' | 'files'>): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE answer_files SET used_at = now() WHERE answer_id = $1 AND id = ANY($2::bigint[])`,
      [id, files.map((file) => file.id)],
    );
    return rowCount === files.length;
  }

  /** Null: the portal has no such file. */
  async open(portalId: bigint, id: bigint): Promise<StoredFile | null> {
    const { rows } = await this.db.query<Omit<StoredFile, 'content'>>(
      `SELECT name, mime, size FROM answer_files WHERE id = $1 AND portal_id = $2`,
      [id, portalId],
    );
    return rows[0] ? { ...rows[0], content: this.read(id, rows[0].size) } : null;
  }

  /** Forgets files that were taken away and that no message needs any more. */
  async purge(): Promise<void> {
    await this.db.query(`DELETE FROM answer_files WHERE answer_id IS NULL AND NOT ${FILE_IS_NEEDED}`);
  }

  private async *read(id: bigint, size: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < size; at += PART_BYTES) {
      const { rows } = await this.db.query<{ part: Buffer }>(
        `SELECT substring(content FROM $2::int FOR $3::int) AS part FROM answer_files WHERE id = $1`,
        [id, at + 1, PART_BYTES],
      );
      if (!rows[0]) throw new Error('The file was deleted while it was read');
      yield rows[0].part;
    }
  }
}

/** Parameters: the answer, the name. */
const TAKE_AWAY = `UPDATE answer_files SET answer_id = NULL WHERE answer_id = $1 AND name = $2 AND ${FILE_IS_NEEDED}`;
const FORGET = `DELETE FROM answer_files WHERE answer_id = $1 AND name = $2`;
