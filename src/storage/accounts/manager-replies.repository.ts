import { Injectable } from '@nestjs/common';
import { MANAGER_REPLY } from '../postgres/columns.js';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { ManagerReply } from '../prisma/client.js';

export interface NewReply extends Pick<ManagerReply, 'managerId' | 'cause' | 'personId'> {
  /** Parameters of sendMessage, without the chat. */
  message: object;
}

/** Seconds that whoever claimed has for all of it; then it is anybody's again. */
const CLAIM_SECONDS = 120;
/** Telegram repeats an update for a day. */
const DAYS_KEPT = 2;

/** The table `manager_replies`. */
@Injectable()
export class ManagerRepliesRepository {
  constructor(private readonly db: DatabaseService) {}

  /** To be sent; what has the same cause is kept already. `unlessWaiting`: only to those who wait for no other reply. */
  async keep(
    { managerId, cause, personId, message }: NewReply,
    { connection = this.db, unlessWaiting = false }: { connection?: Queryable; unlessWaiting?: boolean } = {},
  ): Promise<void> {
    await connection.query(
      `INSERT INTO manager_replies (manager_id, cause, person_id, message)
       SELECT $1, $2, $3, $4::jsonb
        WHERE NOT ($5 AND EXISTS (
          SELECT FROM manager_replies WHERE manager_id = $1 AND person_id = $3 AND due_at IS NOT NULL))
       ON CONFLICT (manager_id, cause) DO NOTHING`,
      [managerId, cause, personId, jsonb(message), unlessWaiting],
    );
  }

  /** Those whose time has come, to each person the oldest one; each is this caller's for two minutes. */
  async claim(managerId: bigint, limit: number): Promise<ManagerReply[]> {
    const { rows } = await this.db.query<ManagerReply>(
      `WITH due AS (
         SELECT r.id FROM manager_replies r
          WHERE r.manager_id = $1 AND r.due_at <= now() AND NOT EXISTS (
            SELECT FROM manager_replies e
             WHERE e.person_id = r.person_id AND e.manager_id = $1 AND e.id < r.id AND e.due_at IS NOT NULL)
          ORDER BY r.due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
       UPDATE manager_replies SET due_at = now() + make_interval(secs => $3), attempts = attempts + 1
        WHERE id IN (SELECT id FROM due) RETURNING ${MANAGER_REPLY}`,
      [managerId, limit, CLAIM_SECONDS],
      { prepared: true },
    );
    return rows;
  }

  async postpone(id: bigint, delayMs: number): Promise<void> {
    await this.db.query(`UPDATE manager_replies SET due_at = now() + $2::float8 * interval '1 ms' WHERE id = $1`, [
      id,
      delayMs,
    ]);
  }

  /** It is not sent again. */
  async finish(id: bigint): Promise<void> {
    await this.db.query(`UPDATE manager_replies SET due_at = NULL WHERE id = $1`, [id]);
  }

  async forget(): Promise<void> {
    await this.db.query(`DELETE FROM manager_replies WHERE created_at < now() - make_interval(days => $1)`, [
      DAYS_KEPT,
    ]);
  }
}
