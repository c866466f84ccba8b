import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { BOT_REQUEST } from '../postgres/columns.js';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import type { BotRequest } from '../prisma/client.js';

export interface NewBotRequest extends Pick<
  BotRequest,
  'portalId' | 'lineId' | 'lineName' | 'managerId' | 'name' | 'username' | 'createdBy'
> {
  /** Only its hash is kept. */
  code: string;
}

/** A request with the host of its portal, and the user name of the bot that was made for it. */
export interface PlacedRequest extends BotRequest {
  portal: string;
  botUsername: string | null;
}

/** A bot that somebody made, as its manager hears of it. */
export interface MadeBot {
  managerId: bigint;
  telegramId: bigint;
  ownerId: bigint;
  username: string | null;
  name: string | null;
}

export type SpareBot = Pick<MadeBot, 'telegramId' | 'username'>;

/** `gone`: there is none, or its time is over; `anothers`: somebody else makes its bot; `over`: it has its bot. */
export type StartOutcome =
  { outcome: 'started'; request: PlacedRequest; spares: SpareBot[] } | { outcome: 'gone' | 'anothers' | 'over' };

/**
 * `known`: the manager has heard of it before; `taken`: a request has its bot now; `unclear`: whoever made it has several
 * requests, and the bot is not named as one alone of them suggested; `spare`: they have none.
 */
export type MadeOutcome = { outcome: 'known' | 'taken' | 'spare' } | { outcome: 'unclear'; requests: PlacedRequest[] };

/** How long a link works, and how long whoever pressed Start may take; minutes. */
const MINUTES_TO_MAKE = 60;
/** How long it is tried to connect a bot that was made; minutes. */
const MINUTES_TO_CONNECT = 60;
/** Seconds that whoever claimed has for all of it; then it is anybody's again. */
const CLAIM_SECONDS = 120;
/** Requests of one line whose links work; older ones end. */
const OPEN_OF_A_LINE = 10;
/** Bots that are offered in place of a new one. */
const SPARES_SHOWN = 5;

const PLACED = `SELECT r.*, p.domain AS portal, m.username AS "botUsername"
  FROM rows r JOIN portals p ON p.id = r."portalId" LEFT JOIN managed_bots m ON m.telegram_id = r."botTelegramId"`;
/** SQL: nobody uses the bot `m` of the table `managed_bots`, or is about to. */
const IS_SPARE = `NOT EXISTS (SELECT FROM bots b WHERE b.telegram_id = m.telegram_id AND b.portal_id IS NOT NULL)
  AND NOT EXISTS (SELECT FROM bot_requests r WHERE r.bot_telegram_id = m.telegram_id AND r.state = 'made')`;

/** The tables `bot_requests` and, as far as requests need it, `managed_bots`. */
@Injectable()
export class BotRequestsRepository {
  constructor(private readonly db: DatabaseService) {}

  async create(request: NewBotRequest): Promise<BotRequest> {
    const { portalId, lineId, lineName, managerId, code, name, username, createdBy } = request;
    const { rows } = await this.db.query<BotRequest>(
      `INSERT INTO bot_requests (portal_id, line_id, line_name, manager_id, code_hash, name, username, created_by, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(mins => $9)) RETURNING ${BOT_REQUEST}`,
      [portalId, lineId, lineName, managerId, hashOf(code), name, username, createdBy, MINUTES_TO_MAKE],
    );
    await this.db.query(
      `UPDATE bot_requests SET expires_at = now()
        WHERE portal_id = $1 AND line_id = $2 AND state = 'waiting' AND expires_at > now() AND id <= (
          SELECT id FROM bot_requests WHERE portal_id = $1 AND line_id = $2 ORDER BY id DESC OFFSET $3 LIMIT 1)`,
      [portalId, lineId, OPEN_OF_A_LINE],
    );
    return rows[0]!;
  }

  async find(id: bigint): Promise<BotRequest | null> {
    const { rows } = await this.db.query<BotRequest>(`SELECT ${BOT_REQUEST} FROM bot_requests WHERE id = $1`, [id]);
    return rows[0] ?? null;
  }

  /** The request of the line that somebody works on, else the newest one of the last day. */
  async latest(portalId: bigint, lineId: string): Promise<BotRequest | null> {
    const { rows } = await this.db.query<BotRequest>(
      `SELECT ${BOT_REQUEST} FROM bot_requests
        WHERE portal_id = $1 AND line_id = $2 AND created_at > now() - interval '1 day'
        ORDER BY (state IN ('started', 'made') AND expires_at > now()) DESC, id DESC LIMIT 1`,
      [portalId, lineId],
    );
    return rows[0] ?? null;
  }

  /** Somebody pressed Start at the manager with this code. Pressed again, the link works for another hour. */
  async start(
    connection: Queryable,
    code: string,
    person: { managerId: bigint; id: bigint; language: string },
  ): Promise<StartOutcome> {
    const { rows } = await connection.query<BotRequest & { expired: boolean }>(
      `SELECT ${BOT_REQUEST}, expires_at <= now() AS expired FROM bot_requests
        WHERE code_hash = $1 AND manager_id = $2 FOR NO KEY UPDATE`,
      [hashOf(code), person.managerId],
    );
    const [found] = rows;
    if (!found) return { outcome: 'gone' };
    if (found.personId !== null && found.personId !== person.id) return { outcome: 'anothers' };
    if (found.state !== 'waiting' && found.state !== 'started') return { outcome: 'over' };
    if (found.expired) return { outcome: 'gone' };
    const { rows: started } = await connection.query<PlacedRequest>(
      `WITH rows AS (
         UPDATE bot_requests SET state = 'started', person_id = $2, language = $3,
                expires_at = now() + make_interval(mins => $4)
          WHERE id = $1 RETURNING ${BOT_REQUEST}) ${PLACED}`,
      [found.id, person.id, person.language, MINUTES_TO_MAKE],
    );
    const { rows: spares } = await connection.query<SpareBot>(
      `SELECT m.telegram_id AS "telegramId", m.username FROM managed_bots m
        WHERE m.owner_id = $1 AND m.manager_id = $2 AND ${IS_SPARE} ORDER BY m.created_at DESC LIMIT $3`,
      [person.id, person.managerId, SPARES_SHOWN],
    );
    return { outcome: 'started', request: started[0]!, spares };
  }

  /**
   * The manager hears of a bot: that it was made, or that its token or owner changed, which looks alike. So only the first
   * time it is taken for a new one. A bot that is in service has its token asked for anew, unless it was given away: its
   * new owner has not said that anybody may have it.
   */
  async made(connection: Queryable, bot: MadeBot): Promise<MadeOutcome> {
    const { rows: before } = await connection.query(
      `SELECT FROM managed_bots WHERE telegram_id = $1 UNION ALL SELECT FROM bots WHERE telegram_id = $1`,
      [bot.telegramId],
    );
    const { rows: kept } = await connection.query<{ isNew: boolean }>(
      `INSERT INTO managed_bots (telegram_id, manager_id, owner_id, username, name, token_due_at)
       VALUES ($1, $2, $3, $4, $5, (SELECT now() FROM bots WHERE telegram_id = $1))
       ON CONFLICT (telegram_id) DO UPDATE SET manager_id = $2, owner_id = $3, username = $4, name = $5,
              portal_id = CASE WHEN managed_bots.owner_id = $3 THEN managed_bots.portal_id END,
              token_due_at = coalesce(EXCLUDED.token_due_at, managed_bots.token_due_at)
       RETURNING xmax = 0 AS "isNew"`,
      [bot.telegramId, bot.managerId, bot.ownerId, bot.username, bot.name],
    );
    if (before.length > 0 || !kept[0]!.isNew) return { outcome: 'known' };
    const requests = await this.startedBy(connection, bot);
    const named = requests.filter(({ username }) => username.toLowerCase() === bot.username?.toLowerCase());
    // Two may suggest the same: then nothing tells them apart.
    const [meant, ...others] = requests.length === 1 ? requests : named;
    if (!meant || others.length > 0)
      return requests.length === 0 ? { outcome: 'spare' } : { outcome: 'unclear', requests };
    await this.take(connection, meant.id, bot.telegramId);
    return { outcome: 'taken' };
  }

  /**
   * Its owner says for which of their requests a bot is; said twice, it is so already. False: it is for none (any more),
   * or it is not theirs.
   */
  async choose(
    connection: Queryable,
    person: { managerId: bigint; id: bigint },
    requestId: bigint,
    botTelegramId: bigint,
  ): Promise<boolean> {
    const { rows } = await connection.query<{ isSpare: boolean }>(
      `SELECT ${IS_SPARE} AS "isSpare" FROM managed_bots m
        WHERE m.telegram_id = $1 AND m.owner_id = $2 AND m.manager_id = $3 FOR NO KEY UPDATE`,
      [botTelegramId, person.id, person.managerId],
    );
    if (rows.length === 0) return false;
    const { rows: chosen } = await connection.query(
      `SELECT FROM bot_requests
        WHERE id = $1 AND person_id = $2 AND bot_telegram_id = $3 AND state IN ('made', 'connected')`,
      [requestId, person.id, botTelegramId],
    );
    if (chosen.length > 0) return true;
    if (!rows[0]!.isSpare) return false;
    const open = await this.startedBy(connection, { ownerId: person.id, managerId: person.managerId });
    if (!open.some(({ id }) => id === requestId)) return false;
    await this.take(connection, requestId, botTelegramId);
    return true;
  }

  /** Those whose bot is to be connected, or whose outcome is to be told; each is this caller's for two minutes. */
  async claim(limit: number): Promise<PlacedRequest[]> {
    const { rows } = await this.db.query<PlacedRequest>(
      `WITH due AS (
         SELECT id FROM bot_requests WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
       ), rows AS (
         UPDATE bot_requests SET due_at = now() + make_interval(secs => $2), attempts = attempts + 1
          WHERE id IN (SELECT id FROM due) RETURNING ${BOT_REQUEST}) ${PLACED}`,
      [limit, CLAIM_SECONDS],
      { prepared: true },
    );
    return rows;
  }

  /** It is tried again then; its outcome does not change. `error`: why the latest try failed. */
  async postpone({ id, state }: BotRequest, delayMs: number, error?: string): Promise<void> {
    await this.db.query(
      `UPDATE bot_requests SET error = coalesce($3, error), due_at = now() + $4::float8 * interval '1 ms'
        WHERE id = $1 AND state = $2::"BotRequestState"`,
      [id, state, error ?? null, delayMs],
    );
  }

  /** Its outcome is known, and is to be told. `error`: why it failed; null: the bot is connected. */
  async finish(id: bigint, error: string | null): Promise<void> {
    await this.db.query(
      `UPDATE bot_requests
          SET state = CASE WHEN $2::text IS NULL THEN 'connected' ELSE 'failed' END::"BotRequestState",
              error = $2, attempts = 0, due_at = now()
        WHERE id = $1 AND state = 'made'`,
      [id, error],
    );
  }

  /** Nothing is left to be done about it. */
  async told(id: bigint): Promise<void> {
    await this.db.query(`UPDATE bot_requests SET due_at = NULL WHERE id = $1 AND state IN ('connected', 'failed')`, [
      id,
    ]);
  }

  /** Forgets what is over for a month, and answers how many those were. */
  async forget(): Promise<number> {
    const { rowCount } = await this.db.query(
      `DELETE FROM bot_requests WHERE created_at < now() - interval '30 days' AND state <> 'made'`,
    );
    return rowCount ?? 0;
  }

  /** The requests of whoever owns the bot that still wait for one. */
  private async startedBy(
    connection: Queryable,
    { ownerId, managerId }: Pick<MadeBot, 'ownerId' | 'managerId'>,
  ): Promise<PlacedRequest[]> {
    const { rows } = await connection.query<PlacedRequest>(
      `WITH rows AS (
         SELECT ${BOT_REQUEST} FROM bot_requests
          WHERE person_id = $1 AND manager_id = $2 AND state = 'started' AND expires_at > now()
          ORDER BY id FOR NO KEY UPDATE) ${PLACED} ORDER BY r.id DESC`,
      [ownerId, managerId],
    );
    return rows;
  }

  private async take(connection: Queryable, id: bigint, botTelegramId: bigint): Promise<void> {
    await connection.query(
      `UPDATE bot_requests SET state = 'made', bot_telegram_id = $2, error = NULL, attempts = 0, due_at = now(),
              expires_at = now() + make_interval(mins => $3)
        WHERE id = $1`,
      [id, botTelegramId, MINUTES_TO_CONNECT],
    );
    await connection.query(
      `UPDATE managed_bots SET portal_id = (SELECT portal_id FROM bot_requests WHERE id = $1) WHERE telegram_id = $2`,
      [id, botTelegramId],
    );
  }
}

const hashOf = (code: string): Buffer => createHash('sha256').update(code).digest();
