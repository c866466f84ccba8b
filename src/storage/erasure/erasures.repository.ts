import { Injectable } from '@nestjs/common';
import { parseUserId } from '../../common/external-ids.js';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';

/** Who or what is to be erased, and where. */
export interface ErasureTarget {
  /** A client, in all of their chats; or the one group chat with the id `chatId`. */
  kind: 'client' | 'group';
  chatId: string;
  /** Every bot of this portal; null: the bot alone. */
  portalId: string | null;
  botId: string;
  /** Telegram user id; null for a group. */
  userId: string | null;
  /** user.id as Bitrix24 knows it. */
  externalUserId: string;
  /** chat.id of each of the chats, as Bitrix24 knows them. */
  externalIds: string[];
  /** Newest ids when the erasure was asked for: who writes after it is somebody new. */
  upTo: { chat: string; message: string; event: string };
}

/** What was erased so far. */
export interface ErasureCounts {
  chats: number;
  messages: number;
  attachments: number;
  revisions: number;
  deliveries: number;
  events: number;
}

/** The receipt of an erasure: it names nobody. `finishedAt` null: under way. */
export interface ErasureRow extends ErasureCounts {
  id: bigint;
  at: Date;
  finishedAt: Date | null;
  actor: string;
  portalId: bigint | null;
  /** HMAC-SHA-256 of the external user id, in hex. */
  subject: string;
}

const COLUMNS = `id, at, finished_at AS "finishedAt", actor, portal_id AS "portalId", subject,
  chats, messages, attachments, revisions, deliveries, events`;

/** The table `erasures`: who was erased, when and by whom. What is still to be erased is named until it is. */
@Injectable()
export class ErasuresRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Records that a chat's client, or the chat of a group, is to be erased; null when there is no such chat (any more). */
  async begin(
    chatId: bigint,
    actor: string,
    subjectOf: (externalUserId: string) => string,
  ): Promise<{ id: bigint; target: ErasureTarget } | null> {
    const target = await this.targetOf(chatId);
    if (!target) return null;
    const { rows } = await this.db.query<{ id: bigint }>(
      `INSERT INTO erasures (actor, portal_id, subject, target) VALUES ($1, $2, $3, $4::jsonb) RETURNING id`,
      [actor, target.portalId, subjectOf(target.externalUserId), jsonb(target)],
    );
    return { id: rows[0]!.id, target };
  }

  async find(id: bigint): Promise<ErasureRow | null> {
    const { rows } = await this.db.query<ErasureRow>(`SELECT ${COLUMNS} FROM erasures WHERE id = $1`, [id]);
    return rows[0] ?? null;
  }

  /** Newest first, at most `limit`. `subjects`: of these alone; `before`: ids below it. */
  async list(
    limit: number,
    { portalId, subjects, before }: { portalId?: bigint; subjects?: string[]; before?: bigint },
  ): Promise<ErasureRow[]> {
    const { rows } = await this.db.query<ErasureRow>(
      `SELECT ${COLUMNS} FROM erasures
        WHERE ($1::bigint IS NULL OR portal_id = $1) AND ($2::text[] IS NULL OR subject = ANY($2::text[]))
          AND ($3::bigint IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4`,
      [portalId ?? null, subjects ?? null, before ?? null, limit],
    );
    return rows;
  }

  /** Those that are not finished, oldest first. */
  async pending(): Promise<{ id: bigint; target: ErasureTarget }[]> {
    const { rows } = await this.db.query<{ id: bigint; target: ErasureTarget }>(
      `SELECT id, target FROM erasures WHERE finished_at IS NULL AND target IS NOT NULL ORDER BY id`,
    );
    return rows;
  }

  /** Nothing is left to be erased: nothing names the client any longer. */
  async finish(id: bigint): Promise<void> {
    await this.db.query(`UPDATE erasures SET finished_at = coalesce(finished_at, now()), target = NULL WHERE id = $1`, [
      id,
    ]);
  }

  private async targetOf(chatId: bigint): Promise<ErasureTarget | null> {
    const { rows } = await this.db.query<Omit<ErasureTarget, 'userId'>>(
      `SELECT t.kind, c.id::text AS "chatId", c.portal_id::text AS "portalId", c.bot_id::text AS "botId",
              c.external_user_id AS "externalUserId",
              ARRAY(SELECT o.external_id FROM chat_links o
                     WHERE CASE WHEN t.kind = 'group' THEN o.id = c.id
                                ELSE o.external_user_id = c.external_user_id AND o.type = ANY($2::text[])
                                     AND CASE WHEN c.portal_id IS NULL THEN o.bot_id = c.bot_id ELSE o.portal_id = c.portal_id END
                           END) AS "externalIds",
              json_build_object('chat', (SELECT max(id)::text FROM chat_links),
                                'message', (SELECT coalesce(max(id), 0)::text FROM messages),
                                'event', (SELECT coalesce(max(id), 0)::text FROM events)) AS "upTo"
         FROM chat_links c
        CROSS JOIN LATERAL (SELECT CASE WHEN c.type = ANY($2::text[]) THEN 'client' ELSE 'group' END AS kind) t
        WHERE c.id = $1`,
      [chatId, CLIENT_CHATS],
    );
    const [target] = rows;
    if (!target) return null;
    const userId = target.kind === 'client' ? parseUserId(target.externalUserId) : null;
    return { ...target, userId: userId?.toString() ?? null };
  }
}

/** Chats of one client: private ones, of Telegram Business too, and direct messages to a channel. */
export const CLIENT_CHATS = ['private', 'direct_messages'];
