import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';

/** Table `oauth_states`: authorisations under way, known only by the SHA-256 of their `state`. */
@Injectable()
export class OauthStatesRepository {
  constructor(private readonly db: DatabaseService) {}

  /** `applicationId`: the stored application that is authorised; null: the one of B24_CLIENT_ID. */
  async create(hash: Buffer, ttlMs: number, applicationId: bigint | null = null): Promise<void> {
    await this.db.query(
      `INSERT INTO oauth_states (hash, expires_at, application_id) VALUES ($1, now() + $2::float8 * interval '1 ms', $3)`,
      [hash, ttlMs, applicationId],
    );
  }

  /** What was begun with this state: exactly once per state, and only before it expires; null otherwise. */
  async consume(hash: Buffer): Promise<{ applicationId: bigint | null } | null> {
    const { rows } = await this.db.query<{ applicationId: bigint | null }>(
      `UPDATE oauth_states SET used_at = now() WHERE hash = $1 AND used_at IS NULL AND expires_at > now()
       RETURNING application_id AS "applicationId"`,
      [hash],
    );
    return rows[0] ?? null;
  }

  /** Forgets what expired more than a day ago and answers how many those were. */
  async purge(): Promise<number> {
    const { rowCount } = await this.db.query(`DELETE FROM oauth_states WHERE expires_at < now() - interval '1 day'`);
    return rowCount ?? 0;
  }
}
