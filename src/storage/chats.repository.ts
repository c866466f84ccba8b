import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';

/** A dialog that may hold operators' messages which never reached us. */
export interface ActiveDialog {
  chatId: bigint;
  externalId: string;
  lineId: string;
  bitrixChatId: string;
  bitrixSessionId: string | null;
  bitrixUserId: string | null;
  createdAt: Date;
}

/** The table `chat_links`, as the rooms of the two networks read it; the relay's statements write it. */
@Injectable()
export class ChatsRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Dialogs of the portal in which somebody wrote within the last `minutes` or an answer waits to be sent, the latest
   * first.
   */
  async activeDialogs(portalId: bigint, minutes: number, limit: number): Promise<ActiveDialog[]> {
    const { rows } = await this.db.query<{
      id: bigint;
      external_id: string;
      line_id: string;
      bitrix_chat_id: string;
      bitrix_session_id: string | null;
      bitrix_user_id: string | null;
      created_at: Date;
    }>(
      `SELECT c.id, c.external_id, b.line_id, c.bitrix_chat_id, c.bitrix_session_id, c.bitrix_user_id, c.created_at
         FROM chat_links c JOIN bots b ON b.id = c.bot_id
        WHERE c.portal_id = $1 AND b.line_id IS NOT NULL AND c.bitrix_chat_id IS NOT NULL
          AND (greatest(c.last_inbound_at, c.last_outbound_at) > now() - make_interval(mins => $2)
               OR c.id IN (SELECT l.chat_id FROM lanes l JOIN bots o ON l.endpoint = 'bot:' || o.id
                            WHERE o.portal_id = $1 AND l.pending > 0 AND l.busy_fence IS NULL))
        ORDER BY greatest(c.last_inbound_at, c.last_outbound_at) DESC NULLS LAST LIMIT $3`,
      [portalId, minutes, limit],
    );
    return rows.map((row) => ({
      chatId: row.id,
      externalId: row.external_id,
      lineId: row.line_id,
      bitrixChatId: row.bitrix_chat_id,
      bitrixSessionId: row.bitrix_session_id,
      bitrixUserId: row.bitrix_user_id,
      createdAt: row.created_at,
    }));
  }
}
