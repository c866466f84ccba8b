import { Injectable } from '@nestjs/common';
import { insertAuditEntry, PROGRAM } from '../postgres/audit-entries.js';
import { BOT, columnOf } from '../postgres/columns.js';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { LOWER_PENDING } from '../work/dropped-work.js';
import { botEndpoint, NOWHERE, portalEndpoint } from '../work/endpoint-id.js';
import { lockChatsOfBot } from '../work/lock-order.js';
import { rememberLeftDialogs } from '../work/left-dialogs.js';
import { chatsUnderWay, withdrawBroadcasts } from '../work/withdrawn-broadcasts.js';
import { leaveReports, reportRemoval } from '../work/dialog-reports.js';
import type { Bot, BotApiKind, BotMode, BotState } from '../prisma/client.js';

/** What a new bot needs; `token` and `webhookSecret` are already encrypted. */
export interface NewBot {
  key: string;
  telegramId: bigint;
  token: string;
  webhookSecret: string | null;
  mode: BotMode;
  username?: string;
  name?: string;
  portalId?: bigint;
  lineId?: string;
  isDefault?: boolean;
  apiRoot?: string | null;
  apiKind?: BotApiKind | null;
}

/** What is changed beside line and state; secrets are already encrypted. */
type BotChange = Partial<
  Pick<
    Bot,
    'username' | 'name' | 'token' | 'webhookSecret' | 'mode' | 'isDefault' | 'apiRoot' | 'apiKind' | 'nextOffset'
  >
>;

/** The table `bots`: each bot serves at most one line, each line has at most one bot. */
@Injectable()
export class BotsRepository {
  constructor(private readonly db: DatabaseService) {}

  list(): Promise<Bot[]> {
    return this.select('ORDER BY id');
  }

  async find(id: bigint): Promise<Bot | null> {
    const [bot] = await this.select('WHERE id = $1', [id], 'bot');
    return bot ?? null;
  }

  async findByKey(key: string): Promise<Bot | null> {
    const [bot] = await this.select('WHERE key = $1', [key], 'bot_by_key');
    return bot ?? null;
  }

  async findByTelegramId(telegramId: bigint): Promise<Bot | null> {
    const [bot] = await this.select('WHERE telegram_id = $1', [telegramId]);
    return bot ?? null;
  }

  async findByLine(portalId: bigint, lineId: string): Promise<Bot | null> {
    const [bot] = await this.select('WHERE portal_id = $1 AND line_id = $2', [portalId, lineId]);
    return bot ?? null;
  }

  /** Newest first, at most `limit`; `before`: ids below it. */
  page(limit: number, { before, portalId }: { before?: bigint; portalId?: bigint }): Promise<Bot[]> {
    return this.select(
      `WHERE ($2::bigint IS NULL OR id < $2) AND ($3::bigint IS NULL OR portal_id = $3) ORDER BY id DESC LIMIT $1`,
      [limit, before ?? null, portalId ?? null],
    );
  }

  listByPortal(portalId: bigint): Promise<Bot[]> {
    return this.select('WHERE portal_id = $1 ORDER BY id', [portalId]);
  }

  /** The bot of TG_BOT_TOKEN, else the only one there is. */
  async findDefault(): Promise<Bot | null> {
    const [first, second] = await this.select('ORDER BY is_default DESC, id LIMIT 2');
    return first && (first.isDefault || !second) ? first : null;
  }

  /** Throws the unique violation (23505) when the bot is known. */
  async create(bot: NewBot): Promise<Bot> {
    const { rows } = await this.db.query<Bot>(
      `INSERT INTO bots (key, telegram_id, token, webhook_secret, mode, username, name, portal_id, line_id, is_default, api_root,
                         api_kind)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING ${BOT}`,
      [
        bot.key,
        bot.telegramId,
        bot.token,
        bot.webhookSecret,
        bot.mode,
        bot.username ?? null,
        bot.name ?? null,
        bot.portalId ?? null,
        bot.lineId ?? null,
        bot.isDefault ?? false,
        bot.apiRoot ?? null,
        bot.apiKind ?? null,
      ],
    );
    return rows[0]!;
  }

  /** Changes what is named; what is left out, or undefined, stays. Throws when there is no such bot. */
  async update(id: bigint, change: BotChange): Promise<Bot> {
    const named = Object.entries(change).filter(([, value]) => value !== undefined);
    const assignments = named.map(([field], index) => `${columnOf(field)} = $${index + 2}`);
    const { rows } = await this.db.query<Bot>(
      `UPDATE bots SET ${[...assignments, 'updated_at = now()'].join(', ')} WHERE id = $1 RETURNING ${BOT}`,
      [id, ...named.map(([, value]) => value)],
    );
    if (!rows[0]) throw new Error(`There is no bot ${id}`);
    return rows[0];
  }

  async setState(id: bigint, state: BotState, reason: string | null): Promise<void> {
    await this.db.query(
      `UPDATE bots SET state = $2::"BotState", state_reason = $3, updated_at = now()
        WHERE id = $1 AND (state, state_reason) IS DISTINCT FROM ($2::"BotState", $3)`,
      [id, state, reason],
    );
  }

  /** Marks one bot as the default and no other. */
  async setDefault(id: bigint): Promise<void> {
    await this.db.query(`UPDATE bots SET is_default = (id = $1) WHERE is_default IS DISTINCT FROM (id = $1)`, [id]);
  }

  /**
   * Gives the bot a line (or takes it away). Its chats and everything they still wait for follow in the same
   * transaction. Throws the unique violation of (portal, line) when another bot serves that line.
   */
  async assign(id: bigint, line: { portalId: bigint; lineId: string } | null): Promise<void> {
    await this.db.transaction((connection) => assignLine(connection, id, line));
  }

  /**
   * The bot of this line; a line without one adopts the default bot (else the only unassigned bot), if that bot
   * serves no line yet and the line was not switched off. Null when there is none to adopt.
   */
  async adoptUnassigned(portalId: bigint, lineId: string): Promise<Bot | null> {
    const id = await this.db.transaction(async (connection) => {
      const { rows: serving } = await connection.query<{ id: bigint }>(
        `SELECT id FROM bots WHERE portal_id = $1 AND line_id = $2`,
        [portalId, lineId],
      );
      if (serving[0]) return serving[0].id;
      const { rows } = await connection.query<{ id: bigint; is_default: boolean }>(
        `SELECT id, is_default FROM bots
          WHERE line_id IS NULL AND state <> 'disabled' AND NOT EXISTS (
            SELECT FROM lines l WHERE l.portal_id = $1 AND l.line_id = $2 AND l.state = 'inactive')
          ORDER BY id FOR UPDATE`,
        [portalId, lineId],
      );
      const [candidate, other] = rows.sort((one, another) => Number(another.is_default) - Number(one.is_default));
      if (!candidate || (!candidate.is_default && other)) return null;
      await assignLine(connection, candidate.id, { portalId, lineId });
      const subject = `bot:${candidate.id}`;
      await insertAuditEntry(connection, {
        actor: PROGRAM,
        action: 'bot.adopt',
        subject,
        portalId,
        detail: { lineId },
      });
      return candidate.id;
    });
    return id === null ? null : this.find(id);
  }

  /** Removes the bot with its chats and their history; dialogs in which answers wait for it are told. */
  async remove(id: bigint): Promise<void> {
    await this.db.transaction(async (connection) => {
      await connection.query(`SELECT FROM bots WHERE id = $1 FOR UPDATE`, [id]);
      await connection.query(`SELECT FROM endpoints WHERE id = $1 FOR UPDATE`, [botEndpoint(id)]);
      await lockChatsOfBot(connection, id);
      await reportRemoval(connection, id);
      await connection.query(
        `WITH gone AS (DELETE FROM lanes USING chat_links c WHERE c.id = lanes.chat_id AND c.bot_id = $1 RETURNING lanes.id)
         DELETE FROM deliveries WHERE lane_id IN (SELECT id FROM gone)`,
        [id],
      );
      // Before the bot: what its clients wished is kept with its name.
      await connection.query(`DELETE FROM chat_links WHERE bot_id = $1`, [id]);
      await connection.query(`DELETE FROM bots WHERE id = $1`, [id]);
      await connection.query(`DELETE FROM endpoints WHERE id = $1`, [botEndpoint(id)]);
    });
  }

  private async select(which: string, values: unknown[] = [], name?: string): Promise<Bot[]> {
    const { rows } = await this.db.query<Bot>(`SELECT ${BOT} FROM bots ${which}`, values, { name });
    return rows;
  }
}

async function assignLine(
  connection: Queryable,
  botId: bigint,
  line: { portalId: bigint; lineId: string } | null,
): Promise<void> {
  // Intakes that are under way end before: see lock-order.ts.
  const { rows } = await connection.query<{ portal_id: bigint | null; line_id: string | null }>(
    `SELECT portal_id, line_id FROM bots WHERE id = $1 FOR UPDATE`,
    [botId],
  );
  const { rowCount } = await connection.query(
    `UPDATE bots SET portal_id = $2, line_id = $3, updated_at = now()
      WHERE id = $1 AND (portal_id, line_id) IS DISTINCT FROM ($2, $3)`,
    [botId, line?.portalId ?? null, line?.lineId ?? null],
  );
  if (!rowCount) return;
  await lockChatsOfBot(connection, botId);
  const { portal_id: portalId, line_id: lineId } = rows[0]!;
  if (portalId !== null && lineId !== null) await rememberLeftDialogs(connection, botId, { portalId, lineId });
  // A dialog belongs to one line of one portal: what Bitrix24 said about it is worthless in another. The number that the
  // CRM of one portal has of the client is no business of another one.
  await connection.query(
    `UPDATE chat_links
        SET portal_id = $2, bitrix_chat_id = NULL, bitrix_user_id = NULL, bitrix_session_id = NULL,
            dialog_open = NULL, dialog_title = '', refused_photo = NULL,
            invited_phone = CASE WHEN portal_id = $2 THEN invited_phone END
      WHERE bot_id = $1`,
    [botId, line?.portalId ?? null],
  );
  // Fences count per endpoint: what is in flight must not look like a send of the new one.
  await connection.query(
    `UPDATE lanes SET endpoint = $2, due_at = now(), busy_fence = -abs(busy_fence),
            busy_endpoint = CASE WHEN busy_fence IS NOT NULL THEN coalesce(busy_endpoint, endpoint) END
       FROM chat_links c
      WHERE c.id = lanes.chat_id AND c.bot_id = $1 AND lanes.channel <> 'outbound'`,
    [botId, line ? portalEndpoint(line.portalId) : NOWHERE],
  );
  if (portalId !== line?.portalId) {
    // What one portal advertises, a bot of another one, or of none, does not send.
    const chatIds = await chatsUnderWay(connection, { botId });
    await withdrawBroadcasts(connection, { chatIds, broadcastId: null }, 'gone');
  }
  await leaveReports(connection, botId, line);
  if (line) await leaveOtherPortals(connection, botId, line.portalId);
}

/** What still waits belongs to the new portal, except what is about an older one's messages: it must not learn of them. */
async function leaveOtherPortals(connection: Queryable, botId: bigint, portalId: bigint): Promise<void> {
  await connection.query(
    `WITH gone AS (
       DELETE FROM deliveries d USING lanes l, chat_links c, messages m
        WHERE c.bot_id = $1 AND l.chat_id = c.id AND l.channel <> 'outbound' AND d.lane_id = l.id AND d.state = 'queued'
          AND d.kind IN ('status', 'reading', 'note') AND m.id = d.message_id AND m.portal_id <> $2
        RETURNING d.lane_id
     ), ${LOWER_PENDING}
     SELECT`,
    [botId, portalId],
  );
  await connection.query(
    `UPDATE messages m SET portal_id = $2
      WHERE m.bot_id = $1 AND m.state = 'queued' AND m.direction = 'inbound' AND m.portal_id IS DISTINCT FROM $2
        AND NOT EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id AND d.state = 'sending')`,
    [botId, portalId],
  );
}
