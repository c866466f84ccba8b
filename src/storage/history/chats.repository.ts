import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import { botEndpointSql } from '../work/endpoint-id.js';
import { forgetLeftDialogs } from '../work/left-dialogs.js';

/** A dialog that may hold operators' messages which never reached us; of a line that its bot serves, or has left. */
export interface ActiveDialog {
  chatId: bigint;
  externalId: string;
  lineId: string;
  bitrixChatId: string;
  bitrixSessionId: string | null;
  bitrixUserId: string | null;
  /** Session up to which it was looked through. */
  lookedSessionId: string | null;
  createdAt: Date;
  /** The database's time of this look. */
  asOf: Date;
}

/** What the portal says happened in one of its chats. */
export interface Happening {
  bitrixChatId: string;
  /** null: a message was changed, and whether we know how it reads now is not to be told from its id. */
  newMessageId: string | null;
}

/** A private chat whose client's photo is not known yet, or was looked at long ago. */
export interface DueProfilePhoto {
  chatId: bigint;
  /** In a private chat the client's user id. */
  telegramChatId: bigint;
}

/** Days after which a photo is looked at again, and for how long a silent client counts as gone. */
const PHOTO_DAYS = 7;

/**
 * SQL: the dialogs of the portal $1, each once: where its bot is now, and where it was. `alive_at`: when somebody wrote
 * last, or the bot left.
 */
const DIALOGS = `
  SELECT DISTINCT ON (bitrix_chat_id) * FROM (
    SELECT c.id, c.external_id, b.line_id, c.bitrix_chat_id, c.bitrix_session_id, c.bitrix_user_id, c.looked_session_id,
           c.created_at, greatest(c.last_inbound_at, c.last_outbound_at) AS alive_at, false AS is_left
      FROM chat_links c JOIN bots b ON b.id = c.bot_id
     WHERE c.portal_id = $1 AND b.line_id IS NOT NULL AND c.bitrix_chat_id IS NOT NULL
    UNION ALL
    SELECT c.id, c.external_id, l.line_id, l.bitrix_chat_id, l.bitrix_session_id, l.bitrix_user_id, l.looked_session_id,
           c.created_at, greatest(l.left_at, c.last_outbound_at), true
      FROM left_dialogs l JOIN chat_links c ON c.id = l.chat_id
     WHERE l.portal_id = $1) known
   ORDER BY bitrix_chat_id, is_left, id`;

/** Where in Telegram a dialog of a portal is. */
export interface DialogChat {
  botId: bigint;
  externalId: string;
  telegramChatId: bigint;
  /** The bot speaks in the name of a Business account. */
  isBusiness: boolean;
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
    return this.dialogs(
      `(d.alive_at > now() - make_interval(mins => $2)
               OR d.id IN (SELECT l.chat_id FROM lanes l JOIN bots o ON l.endpoint = ${botEndpointSql('o.id')}
                            WHERE o.portal_id = $1 AND l.pending > 0 AND l.busy_fence IS NULL))
        ORDER BY d.alive_at DESC NULLS LAST LIMIT $3`,
      [portalId, minutes, limit],
    );
  }

  /** Those dialogs of the portal in which something happened that was not told here. */
  async untoldDialogs(portalId: bigint, happened: Happening[]): Promise<ActiveDialog[]> {
    if (happened.length === 0) return [];
    return this.dialogs(
      `d.bitrix_chat_id IN (
            SELECT h.chat_id FROM jsonb_to_recordset($2::jsonb) AS h(chat_id text, message_id text)
             WHERE h.message_id IS NULL OR NOT EXISTS (
                     SELECT FROM messages m WHERE m.portal_id = $1 AND m.bitrix_message_id = h.message_id))`,
      [
        portalId,
        jsonb(happened.map(({ bitrixChatId, newMessageId }) => ({ chat_id: bitrixChatId, message_id: newMessageId }))),
      ],
    );
  }

  /** The chat that the portal mirrors in this dialog now; null: none of ours. */
  async inDialog(portalId: bigint, bitrixChatId: string): Promise<DialogChat | null> {
    const { rows } = await this.db.query<DialogChat>(
      `SELECT bot_id AS "botId", external_id AS "externalId", telegram_chat_id AS "telegramChatId",
              business_connection IS NOT NULL AS "isBusiness"
         FROM chat_links WHERE portal_id = $1 AND bitrix_chat_id = $2 ORDER BY id LIMIT 1`,
      [portalId, bitrixChatId],
    );
    return rows[0] ?? null;
  }

  private async dialogs(which: string, parameters: unknown[]): Promise<ActiveDialog[]> {
    const { rows } = await this.db.query<{
      id: bigint;
      external_id: string;
      line_id: string;
      bitrix_chat_id: string;
      bitrix_session_id: string | null;
      bitrix_user_id: string | null;
      looked_session_id: string | null;
      created_at: Date;
      as_of: Date;
    }>(
      `SELECT d.id, d.external_id, d.line_id, d.bitrix_chat_id, d.bitrix_session_id, d.bitrix_user_id,
              d.looked_session_id, d.created_at, now() AS as_of
         FROM (${DIALOGS}) d WHERE ${which}`,
      parameters,
    );
    return rows.map((row) => ({
      chatId: row.id,
      externalId: row.external_id,
      lineId: row.line_id,
      bitrixChatId: row.bitrix_chat_id,
      bitrixSessionId: row.bitrix_session_id,
      bitrixUserId: row.bitrix_user_id,
      lookedSessionId: row.looked_session_id,
      createdAt: row.created_at,
      asOf: row.as_of,
    }));
  }

  /** Keeps up to which session dialogs of the portal were looked through, unless their bot has left meanwhile. */
  async saveLookedSessions(
    portalId: bigint,
    looked: { chatId: bigint; bitrixChatId: string; sessionId: string }[],
  ): Promise<void> {
    if (looked.length === 0) return;
    await this.db.query(
      `WITH looked AS (
         SELECT * FROM jsonb_to_recordset($2::jsonb) AS r(id bigint, dialog text, session_id text)
       ), left_behind AS (
         UPDATE left_dialogs l SET looked_session_id = r.session_id
           FROM looked r WHERE l.portal_id = $1 AND l.bitrix_chat_id = r.dialog AND l.chat_id = r.id
       )
       UPDATE chat_links c SET looked_session_id = r.session_id
         FROM looked r WHERE c.id = r.id AND c.portal_id = $1 AND c.bitrix_chat_id = r.dialog`,
      [
        portalId,
        jsonb(
          looked.map(({ chatId, bitrixChatId, sessionId }) => ({
            id: chatId,
            dialog: bitrixChatId,
            session_id: sessionId,
          })),
        ),
      ],
    );
  }

  /** Forgets dialogs that were left so long ago that nobody goes on in them; a batch at a time. Returns how many. */
  forgetLeftDialogs(batch: number): Promise<number> {
    return forgetLeftDialogs(this.db, batch);
  }

  /**
   * Events of the portal may have been lost: which of its sessions are still open is not known any more, and looked up
   * where it matters.
   */
  async doubtSessions(portalId: bigint): Promise<void> {
    await this.db.query(
      `UPDATE chat_links SET dialog_open = NULL WHERE id IN (
         SELECT id FROM chat_links WHERE portal_id = $1 AND dialog_open ORDER BY bot_id, external_id FOR NO KEY UPDATE)`,
      [portalId],
    );
  }

  /**
   * Puts a chat on the ban list, or takes it off: what comes from a banned one is kept and not relayed. Nothing changes
   * the second time.
   */
  async setBanned(chatId: bigint, banned: boolean): Promise<void> {
    await this.db.query(
      `UPDATE chat_links SET banned_at = CASE WHEN $2 THEN coalesce(banned_at, now()) END, updated_at = now() WHERE id = $1`,
      [chatId, banned],
    );
  }

  async setTags(chatId: bigint, tags: string[]): Promise<void> {
    await this.db.query(`UPDATE chat_links SET tags = $2::text[], updated_at = now() WHERE id = $1`, [chatId, tags]);
  }

  /**
   * Private chats of the bot with recent words whose photo is due, those never looked at first; `among`: only of these
   * Telegram chats.
   */
  async dueProfilePhotos(botId: bigint, limit: number, among?: bigint[]): Promise<DueProfilePhoto[]> {
    const { rows } = await this.db.query<{ id: bigint; telegram_chat_id: bigint }>(
      `SELECT id, telegram_chat_id FROM chat_links
        WHERE bot_id = $1 AND type = 'private' AND state = 'active'
          AND last_inbound_at > now() - make_interval(days => $2)
          AND (avatar_checked_at IS NULL OR avatar_checked_at < now() - make_interval(days => $2))
          ${among ? 'AND telegram_chat_id = ANY($4::bigint[])' : ''}
        ORDER BY avatar_checked_at NULLS FIRST, last_inbound_at DESC LIMIT $3`,
      [botId, PHOTO_DAYS, limit, ...(among ? [among] : [])],
    );
    return rows.map((row) => ({ chatId: row.id, telegramChatId: row.telegram_chat_id }));
  }

  /** Keeps what was learned of the client's photo now; null: they have none, or show it to nobody. */
  async saveProfilePhoto(chatId: bigint, photo: { fileId: string; uniqueId: string } | null): Promise<void> {
    await this.db.query(
      `UPDATE chat_links SET avatar_file_id = $2, avatar_unique_id = $3, avatar_checked_at = now() WHERE id = $1`,
      [chatId, photo?.fileId ?? null, photo?.uniqueId ?? null],
    );
  }

  /** Where the bot finds the client's photo; null when it is not the newest one any more. */
  async findProfilePhoto(chatId: bigint, uniqueId: string): Promise<{ botId: bigint; telegramFileId: string } | null> {
    const { rows } = await this.db.query<{ botId: bigint; telegramFileId: string }>(
      `SELECT bot_id AS "botId", avatar_file_id AS "telegramFileId" FROM chat_links
        WHERE id = $1 AND avatar_unique_id = $2 AND avatar_file_id IS NOT NULL`,
      [chatId, uniqueId],
    );
    return rows[0] ?? null;
  }
}
