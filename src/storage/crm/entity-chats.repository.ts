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
  bitrixChatId: string;
}

/** Chats by the dialogs that mirror them. */
@Injectable()
export class EntityChatsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** In the order of the dialogs; those that we do not know, or whose bot left the portal, are left out. */
  async inDialogs(portalId: bigint, bitrixChatIds: string[]): Promise<EntityChat[]> {
    if (bitrixChatIds.length === 0) return [];
    const { rows } = await this.db.query<EntityChat>(
      `SELECT c.id AS "chatId", c.bot_id AS "botId", c.external_id AS "externalId", c.title, c.state,
              c.bitrix_chat_id AS "bitrixChatId"
         FROM unnest($2::text[]) WITH ORDINALITY AS r(dialog, ord)
         JOIN chat_links c ON c.portal_id = $1 AND c.bitrix_chat_id = r.dialog
        ORDER BY r.ord, c.id`,
      [portalId, bitrixChatIds],
    );
    return rows;
  }
}
