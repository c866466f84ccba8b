import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';

/** A client's file, and where a bot finds it. */
export interface ClientFile {
  botId: bigint;
  /** Belongs to that bot. */
  telegramFileId: string;
  name: string;
  mime: string | null;
}

/** The table `attachments`, as whoever serves a single file reads it. */
@Injectable()
export class AttachmentsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Null: the message is gone, or the file is an operator's. */
  async findClientFile(messageId: bigint, ordinal: number): Promise<ClientFile | null> {
    const { rows } = await this.db.query<ClientFile>(
      `SELECT m.bot_id AS "botId", a.telegram_file_id AS "telegramFileId", a.name, a.mime
         FROM attachments a JOIN messages m ON m.id = a.message_id
        WHERE a.message_id = $1 AND a.ordinal = $2 AND a.telegram_file_id IS NOT NULL AND m.bot_id IS NOT NULL`,
      [messageId, ordinal],
    );
    return rows[0] ?? null;
  }
}
