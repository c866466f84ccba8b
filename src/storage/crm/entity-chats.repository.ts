import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import type { ChatState } from '../prisma/client.js';

/** A chat whose dialog belongs to an entity of the CRM. */
export interface EntityChat {
  chatId: bigint;
  botId: bigint;
  externalId: string;
  title: string;
  state: ChatState;
  /** That the client has shared; null: none. */
  phone: string | null;
}

/** Chats by the dialogs that mirror them, or by the invitation that brought their clients. */
@Injectable()
export class EntityChatsRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * In the order of the dialogs, each once; those that we do not know, or whose bot left the portal, are left out. Of a
   * bot that serves another line of the portal by now also by the dialogs that it has left, see left-dialogs.ts.
   */
  async inDialogs(portalId: bigint, bitrixChatIds: string[]): Promise<EntityChat[]> {
    if (bitrixChatIds.length === 0) return [];
    const { rows } = await this.db.query<EntityChat>(
      `WITH named AS (
         SELECT k.id, min(r.ord) AS ord
           FROM unnest($2::text[]) WITH ORDINALITY AS r(dialog, ord)
          CROSS JOIN LATERAL (
            SELECT id FROM chat_links WHERE portal_id = $1 AND bitrix_chat_id = r.dialog
             UNION ALL SELECT chat_id FROM left_dialogs WHERE portal_id = $1 AND bitrix_chat_id = r.dialog) k
          GROUP BY k.id
       )
       SELECT c.id AS "chatId", c.bot_id AS "botId", c.external_id AS "externalId", c.title, c.state, c.phone
         FROM named n JOIN chat_links c ON c.id = n.id AND c.portal_id = $1
        ORDER BY n.ord, c.id`,
      [portalId, bitrixChatIds],
    );
    return rows;
  }

  /** Those whose clients came by an invitation of the entity and were bound to it, newest first. */
  async invited(portalId: bigint, { type, id }: { type: string; id: string }): Promise<EntityChat[]> {
    const { rows } = await this.db.query<EntityChat>(
      `SELECT c.id AS "chatId", c.bot_id AS "botId", c.external_id AS "externalId", c.title, c.state, c.phone
         FROM (SELECT chat_id, max(id) AS newest FROM arrivals
                WHERE portal_id = $1 AND found_type = $2 AND found_id = $3 GROUP BY chat_id) a
         JOIN chat_links c ON c.id = a.chat_id AND c.portal_id = $1
        ORDER BY a.newest DESC`,
      [portalId, type, id],
    );
    return rows;
  }
}
