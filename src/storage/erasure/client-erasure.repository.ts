import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { CLIENT_CHATS, type ErasureTarget } from './erasures.repository.js';
import {
  addToReceipt,
  dropWaiting,
  eraseMessages,
  forgetArrivals,
  forgetRequests,
  forgetSources,
} from './erased-rows.js';

/** `busy`: a send is under way, which is to be settled first. */
export type ErasureStep = 'more' | 'busy' | 'done';

/** How far a pass came: the id of the last row that it looked at; null: it is through. */
export interface ErasurePass {
  next: bigint | null;
  /** Some were left out because a send is under way. */
  busy: boolean;
}

/** A person of the update, or of what it answers, forwards or names. */
const NAMES = `jsonb_path_exists(m.raw, '$.** ? (@.id == $user)', jsonb_build_object('user', $2::text::bigint))`;
const ANSWERS = `EXISTS (SELECT FROM messages a WHERE a.id = m.reply_to_id AND a.author_id = $2::text AND a.direction = 'inbound')`;

/**
 * Erases what one client said, what was said to them and what is known about them. Each method does one batch in a
 * transaction of its own, with its part of the receipt, and may be interrupted and called again.
 */
@Injectable()
export class ClientErasureRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Chats that are to go as a whole, oldest first. */
  async chats({ kind, chatId, portalId, botId, externalUserId, upTo }: ErasureTarget): Promise<bigint[]> {
    const { rows } = await this.db.query<{ id: bigint }>(
      `SELECT id FROM chat_links
        WHERE CASE WHEN $1 = 'group' THEN id = $2::bigint
                   ELSE external_user_id = $3 AND type = ANY($4::text[]) AND id <= $5::bigint
                        AND CASE WHEN $6::bigint IS NULL THEN bot_id = $7::bigint ELSE portal_id = $6::bigint END
              END
        ORDER BY id`,
      [kind, chatId, externalUserId, CLIENT_CHATS, upTo.chat, portalId, botId],
    );
    return rows.map(({ id }) => id);
  }

  /** Groups in which the client may have spoken. */
  async groups({ portalId, botId, upTo }: ErasureTarget): Promise<bigint[]> {
    const { rows } = await this.db.query<{ id: bigint }>(
      `SELECT id FROM chat_links
        WHERE type <> ALL($1::text[]) AND id <= $2::bigint
          AND CASE WHEN $3::bigint IS NULL THEN bot_id = $4::bigint ELSE portal_id = $3::bigint END
        ORDER BY id`,
      [CLIENT_CHATS, upTo.chat, portalId, botId],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Takes work that nobody has begun out of the lanes of the chat. `busy`: something is being sent, which is to be
   * settled before the chat is erased.
   */
  dropWaiting(erasureId: bigint, chatId: bigint): Promise<{ busy: boolean }> {
    return this.db.transaction(async (connection) => {
      const { deliveries, busy } = await dropWaiting(connection, chatId, null);
      await addToReceipt(connection, erasureId, { deliveries });
      return { busy: busy.size > 0 };
    });
  }

  /**
   * Erases up to `batch` messages of the chat with all that hangs on them, and its lanes; when none are left, the chat.
   * Answers `busy`, and has done nothing, while something of it is being sent; not with `force`: what becomes of that
   * is then not recorded anywhere.
   *
   * Chat, messages and lanes are locked in the order in which an intake locks them: what comes meanwhile waits for the
   * commit, and finds no chat or one that still has to be emptied.
   */
  eraseChat(erasureId: bigint, chatId: bigint, batch: number, { force = false } = {}): Promise<ErasureStep> {
    return this.db.transaction(async (connection) => {
      const { rowCount: there } = await connection.query(`SELECT FROM chat_links WHERE id = $1 FOR UPDATE`, [chatId]);
      if (!there) return 'done';
      const { rowCount: sending } = await connection.query(
        `SELECT FROM deliveries d JOIN lanes l ON l.id = d.lane_id WHERE l.chat_id = $1 AND d.state = 'sending' LIMIT 1`,
        [chatId],
      );
      if (sending && !force) return 'busy';
      const { rows } = await connection.query<{ id: bigint }>(
        `SELECT id FROM messages WHERE chat_id = $1 ORDER BY id LIMIT $2 FOR UPDATE`,
        [chatId, batch],
      );
      const { rowCount: deliveries } = await connection.query(
        `WITH gone AS (DELETE FROM lanes WHERE chat_id = $1 RETURNING id)
         DELETE FROM deliveries WHERE lane_id IN (SELECT id FROM gone)`,
        [chatId],
      );
      const erased = await eraseMessages(
        connection,
        rows.map(({ id }) => id),
      );
      const last = rows.length < batch;
      if (last) {
        await forgetRequests(connection, chatId);
        await forgetArrivals(connection, chatId, null);
        await connection.query(`DELETE FROM chat_links WHERE id = $1`, [chatId]);
      }
      await addToReceipt(connection, erasureId, { ...erased, deliveries: deliveries ?? 0, chats: last ? 1 : 0 });
      return last ? 'done' : 'more';
    });
  }

  /**
   * Looks at up to `batch` messages of a group below `before`, newest first, because what answers a message came after
   * it. Erases the client's messages, and lines of the system about them or what they said. What others wrote in answer
   * to them, or naming them, stays, without the quoted part of their words and without the raw update, which holds their
   * words and name. A link by which they added the bot is forgotten with the message that told of it. A message that is
   * being sent is left for the next time, unless `force`.
   */
  eraseInGroup(
    erasureId: bigint,
    { userId, upTo }: ErasureTarget,
    groupId: bigint,
    before: bigint | null,
    batch: number,
    { force = false } = {},
  ): Promise<ErasurePass> {
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{ id: bigint }>(
        `SELECT id FROM messages WHERE chat_id = $1 AND id <= $2::bigint AND ($3::bigint IS NULL OR id < $3)
          ORDER BY id DESC LIMIT $4`,
        [groupId, upTo.message, before, batch],
      );
      const next = rows.length < batch ? null : rows.at(-1)!.id;
      const about = await connection.query<{ id: bigint; own: boolean }>(
        `SELECT m.id, m.direction = 'inbound' AND (m.system_line OR m.author_id IS NOT DISTINCT FROM $2::text) AS own
           FROM messages m
          WHERE m.id = ANY($1::bigint[])
            AND (m.direction = 'inbound' AND (m.author_id = $2::text OR ${NAMES}) OR ${ANSWERS})
          ORDER BY m.id`,
        [rows.map(({ id }) => id), userId],
      );
      if (about.rows.length === 0) return { next, busy: false };
      const ids = (own: boolean) => about.rows.filter((row) => row.own === own).map(({ id }) => id);
      await connection.query(`SELECT FROM chat_links WHERE id = $1 FOR NO KEY UPDATE`, [groupId]);
      await connection.query(`SELECT FROM messages WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE`, [
        about.rows.map(({ id }) => id),
      ]);
      await connection.query(
        `UPDATE messages SET raw = '{}', reply_quote = NULL, quoted = NULL WHERE id = ANY($1::bigint[])`,
        [ids(false)],
      );
      await connection.query(`UPDATE revisions SET raw = NULL WHERE message_id = ANY($1::bigint[])`, [ids(false)]);
      const { deliveries, busy } = await dropWaiting(connection, groupId, ids(true), force);
      const gone = ids(true).filter((id) => !busy.has(id));
      await forgetSources(connection, groupId, gone);
      await forgetArrivals(connection, groupId, gone);
      const erased = await eraseMessages(connection, gone);
      await addToReceipt(connection, erasureId, { ...erased, deliveries });
      return { next, busy: busy.size > 0 };
    });
  }

  /** Erases up to `batch` messages that belong to no chat: updates without one, answers to a dialog that was unknown. */
  eraseStrays(erasureId: bigint, target: ErasureTarget, batch: number): Promise<ErasureStep> {
    const { portalId, botId, userId, externalIds, upTo } = target;
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{ id: bigint }>(
        `SELECT id FROM messages
          WHERE chat_id IS NULL AND id <= $1::bigint
            AND (CASE WHEN $2::bigint IS NULL THEN bot_id = $3::bigint ELSE portal_id = $2::bigint END
                 OR bot_id IN (SELECT id FROM bots WHERE portal_id = $2::bigint))
            AND (external_chat_id = ANY($4::text[]) OR direction = 'inbound' AND author_id = $5)
          ORDER BY id LIMIT $6 FOR UPDATE`,
        [upTo.message, portalId, botId, externalIds, userId, batch],
      );
      await connection.query(`DELETE FROM dialog_reports WHERE portal_id = $1 AND external_chat_id = ANY($2::text[])`, [
        portalId,
        externalIds,
      ]);
      await addToReceipt(
        connection,
        erasureId,
        await eraseMessages(
          connection,
          rows.map(({ id }) => id),
        ),
      );
      return rows.length < batch ? 'done' : 'more';
    });
  }

  /** Looks at up to `batch` events of the portal above `after` and erases those that name one of the chats, or the client. */
  eraseEvents(erasureId: bigint, target: ErasureTarget, after: bigint, batch: number): Promise<ErasurePass> {
    const { kind, portalId, externalIds, externalUserId, upTo } = target;
    // The topics of a forum have one user between them.
    const names = kind === 'client' ? [...externalIds, externalUserId] : externalIds;
    if (portalId === null) return Promise.resolve({ next: null, busy: false });
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{ id: bigint }>(
        `SELECT id FROM events WHERE portal_id = $1 AND id > $2 AND id <= $3::bigint ORDER BY id LIMIT $4`,
        [portalId, after, upTo.event, batch],
      );
      const { rowCount } = await connection.query(
        `DELETE FROM events
          WHERE id = ANY($1::bigint[])
            AND jsonb_path_exists(raw, '$.** ? (@ == $names[*])', jsonb_build_object('names', to_jsonb($2::text[])))`,
        [rows.map(({ id }) => id), names],
      );
      await addToReceipt(connection, erasureId, { events: rowCount ?? 0 });
      return { next: rows.length < batch ? null : rows.at(-1)!.id, busy: false };
    });
  }
}
