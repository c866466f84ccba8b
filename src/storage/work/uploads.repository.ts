import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';

/** One content as one kind of file of one bot. */
export interface UploadKey {
  botId: bigint;
  /** 32 bytes that identify the content, and the name where people see it. */
  digest: Buffer;
  kind: string;
}

/** The table `uploads`: Telegram's file ids of what a bot has sent already. */
@Injectable()
export class UploadsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** The file id under which Telegram has it; null: it must be uploaded. */
  async use({ botId, digest, kind }: UploadKey): Promise<string | null> {
    const { rows } = await this.db.query<{ file_id: string }>(
      `UPDATE uploads SET used_at = now() WHERE bot_id = $1 AND digest = $2 AND kind = $3 RETURNING file_id`,
      [botId, digest, kind],
    );
    return rows[0]?.file_id ?? null;
  }

  async remember({ botId, digest, kind }: UploadKey, fileId: string): Promise<void> {
    await this.db.query(
      `INSERT INTO uploads (bot_id, digest, kind, file_id) SELECT id, $2, $3, $4 FROM bots WHERE id = $1
       ON CONFLICT (bot_id, digest, kind) DO UPDATE SET file_id = excluded.file_id, used_at = now()`,
      [botId, digest, kind, fileId],
    );
  }

  /** Telegram no longer knows the file id. */
  async forget({ botId, digest, kind }: UploadKey, fileId: string): Promise<void> {
    await this.db.query(`DELETE FROM uploads WHERE bot_id = $1 AND digest = $2 AND kind = $3 AND file_id = $4`, [
      botId,
      digest,
      kind,
      fileId,
    ]);
  }

  /** Deletes file ids that were not used for this many days. */
  async purge(days: number): Promise<void> {
    await this.db.query(`DELETE FROM uploads WHERE used_at < now() - make_interval(days => $1)`, [days]);
  }
}
