import { Injectable } from '@nestjs/common';
import { KEPT_FILE } from '../../common/external-ids.js';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { storeContent, type ArrivingContent } from './file-contents.js';
import { FILE_IS_NEEDED, lockPortal, type KeptFileRow } from './kept-files.js';

/** Whose message a file is for: only they send it, and only to this chat. */
export interface FileSender {
  portalId: bigint;
  chatId: bigint;
  /** As the audit log names them. */
  by: string;
}

/** A message that waits for its file, or that somebody may send again. */
const IS_AWAITED = `EXISTS (
  SELECT FROM messages m JOIN attachments a ON a.message_id = m.id AND a.url = '${KEPT_FILE}' || f.id
   WHERE m.chat_id = f.chat_id AND m.state IN ('queued', 'failed', 'uncertain'))`;

/** SQL: the message with this row `f` was sent, or erased. Before that time it may still be about to be committed. */
const WAS_SENT = `(f.used_at < now() - interval '5 minutes' AND NOT ${IS_AWAITED})`;

/** Files of `answer_files` that are for one message. They go with their chat. */
@Injectable()
export class MessageFilesRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Keeps the file until a message with it was sent, or for a day. `gone`: the portal has no such chat; `full`: such files
   * of the portal would have more than `bytesOfPortal`.
   */
  async keep(
    { portalId, chatId, by }: FileSender,
    { name, mime, content }: { name: string; mime: string | null; content: ArrivingContent },
    bytesOfPortal: number,
  ): Promise<KeptFileRow | 'gone' | 'full'> {
    // Locks as lock-order.ts wants it.
    const { rows } = await this.db.query<{ id: bigint }>(
      `WITH portal AS MATERIALIZED (
         SELECT id FROM portals WHERE id = $1 AND state <> 'uninstalled' FOR KEY SHARE
       ), chat AS MATERIALIZED (
         SELECT c.id FROM chat_links c, portal p WHERE c.id = $2 AND c.portal_id = p.id FOR KEY SHARE OF c
       )
       INSERT INTO answer_files (portal_id, chat_id, created_by, name, mime, size)
       SELECT $1, chat.id, $3, $4, $5, 0 FROM chat RETURNING id`,
      [portalId, chatId, by, name, mime],
    );
    if (!rows[0]) return 'gone';
    const [{ id }] = rows as [{ id: bigint }];
    let kept: KeptFileRow | 'gone' | 'full' = 'gone';
    try {
      const size = await storeContent(this.db, id, content);
      const end = size === null ? 'gone' : await this.complete(portalId, id, size, bytesOfPortal);
      kept = end === 'kept' ? { id, name, mime, size: size! } : end;
      return kept;
    } finally {
      if (typeof kept === 'string') await this.db.query(`DELETE FROM answer_files WHERE id = $1`, [id]);
    }
  }

  private complete(
    portalId: bigint,
    id: bigint,
    size: number,
    bytesOfPortal: number,
  ): Promise<'kept' | 'gone' | 'full'> {
    return this.db.transaction(async (connection) => {
      await lockPortal(connection, portalId);
      if ((await bytesOf(connection, portalId)) + size > bytesOfPortal) {
        await forgetSent(connection, portalId);
        if ((await bytesOf(connection, portalId)) + size > bytesOfPortal) return 'full';
      }
      const { rowCount } = await connection.query(`UPDATE answer_files SET size = $2 WHERE id = $1`, [id, size]);
      return rowCount === 0 ? 'gone' : 'kept';
    });
  }

  /** In the order asked for; they stay until their message was sent. Null: not all of them are there. */
  async use({ portalId, chatId, by }: FileSender, ids: bigint[]): Promise<KeptFileRow[] | null> {
    const { rows } = await this.db.query<KeptFileRow>(
      `WITH theirs AS MATERIALIZED (
         SELECT id FROM answer_files
          WHERE id = ANY($4::bigint[]) AND portal_id = $1 AND chat_id = $2 AND created_by = $3 AND size > 0
          ORDER BY id FOR NO KEY UPDATE
       )
       UPDATE answer_files f SET used_at = now() FROM theirs WHERE f.id = theirs.id
       RETURNING f.id, f.name, f.mime, f.size`,
      [portalId, chatId, by, ids],
    );
    const found = ids.map((id) => rows.find((row) => row.id === id));
    return found.every((file) => file !== undefined) ? found : null;
  }

  /** Forgets those whose message was sent or never written. */
  async purge(): Promise<void> {
    await this.db.query(
      `DELETE FROM answer_files f
        WHERE chat_id IS NOT NULL AND (
          used_at IS NULL AND created_at < now() - interval '1 day'
          OR used_at IS NOT NULL AND NOT ${FILE_IS_NEEDED}
          OR ${WAS_SENT})`,
    );
  }
}

async function bytesOf(connection: Queryable, portalId: bigint): Promise<number> {
  const { rows } = await connection.query<{ bytes: number }>(
    `SELECT coalesce(sum(size), 0)::float8 AS bytes FROM answer_files WHERE portal_id = $1 AND chat_id IS NOT NULL`,
    [portalId],
  );
  return rows[0]!.bytes;
}

/** What was sent makes room for what waits, also between two purges. */
async function forgetSent(connection: Queryable, portalId: bigint): Promise<void> {
  await connection.query(
    `WITH sent AS MATERIALIZED (
       SELECT f.id FROM answer_files f WHERE f.portal_id = $1 AND f.chat_id IS NOT NULL AND ${WAS_SENT}
        ORDER BY f.id FOR UPDATE SKIP LOCKED
     )
     DELETE FROM answer_files WHERE id IN (SELECT id FROM sent)`,
    [portalId],
  );
}
