import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import type { ChatState } from '../prisma/client.js';
import type { LinkedEntity, Utm } from './links.repository.js';

/** A chat as the panel beside its dialog shows it. */
export interface PanelChatRow {
  id: bigint;
  type: string;
  title: string;
  firstName: string | null;
  username: string | null;
  language: string | null;
  phone: string | null;
  state: ChatState;
  stateReason: string | null;
  bannedAt: Date | null;
  botUsername: string | null;
  botName: string | null;
  /** The line of this portal that its bot serves now; null: none. */
  lineId: string | null;
  createdAt: Date;
  lastInboundAt: Date | null;
}

/** A way by which the client came. */
export interface PanelArrivalRow {
  /** Of the link; null: it has none here. */
  name: string | null;
  payload: string;
  utm: Utm;
  /** Of an invitation. */
  entity: LinkedEntity | null;
  pressedAt: Date;
}

/** Another chat of the same client with a bot of the portal. */
export interface OtherChatRow {
  id: bigint;
  bitrixChatId: string;
  botUsername: string | null;
  botName: string | null;
  lineId: string | null;
  state: ChatState;
  lastAt: Date | null;
}

/** Chats, as operators see them beside their dialogs. Changes nothing. */
@Injectable()
export class PanelChatsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** The chat of this dialog of the portal, also where its bot has left the line; null: we know of none. */
  async find(portalId: bigint, bitrixChatId: string): Promise<PanelChatRow | null> {
    const { rows } = await this.db.query<PanelChatRow>(
      `SELECT c.id, c.type, c.title, c.first_name AS "firstName", c.username, c.language, c.phone, c.state,
              c.state_reason AS "stateReason", c.banned_at AS "bannedAt", b.username AS "botUsername", b.name AS "botName",
              CASE WHEN b.portal_id = $1 THEN b.line_id END AS "lineId", c.created_at AS "createdAt",
              c.last_inbound_at AS "lastInboundAt"
         FROM chat_links c JOIN bots b ON b.id = c.bot_id
        WHERE c.portal_id = $1 AND (c.bitrix_chat_id = $2
              OR c.id = (SELECT l.chat_id FROM left_dialogs l WHERE l.portal_id = $1 AND l.bitrix_chat_id = $2))
        ORDER BY c.bitrix_chat_id = $2 DESC NULLS LAST, c.id LIMIT 1`,
      [portalId, bitrixChatId],
    );
    return rows[0] ?? null;
  }

  /** Newest first. What its bot brought to another portal, before it moved, is that portal's. */
  async arrivals(portalId: bigint, chatId: bigint, limit: number): Promise<PanelArrivalRow[]> {
    const { rows } = await this.db.query<PanelArrivalRow>(
      `SELECT l.name, a.payload, a.utm, a.pressed_at AS "pressedAt",
              CASE WHEN a.entity_type IS NOT NULL AND a.obstacle IS NULL
                   THEN jsonb_build_object('type', a.entity_type, 'id', a.entity_id) END AS entity
         FROM arrivals a LEFT JOIN links l ON l.id = a.link_id
        WHERE a.chat_id = $1 AND a.portal_id = $3 ORDER BY a.pressed_at DESC, a.id DESC LIMIT $2`,
      [chatId, limit, portalId],
    );
    return rows;
  }

  /** Private chats of the same client in the portal that have dialogs, those first in which somebody wrote last. */
  async others(portalId: bigint, chatId: bigint, limit: number): Promise<OtherChatRow[]> {
    const { rows } = await this.db.query<OtherChatRow>(
      `SELECT o.id, o.bitrix_chat_id AS "bitrixChatId", b.username AS "botUsername", b.name AS "botName",
              CASE WHEN b.portal_id = $1 THEN b.line_id END AS "lineId", o.state,
              greatest(o.last_inbound_at, o.last_outbound_at) AS "lastAt"
         FROM chat_links c
         JOIN bots b ON b.portal_id = $1
         JOIN chat_links o ON o.bot_id = b.id AND o.telegram_chat_id = c.telegram_chat_id
        WHERE c.id = $2 AND c.portal_id = $1 AND c.type = 'private' AND o.type = 'private' AND o.portal_id = $1
          AND o.id <> c.id AND o.bitrix_chat_id IS NOT NULL
        ORDER BY greatest(o.last_inbound_at, o.last_outbound_at) DESC NULLS LAST, o.id LIMIT $3`,
      [portalId, chatId, limit],
    );
    return rows;
  }
}
