import { Injectable } from '@nestjs/common';
import { BOT, MANAGER_BOT } from '../postgres/columns.js';
import { DatabaseService } from '../postgres/database.service.js';
import type { Bot, ManagerBot } from '../prisma/client.js';

/** How long one process reads a manager's updates without a sign of life: longer than a poll takes. */
const READER_SECONDS = 15;
/** A refused token is asked for anew no sooner than after so many minutes. */
const TOKEN_AGAIN_MINUTES = 5;
/** Seconds that whoever claimed has for all of it. */
const CLAIM_SECONDS = 120;

/** A bot whose token is this caller's to ask for. */
export interface ClaimedToken extends Bot {
  claimedUntil: Date;
}

/** The tables `manager_bots`, and `managed_bots` as far as their tokens go. */
@Injectable()
export class ManagerBotsRepository {
  constructor(private readonly db: DatabaseService) {}

  async find(telegramId: bigint): Promise<ManagerBot | null> {
    const { rows } = await this.db.query<ManagerBot>(`SELECT ${MANAGER_BOT} FROM manager_bots WHERE telegram_id = $1`, [
      telegramId,
    ]);
    return rows[0] ?? null;
  }

  /** This process reads the updates for a while from now on; false: another one does. */
  async read(telegramId: bigint, reader: string): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `INSERT INTO manager_bots AS m (telegram_id, reader, read_until)
       VALUES ($1, $2, now() + make_interval(secs => $3))
       ON CONFLICT (telegram_id) DO UPDATE SET reader = $2, read_until = EXCLUDED.read_until
        WHERE m.reader = $2 OR m.read_until IS NULL OR m.read_until <= now()`,
      [telegramId, reader, READER_SECONDS],
    );
    return rowCount === 1;
  }

  /** Another process may read them at once. */
  async leave(telegramId: bigint, reader: string): Promise<void> {
    await this.db.query(`UPDATE manager_bots SET read_until = NULL WHERE telegram_id = $1 AND reader = $2`, [
      telegramId,
      reader,
    ]);
  }

  /** Telegram answered a poll: bots can be made. */
  async heard(telegramId: bigint, username: string): Promise<void> {
    await this.db.query(
      `UPDATE manager_bots SET username = $2, trouble = NULL, detail = NULL, heard_at = now() WHERE telegram_id = $1`,
      [telegramId, username],
    );
  }

  /** Why no bots can be made, by a code and in Telegram's words. What is left out stays. */
  async troubled(
    telegramId: bigint,
    { username, trouble, detail }: { username?: string; trouble: string; detail: string },
  ): Promise<void> {
    await this.db.query(
      `UPDATE manager_bots SET username = coalesce($2, username), trouble = $3, detail = $4
        WHERE telegram_id = $1 AND (username, trouble, detail) IS DISTINCT FROM (coalesce($2, username), $3, $4)`,
      [telegramId, username ?? null, trouble, detail],
    );
  }

  /** Whether whoever owns the bot made or took it, through this manager, for a line of the portal. */
  async isManagedFor(managerId: bigint, botTelegramId: bigint, portalId: bigint): Promise<boolean> {
    const { rows } = await this.db.query(
      `SELECT FROM managed_bots WHERE telegram_id = $1 AND manager_id = $2 AND portal_id = $3`,
      [botTelegramId, managerId, portalId],
    );
    return rows.length > 0;
  }

  /**
   * Bots whose token is to be asked for anew, as Telegram refuses it or the manager heard of a change; only of those that
   * serve the portal for which their owner made them: others have to be told the token.
   */
  async claimTokens(managerId: bigint, limit: number): Promise<ClaimedToken[]> {
    const { rows } = await this.db.query<ClaimedToken>(
      `WITH due AS (
         SELECT m.telegram_id FROM managed_bots m
           JOIN bots b ON b.telegram_id = m.telegram_id AND b.portal_id = m.portal_id
          WHERE m.manager_id = $1 AND (
                m.token_due_at <= now()
                OR b.state = 'unauthorised' AND m.token_due_at IS NULL
                   AND (m.token_asked_at IS NULL OR m.token_asked_at < now() - make_interval(mins => $4)))
          ORDER BY m.telegram_id LIMIT $2 FOR NO KEY UPDATE OF m SKIP LOCKED
       ), claimed AS (
         UPDATE managed_bots SET token_due_at = now() + make_interval(secs => $3), token_asked_at = now()
          WHERE telegram_id IN (SELECT telegram_id FROM due) RETURNING telegram_id, token_due_at
       )
       SELECT b.*, c.token_due_at AS "claimedUntil" FROM claimed c
         JOIN (SELECT ${BOT} FROM bots) b ON b."telegramId" = c.telegram_id`,
      [managerId, limit, CLAIM_SECONDS, TOKEN_AGAIN_MINUTES],
      { prepared: true },
    );
    return rows;
  }

  /** The token was asked for, whatever came of it. A change that the manager heard of meanwhile has it asked for again. */
  async tokenAsked({ telegramId, claimedUntil }: ClaimedToken): Promise<void> {
    await this.db.query(`UPDATE managed_bots SET token_due_at = NULL WHERE telegram_id = $1 AND token_due_at = $2`, [
      telegramId,
      claimedUntil,
    ]);
  }
}
