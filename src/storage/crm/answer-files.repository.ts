import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { readContent, storeContent, type ArrivingContent, type StoredFile } from './file-contents.js';
import { FILE_IS_NEEDED, lockPortal } from './answer-rows.js';
import type { ReadyAnswerRow } from './ready-answers.repository.js';

/** A file that is to be kept with a ready answer. */
export interface NewAnswerFile {
  portalId: bigint;
  answerId: bigint;
  name: string;
  mime: string | null;
  content: ArrivingContent;
}

/** What a portal may keep. */
export interface FileLimits {
  filesOfAnswer: number;
  bytesOfPortal: number;
}

/** The table `answer_files`. */
@Injectable()
export class AnswerFilesRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Keeps the file in place of the one of the same name, when all of it has come. `gone`: there is no such answer of this
   * portal; `too_many`, `full`: the answer has as many files, the portal as many bytes, as it may.
   */
  async keep(
    { portalId, answerId, name, mime, content }: NewAnswerFile,
    limits: FileLimits,
  ): Promise<'kept' | 'gone' | 'too_many' | 'full'> {
    const { rows } = await this.db.query<{ id: bigint }>(
      `INSERT INTO answer_files (portal_id, name, mime, size) SELECT id, $2, $3, 0 FROM portals WHERE id = $1 AND state <> 'uninstalled' RETURNING id`,
      [portalId, name, mime],
    );
    if (!rows[0]) return 'gone';
    const [{ id }] = rows as [{ id: bigint }];
    let kept: 'kept' | 'gone' | 'too_many' | 'full' | undefined;
    try {
      const size = await storeContent(this.db, id, content);
      kept = size === null ? 'gone' : await this.attach({ id, size, portalId, answerId, name }, limits);
      return kept;
    } finally {
      if (kept !== 'kept') await this.db.query(`DELETE FROM answer_files WHERE id = $1`, [id]);
    }
  }

  private attach(
    { id, size, portalId, answerId, name }: { id: bigint; size: number } & Omit<NewAnswerFile, 'mime' | 'content'>,
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
           FROM answer_files WHERE portal_id = $1 AND chat_id IS NULL`,
        [portalId, answerId, name],
      );
      const { files, bytes } = rows[0]!;
      if (files >= limits.filesOfAnswer) return 'too_many';
      if (bytes + size > limits.bytesOfPortal) return 'full';
      await connection.query(TAKE_AWAY, [answerId, name]);
      await connection.query(FORGET, [answerId, name]);
      const { rowCount } = await connection.query(`UPDATE answer_files SET answer_id = $2, size = $3 WHERE id = $1`, [
        id,
        answerId,
        size,
      ]);
      await connection.query(`UPDATE ready_answers SET changed_at = now() WHERE id = $1`, [answerId]);
      return rowCount === 0 ? 'gone' : 'kept';
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
      `WITH theirs AS MATERIALIZED (
         SELECT id FROM answer_files WHERE answer_id = $1 AND id = ANY($2::bigint[]) ORDER BY id FOR NO KEY UPDATE
       )
       UPDATE answer_files f SET used_at = now() FROM theirs WHERE f.id = theirs.id`,
      [id, files.map((file) => file.id)],
    );
    return rowCount === files.length;
  }

  /** A file of an answer, or of a message. Null: the portal has no such file. */
  async open(portalId: bigint, id: bigint): Promise<StoredFile | null> {
    const { rows } = await this.db.query<Omit<StoredFile, 'content'>>(
      `SELECT name, mime, size FROM answer_files WHERE id = $1 AND portal_id = $2 AND size > 0`,
      [id, portalId],
    );
    return rows[0] ? { ...rows[0], content: readContent(this.db, id, rows[0].size) } : null;
  }

  /** Forgets files that were taken away and that no message needs any more, and what never arrived whole. */
  async purge(): Promise<void> {
    await this.db.query(
      `DELETE FROM answer_files
        WHERE answer_id IS NULL AND chat_id IS NULL AND NOT ${FILE_IS_NEEDED}
          AND (size > 0 OR created_at < now() - interval '1 hour')`,
    );
  }
}

/** Parameters: the answer, the name. */
const TAKE_AWAY = `UPDATE answer_files SET answer_id = NULL WHERE answer_id = $1 AND name = $2 AND ${FILE_IS_NEEDED}`;
const FORGET = `DELETE FROM answer_files WHERE answer_id = $1 AND name = $2`;
