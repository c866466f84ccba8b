import { Injectable } from '@nestjs/common';
import type { BroadcastContent } from '../crm/broadcasts.repository.js';
import { filesOf, readFiles, type RowWithFiles } from '../crm/kept-files.js';
import { isStranded, nextRecipients, type NextRecipient } from '../crm/next-recipients.js';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import type { BroadcastState } from '../prisma/client.js';
import { IS_UNSUBSCRIBED, letWordsPass } from '../work/advertising.js';
import { haltBroadcasts } from '../work/halted-broadcasts.js';
import { lockBots, lockChats } from '../work/lock-order.js';
import { chatsUnderWay, withdrawBroadcasts } from '../work/withdrawn-broadcasts.js';
import type { NamedClient } from './client-placeholders.js';
import { intakeOf, NOTHING, type Intake } from './intake.js';
import type { StoredWords } from './intake.rows.js';
import { sayTo } from './own-messages.js';

/** A broadcast that is to be looked at: it runs, or it does not and something of it is under way or to be ended. */
export interface ActiveBroadcast extends BroadcastContent {
  id: bigint;
  portalId: bigint;
  state: BroadcastState;
  /** REST address of the portal. */
  clientEndpoint: string;
  /** It runs, and nobody waits any more. */
  isOver: boolean;
}

/** A client as a broadcast speaks to them; `language` as their app names it. */
export type BroadcastReader = NamedClient & { language: string | null };
/** What one client is to be told; null: with their name it is longer than it may be. */
export type WordsFor = (
  reader: BroadcastReader,
) => Pick<StoredWords, 'text' | 'marks' | 'attachments' | 'keyboard'> | null;

/** Codes of Telegram's table by which the client, or their account, is gone for the bot. */
const BLOCKED = `'bot_blocked', 'user_deactivated', 'conversation_not_started'`;

/** SQL: the message `m` was not sent, because its file could not be: see BotSender. */
const IS_WITHOUT_FILE = `(m.state = 'failed' AND m.error_code = 'files_left_out')`;
/** SQL: the messages of recipients `r`, and which of them. */
const WITHOUT_FILE = `JOIN messages m ON m.id = r.message_id WHERE r.state = 'sending' AND ${IS_WITHOUT_FILE}`;

/** Milliseconds: whoever comes after it finds things as they were. */
const PATIENCE = { limitMs: 5_000 };

/** How broadcasts become messages: the table `broadcast_recipients`, together with the lanes. */
@Injectable()
export class BroadcastPortionsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Oldest first, of portals that are connected. */
  async active(): Promise<ActiveBroadcast[]> {
    const { rows } = await this.db.query<Omit<ActiveBroadcast, 'files'> & RowWithFiles>(
      `SELECT b.id, b.portal_id AS "portalId", b.state, b.text, b.buttons, b.file, b.has_unsubscribe AS "hasUnsubscribe",
              p.client_endpoint AS "clientEndpoint", ${filesOf('broadcast_id', 'b.id')} AS files,
              b.state = 'running' AND NOT EXISTS (
                SELECT FROM broadcast_recipients r WHERE r.broadcast_id = b.id AND r.state IN ('waiting', 'sending'))
                AS "isOver"
         FROM broadcasts b JOIN portals p ON p.id = b.portal_id
        WHERE b.state = 'running' AND p.state <> 'uninstalled'
           OR b.state IN ('paused', 'stopped') AND EXISTS (
                SELECT FROM broadcast_recipients r WHERE r.broadcast_id = b.id AND r.state = 'sending')
           OR b.state = 'stopped' AND EXISTS (
                SELECT FROM broadcast_recipients r WHERE r.broadcast_id = b.id AND r.state = 'waiting')
        ORDER BY b.id`,
      [],
      { prepared: true },
    );
    return rows.map((row) => ({ ...row, files: readFiles(row) }));
  }

  /** The client of a chat of the portal; null: it has no such chat. */
  async reader(portalId: bigint, chatId: bigint): Promise<BroadcastReader | null> {
    const { rows } = await this.db.query<BroadcastReader>(
      `SELECT language, first_name AS "firstName", title FROM chat_links WHERE id = $1 AND portal_id = $2`,
      [chatId, portalId],
    );
    return rows[0] ?? null;
  }

  /** See {@link nextRecipients}. */
  next(broadcast: Pick<ActiveBroadcast, 'id' | 'portalId'>, depth: number): Promise<NextRecipient[]> {
    return nextRecipients(this.db, broadcast, depth);
  }

  /** Where nobody can be told anything, because their bots are out of service, it is paused, so that people decide. */
  async haltStranded(broadcast: Pick<ActiveBroadcast, 'id' | 'portalId'>): Promise<void> {
    if (!(await isStranded(this.db, broadcast))) return;
    await this.db.transaction((connection) => haltBroadcasts(connection, { id: broadcast.id }, 'bots_off'));
  }

  /**
   * Keeps what these clients are to be told, each once, whoever begins it: nothing when the broadcast does not run any
   * more. Who has unsubscribed, blocked the bot or gone since the start is passed over, and counted.
   */
  begin(
    { id, portalId }: Pick<ActiveBroadcast, 'id' | 'portalId'>,
    next: NextRecipient[],
    words: WordsFor,
  ): Promise<Intake> {
    return this.db.transaction(async (connection) => {
      await lockTheirs(
        connection,
        next.flatMap(({ chatId }) => chatId ?? []),
      );
      const { rowCount: runs } = await connection.query(
        // Whoever pauses it waits for this portion, and then takes it back.
        `SELECT FROM broadcasts WHERE id = $1 AND state = 'running' FOR SHARE`,
        [id],
      );
      if (!runs) return NOTHING;
      const theirs = await this.standing(connection, id, portalId, next);
      const ready = theirs.flatMap((recipient) => {
        const said = recipient.why === null ? words(recipient) : null;
        if (said) return { ...recipient, said };
        recipient.why ??= 'too_long';
        return [];
      });
      const deliveries = await sayTo(
        connection,
        ready.map(({ said, ...chat }) => ({
          portalId,
          source: 'broadcast' as const,
          words: said,
          bulk: true,
          chat: { id: chat.chat_id!, bot_id: chat.bot_id, external_id: chat.external_id, portal_id: chat.portal_id },
        })),
      );
      // They stay until the last message has been sent.
      await connection.query(
        `UPDATE answer_files SET used_at = now()
          WHERE broadcast_id = $1 AND (used_at IS NULL OR used_at < now() - interval '1 hour')`,
        [id],
      );
      const messageOf = new Map(ready.map(({ id: recipient }, index) => [recipient, deliveries[index]!.messageId]));
      await connection.query(
        `UPDATE broadcast_recipients r SET state = coalesce(e.why, 'sending')::"RecipientState", message_id = e.message_id
           FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS e(id, why, message_id) WHERE r.id = e.id`,
        [
          theirs.map(({ id: recipient }) => recipient),
          theirs.map(({ why }) => why),
          theirs.map(({ id: recipient }) => messageOf.get(recipient) ?? null),
        ],
      );
      return intakeOf(deliveries, deliveries.length, 0);
    }, PATIENCE);
  }

  private async standing(connection: Queryable, id: bigint, portalId: bigint, next: NextRecipient[]) {
    const { rows } = await connection.query<{
      id: bigint;
      chat_id: bigint | null;
      bot_id: bigint;
      external_id: string;
      portal_id: bigint | null;
      language: string | null;
      firstName: string | null;
      title: string;
      /** State in which it ends without a message; null: it is to have one. */
      why: string | null;
    }>(
      `SELECT r.id, c.id AS chat_id, c.bot_id, c.external_id, c.portal_id, c.language,
              c.first_name AS "firstName", coalesce(c.title, '') AS title,
              CASE WHEN c.id IS NULL OR c.portal_id IS DISTINCT FROM $2 OR c.banned_at IS NOT NULL THEN 'gone'
                   WHEN ${IS_UNSUBSCRIBED} THEN 'unsubscribed' WHEN c.state <> 'active' THEN 'blocked' END AS why
         FROM broadcast_recipients r LEFT JOIN chat_links c ON c.id = r.chat_id
        WHERE r.broadcast_id = $1 AND r.id = ANY($3::bigint[]) AND r.state = 'waiting'
        ORDER BY r.id FOR UPDATE OF r`,
      [id, portalId, next.map((recipient) => recipient.id)],
    );
    return rows;
  }

  /** What of the broadcast waits in lanes and was not sent is taken back: those clients wait again. Returns how many. */
  withdraw(id: bigint): Promise<number> {
    return this.db.transaction(async (connection) => {
      const chatIds = await chatsUnderWay(connection, { broadcastId: id });
      if (chatIds.length === 0) return 0;
      await lockTheirs(connection, chatIds);
      return withdrawBroadcasts(connection, { chatIds, broadcastId: id }, 'waiting');
    });
  }

  /** Of a stopped broadcast: who waits will not have it. */
  async stopWaiting(id: bigint): Promise<void> {
    await this.db.query(
      `UPDATE broadcast_recipients SET state = 'stopped'
        WHERE broadcast_id = $1 AND state = 'waiting'
          AND EXISTS (SELECT FROM broadcasts WHERE id = $1 AND state = 'stopped')`,
      [id],
    );
  }

  /** See {@link letWordsPass}. */
  letWordsPass(): Promise<void> {
    return letWordsPass(this.db);
  }

  /**
   * Broadcasts whose file could not be had, or is not taken by Telegram, are paused, and whoever was to have it waits
   * again: no words went out without it.
   */
  async haltWithoutFile(): Promise<void> {
    const { rows } = await this.db.query<{ broadcast_id: bigint; detail: string }>(
      `SELECT r.broadcast_id, max(m.error_detail) AS detail FROM broadcast_recipients r ${WITHOUT_FILE}
        GROUP BY r.broadcast_id ORDER BY r.broadcast_id`,
      [],
      { prepared: true },
    );
    if (rows.length === 0) return;
    await this.db.transaction(async (connection) => {
      for (const { broadcast_id: id, detail } of rows) {
        await haltBroadcasts(connection, { id }, 'file_unavailable', detail);
      }
      await connection.query(
        `WITH theirs AS (
           SELECT r.id, m.id AS message_id FROM broadcast_recipients r ${WITHOUT_FILE}
              AND r.broadcast_id = ANY($1::bigint[]) ORDER BY r.id FOR UPDATE OF r, m
         ), again AS (
           UPDATE broadcast_recipients r SET state = 'waiting', message_id = NULL FROM theirs t WHERE r.id = t.id
         )
         DELETE FROM messages m USING theirs t WHERE m.id = t.message_id`,
        [rows.map((row) => row.broadcast_id)],
      );
    });
  }

  /** What came to its end. Returns how many. */
  async noteEnds(): Promise<number> {
    const { rowCount } = await this.db.query(
      `UPDATE broadcast_recipients r
          SET delivered_at = e.delivered_at,
              state = CASE WHEN e.message_state IS NULL THEN 'gone' WHEN e.error_code IN (${BLOCKED}) THEN 'blocked'
                           WHEN e.message_state = 'ignored' THEN 'unsubscribed'
                           ELSE e.message_state END::"RecipientState"
         FROM (SELECT r.id, m.state::text AS message_state, m.error_code, m.delivered_at
                 FROM broadcast_recipients r LEFT JOIN messages m ON m.id = r.message_id
                WHERE r.state = 'sending' AND (m.id IS NULL OR m.state <> 'queued')
                  AND NOT coalesce(${IS_WITHOUT_FILE}, false)
                  FOR UPDATE OF r SKIP LOCKED) e
        WHERE r.id = e.id`,
      [],
      { prepared: true },
    );
    return rowCount ?? 0;
  }
}

/** Bots stay where they are, and nobody else writes these chats. */
async function lockTheirs(connection: Queryable, chatIds: bigint[]): Promise<void> {
  const { rows } = await connection.query<{ bot_id: bigint }>(
    `SELECT DISTINCT bot_id FROM chat_links WHERE id = ANY($1::bigint[])`,
    [chatIds],
  );
  await lockBots(
    connection,
    rows.map(({ bot_id }) => bot_id),
  );
  await lockChats(connection, chatIds);
}
