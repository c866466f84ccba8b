import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { readContent, storeContent, type ArrivingContent, type StoredFile } from './file-contents.js';
import { FILE_IS_NEEDED, lockPortal, placeOf, takeFilesOff, type FileOwner, type KeptFileRow } from './kept-files.js';

/** A file that is to be kept. */
export interface NewFile {
  portalId: bigint;
  owner: FileOwner;
  name: string;
  mime: string | null;
  content: ArrivingContent;
}

/** What a portal may keep. */
export interface FileLimits {
  filesOfAnswer: number;
  bytesOfPortal: number;
}

/** What an owner says to a new file. Parameters: its id; of `lock` also the portal. */
const OWNERS = {
  answer_id: {
    lock: `SELECT FROM ready_answers WHERE id = $1 AND portal_id = $2 FOR NO KEY UPDATE`,
    touch: `UPDATE ready_answers SET changed_at = now() WHERE id = $1`,
  },
  broadcast_id: {
    lock: `SELECT FROM broadcasts WHERE id = $1 AND portal_id = $2 AND state = 'draft' FOR NO KEY UPDATE`,
    // A broadcast has one file: what is uploaded stands in the place of a link.
    touch: `UPDATE broadcasts SET file = '' WHERE id = $1`,
  },
} as const;

/** The table `answer_files`, which has those of broadcasts, too. */
@Injectable()
export class KeptFilesRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Keeps the file, when all of it has come, in place of the one of the same name; of a broadcast, in place of the one it had. `gone`: there is no
   * such answer, or no such draft, of this portal; `too_many`, `full`: the answer has as many files, the portal as many
   * bytes, as it may.
   */
  async keep(
    { portalId, owner, name, mime, content }: NewFile,
    limits: FileLimits,
  ): Promise<'kept' | 'gone' | 'too_many' | 'full'> {
    const { rows } = await this.db.query<{ id: bigint }>(
      `INSERT INTO answer_files (portal_id, name, mime, size)
       SELECT id, $2, $3, 0 FROM portals WHERE id = $1 AND state <> 'uninstalled' RETURNING id`,
      [portalId, name, mime],
    );
    if (!rows[0]) return 'gone';
    const [{ id }] = rows as [{ id: bigint }];
    let kept: 'kept' | 'gone' | 'too_many' | 'full' | undefined;
    try {
      const size = await storeContent(this.db, id, content);
      kept = size === null ? 'gone' : await this.attach({ fileId: id, size, portalId, owner, name }, limits);
      return kept;
    } finally {
      if (kept !== 'kept') await this.db.query(`DELETE FROM answer_files WHERE id = $1`, [id]);
    }
  }

  private attach(
    { fileId, size, portalId, owner, name }: { fileId: bigint; size: number } & Omit<NewFile, 'mime' | 'content'>,
    limits: FileLimits,
  ): Promise<'kept' | 'gone' | 'too_many' | 'full'> {
    const { column, id } = placeOf(owner);
    const replaced = column === 'answer_id' ? name : null;
    return this.db.transaction(async (connection) => {
      await lockPortal(connection, portalId);
      const { rows: known } = await connection.query(OWNERS[column].lock, [id, portalId]);
      if (known.length === 0) return 'gone';
      const { rows } = await connection.query<{ files: number; bytes: number }>(
        `SELECT count(*) FILTER (WHERE f.${column} = $2 AND NOT r.replaced)::int AS files,
                coalesce(sum(f.size) FILTER (WHERE NOT r.replaced), 0)::float8 AS bytes
           FROM answer_files f CROSS JOIN LATERAL (
             SELECT coalesce(f.${column} = $2 AND ($3::text IS NULL OR f.name = $3), false) AS replaced) r
          WHERE f.portal_id = $1 AND f.chat_id IS NULL`,
        [portalId, id, replaced],
      );
      const { files, bytes } = rows[0]!;
      if (files >= limits.filesOfAnswer) return 'too_many';
      if (bytes + size > limits.bytesOfPortal) return 'full';
      await takeFilesOff(connection, owner, replaced);
      const { rowCount } = await connection.query(`UPDATE answer_files SET ${column} = $2, size = $3 WHERE id = $1`, [
        fileId,
        id,
        size,
      ]);
      if (rowCount === 0) return 'gone';
      await connection.query(OWNERS[column].touch, [id]);
      return 'kept';
    });
  }

  /** `gone`: there is no such answer, or no such draft, of this portal; `no_file`: it has no such file. */
  async remove(portalId: bigint, owner: FileOwner, name: string): Promise<'removed' | 'gone' | 'no_file'> {
    const { column, id } = placeOf(owner);
    return this.db.transaction(async (connection) => {
      const { rows: known } = await connection.query(OWNERS[column].lock, [id, portalId]);
      if (known.length === 0) return 'gone';
      if ((await takeFilesOff(connection, owner, name)) === 0) return 'no_file';
      await connection.query(OWNERS[column].touch, [id]);
      return 'removed';
    });
  }

  /**
   * A message is about to be accepted with these files of the owner: they stay until it has been sent. False: not all of
   * them belong to it any more.
   */
  async noteUse(owner: FileOwner, files: KeptFileRow[]): Promise<boolean> {
    if (files.length === 0) return true;
    const { column, id } = placeOf(owner);
    const { rowCount } = await this.db.query(
      `WITH theirs AS MATERIALIZED (
         SELECT id FROM answer_files WHERE ${column} = $1 AND id = ANY($2::bigint[]) ORDER BY id FOR NO KEY UPDATE
       )
       UPDATE answer_files f SET used_at = now() FROM theirs WHERE f.id = theirs.id`,
      [id, files.map((file) => file.id)],
    );
    return rowCount === files.length;
  }

  /** Null: the portal has no such file. */
  async open(portalId: bigint, id: bigint): Promise<StoredFile | null> {
    const { rows } = await this.db.query<Omit<StoredFile, 'content'>>(
      `SELECT name, mime, size FROM answer_files WHERE id = $1 AND portal_id = $2 AND size > 0`,
      [id, portalId],
    );
    return rows[0] ? { ...rows[0], content: readContent(this.db, id, rows[0].size) } : null;
  }

  /**
   * Forgets files that were taken away and that no message needs any more, what never arrived whole, and, after a
   * day, the file of a broadcast that is over: it would count for ever.
   */
  async purge(): Promise<void> {
    await this.db.query(
      `DELETE FROM answer_files f USING broadcasts b
        WHERE b.id = f.broadcast_id AND b.state IN ('done', 'stopped')
          AND b.finished_at < now() - interval '1 day' AND NOT EXISTS (
            SELECT FROM broadcast_recipients r WHERE r.broadcast_id = b.id AND r.state = 'sending')`,
    );
    await this.db.query(
      `DELETE FROM answer_files
        WHERE answer_id IS NULL AND broadcast_id IS NULL AND chat_id IS NULL AND NOT ${FILE_IS_NEEDED}
          AND (size > 0 OR created_at < now() - interval '1 hour')`,
    );
  }
}
