import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';

/** Table `oauth_states`: authorisations under way, known only by the SHA-256 of their `state`. */
@Injectable()
export class OauthStatesRepository {
  constructor(private readonly db: DatabaseService) {}

  async create(hash: Buffer, ttlMs: number): Promise<void> {
    await this.db.query(
      `INSERT INTO oauth_states (hash, expires_at) VALUES ($1, now() + $2::float8 * interval '1 ms')`,
      [hash, ttlMs],
    );
  }

  /** True exactly once per state, and only before it expires. */
  async consume(hash: Buffer): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE oauth_states SET used_at = now() WHERE hash = $1 AND used_at IS NULL AND expires_at > now()`,
      [hash],
    );
    return rowCount === 1;
  }

  /** Forgets what expired more than a day ago and answers how many those were. */
  async purge(): Promise<number> {
    const { rowCount } = await this.db.query(`DELETE FROM oauth_states WHERE expires_at < now() - interval '1 day'`);
    return rowCount ?? 0;
  }
}
