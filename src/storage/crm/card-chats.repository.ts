import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import type { ChatState } from '../prisma/client.js';
import { isOfPersonSql } from '../work/own-words.js';

/** A chat as an employee sees it in a card. */
export interface CardChatRow {
  id: bigint;
  title: string;
  username: string | null;
  botUsername: string | null;
  botName: string | null;
  lineId: string | null;
  /** Of Telegram, such as `private`. */
  type: string;
  state: ChatState;
  bannedAt: Date | null;
  /** What the client has said that this employee has not seen here; no further than {@link COUNTED}. */
  unread: number;
  /** The first of that; null: there is none. */
  firstUnreadId: bigint | null;
}

/** More than anybody counts. */
const COUNTED = 100;

/** The table `chat_reads`, and chats as they stand in cards. */
@Injectable()
export class CardChatsRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Those of them that the portal has (still), in this order. Whoever has never looked has seen everything up to the
   * newest answer of a person.
   */
  async list(portalId: bigint, userId: string, chatIds: bigint[]): Promise<CardChatRow[]> {
    if (chatIds.length === 0) return [];
    const { rows } = await this.db.query<CardChatRow>(
      `SELECT c.id, c.title, c.username, b.username AS "botUsername", b.name AS "botName", b.line_id AS "lineId", c.type,
              c.state, c.banned_at AS "bannedAt", u.unread, u.first_id AS "firstUnreadId"
         FROM unnest($3::bigint[]) WITH ORDINALITY AS w(id, ord)
         JOIN chat_links c ON c.id = w.id AND c.portal_id = $1
         JOIN bots b ON b.id = c.bot_id
         LEFT JOIN chat_reads r ON r.chat_id = c.id AND r.portal_id = $1 AND r.user_id = $2
        CROSS JOIN LATERAL (
          SELECT count(*)::int AS unread, min(n.id) AS first_id FROM (
            SELECT m.id FROM messages m
             WHERE m.chat_id = c.id AND m.portal_id = $1 AND m.direction = 'inbound' AND NOT m.system_line
               AND m.state <> 'ignored' AND m.deleted_at IS NULL
               AND m.id > coalesce(r.message_id, (
                     SELECT max(o.id) FROM messages o
                      WHERE o.chat_id = c.id AND o.direction = 'outbound' AND ${isOfPersonSql('o')}), 0)
             ORDER BY m.id LIMIT ${COUNTED}) n) u
        ORDER BY w.ord`,
      [portalId, userId, chatIds],
    );
    return rows;
  }

  /** They have seen the chat up to this message; an earlier one changes nothing. Locks as lock-order.ts wants it. */
  async read(portalId: bigint, userId: string, chatId: bigint, messageId: bigint): Promise<void> {
    await this.db.query(
      `WITH portal AS MATERIALIZED (
         SELECT id FROM portals WHERE id = $1 FOR KEY SHARE
       ), chat AS MATERIALIZED (
         SELECT c.id FROM chat_links c, portal p WHERE c.id = $3 AND c.portal_id = p.id FOR KEY SHARE OF c
       )
       INSERT INTO chat_reads (portal_id, user_id, chat_id, message_id) SELECT $1, $2, chat.id, $4 FROM chat
       ON CONFLICT (chat_id, portal_id, user_id)
       DO UPDATE SET message_id = greatest(chat_reads.message_id, excluded.message_id)`,
      [portalId, userId, chatId, messageId],
    );
  }
}
