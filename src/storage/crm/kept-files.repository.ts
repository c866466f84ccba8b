import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { FILE_IS_NEEDED, lockPortal, placeOf, takeFilesOff, type FileOwner, type KeptFileRow } from './kept-files.js';

/** A file that is to be kept. */
export interface NewFile {
  portalId: bigint;
  owner: FileOwner;
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
   * Keeps the file in place of the one of the same name; of a broadcast, in place of the one it had. `gone`: there is no
   * such answer, or no such draft, of this portal; `too_many`, `full`: the answer has as many files, the portal as many
   * bytes, as it may.
   */
  async keep(
    { portalId, owner, name, mime, content }: NewFile,
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
          WHERE f.portal_id = $1`,
        [portalId, id, replaced],
      );
      const { files, bytes } = rows[0]!;
      if (files >= limits.filesOfAnswer) return 'too_many';
      if (bytes + content.length > limits.bytesOfPortal) return 'full';
      await takeFilesOff(connection, owner, replaced);
      await connection.query(
        `INSERT INTO answer_files (portal_id, ${column}, name, mime, size, content) VALUES ($1, $2, $3, $4, $5, $6)`,
        [portalId, id, name, mime, content.length, content],
      );
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
      `UPDATE answer_files SET used_at = now() WHERE ${column} = $1 AND id = ANY($2::bigint[])`,
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
    await this.db.query(
      `DELETE FROM answer_files WHERE answer_id IS NULL AND broadcast_id IS NULL AND NOT ${FILE_IS_NEEDED}`,
    );
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
