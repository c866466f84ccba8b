import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';

/** A dialog that the portal calls otherwise than its chat is called in Telegram. */
export interface UntitledDialog {
  chatId: bigint;
  lineId: string;
  externalId: string;
  externalUserId: string;
  title: string;
}

/** `chat_links.dialog_title`: which title the portal was told last. */
@Injectable()
export class DialogTitlesRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Dialogs of the portal whose title is to be told. '' was never told; NULL stands for private chats of older versions,
   * whose titles people may have changed by hand: they wait until the client has another name.
   */
  async due(portalId: bigint, limit: number): Promise<UntitledDialog[]> {
    const { rows } = await this.db.query<UntitledDialog>(
      `SELECT c.id AS "chatId", b.line_id AS "lineId", c.external_id AS "externalId",
              c.external_user_id AS "externalUserId", c.title
         FROM chat_links c JOIN bots b ON b.id = c.bot_id AND b.portal_id = c.portal_id
         JOIN lines l ON l.portal_id = b.portal_id AND l.line_id = b.line_id AND l.state = 'active'
        WHERE c.portal_id = $1 AND b.line_id IS NOT NULL AND c.bitrix_chat_id IS NOT NULL
          -- A chat that an answer made has its id for a title, until Telegram names it.
          AND c.title <> c.external_id
          AND c.dialog_title IS DISTINCT FROM c.title AND (c.dialog_title IS NOT NULL OR c.type <> 'private')
        LIMIT $2`,
      [portalId, limit],
      { prepared: true },
    );
    return rows;
  }

  /** The portal has been told these titles, whatever it made of them. A newer title of the chat is due again. */
  async told(dialogs: UntitledDialog[]): Promise<void> {
    await this.db.query(
      `UPDATE chat_links c SET dialog_title = r.title
         FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, title text) WHERE c.id = r.id`,
      [jsonb(dialogs.map(({ chatId, title }) => ({ id: chatId, title })))],
    );
  }
}
