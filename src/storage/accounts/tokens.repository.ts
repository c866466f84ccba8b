import { Injectable } from '@nestjs/common';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { encryptionContext, EncryptionService } from '../secrets/encryption.service.js';

/** An OAuth pair, decrypted. */
export interface TokenPair {
  accessToken: string;
  refreshToken: string;
  expiresAt: Date;
}

export interface TokenRecord extends TokenPair {
  portalId: bigint;
  userId: string;
  isAdmin: boolean;
  isInstaller: boolean;
  refreshedAt: Date;
  state: 'valid' | 'dead';
  stateReason: string | null;
}

export interface TokenOwner {
  isAdmin: boolean;
  isInstaller: boolean;
}

/** A pair's place in the table, for those who need no secret. */
export interface TokenKey {
  portalId: bigint;
  userId: string;
}

const COLUMNS = `portal_id AS "portalId", user_id AS "userId", is_admin AS "isAdmin", is_installer AS "isInstaller",
  access_token AS "accessToken", refresh_token AS "refreshToken", expires_at AS "expiresAt",
  refreshed_at AS "refreshedAt", state, state_reason AS "stateReason"`;

/** Table `tokens`: pairs are sealed on their way in and opened on their way out. */
@Injectable()
export class TokensRepository {
  constructor(
    private readonly db: DatabaseService,
    private readonly encryption: EncryptionService,
  ) {}

  /** Pairs that may be used: the installer's first, then other administrators', the newest first. */
  async listUsable(portalId: bigint): Promise<TokenRecord[]> {
    const { rows } = await this.db.query<TokenRecord>(
      `SELECT ${COLUMNS} FROM tokens
       WHERE portal_id = $1 AND state = 'valid' AND (is_admin OR is_installer)
       ORDER BY is_installer DESC, refreshed_at DESC, id`,
      [portalId],
      { prepared: true },
    );
    return rows.map((row) => this.open(row));
  }

  /** Reads a pair and keeps every other process from changing it until the transaction of `on` ends. */
  async lock(on: Queryable, { portalId, userId }: TokenKey): Promise<TokenRecord | undefined> {
    const { rows } = await on.query<TokenRecord>(
      `SELECT ${COLUMNS} FROM tokens WHERE portal_id = $1 AND user_id = $2 FOR UPDATE`,
      [portalId, userId],
    );
    return rows[0] && this.open(rows[0]);
  }

  /** Records a verified pair in place of the user's former one; who once installed stays an installer. */
  async save(on: Queryable, key: TokenKey, pair: TokenPair, owner: TokenOwner): Promise<void> {
    await on.query(
      `INSERT INTO tokens AS known (portal_id, user_id, access_token, refresh_token, expires_at, is_admin, is_installer)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (portal_id, user_id) DO UPDATE SET
         access_token = EXCLUDED.access_token, refresh_token = EXCLUDED.refresh_token,
         expires_at = EXCLUDED.expires_at, refreshed_at = now(), state = 'valid', state_reason = NULL,
         is_admin = EXCLUDED.is_admin, is_installer = known.is_installer OR EXCLUDED.is_installer`,
      [...this.sealed(key, pair), owner.isAdmin, owner.isInstaller],
    );
  }

  /** Replaces both halves of a pair at once. */
  async rotate(on: Queryable, key: TokenKey, pair: TokenPair): Promise<void> {
    await on.query(
      `UPDATE tokens SET access_token = $3, refresh_token = $4, expires_at = $5, refreshed_at = now()
       WHERE portal_id = $1 AND user_id = $2`,
      this.sealed(key, pair),
    );
  }

  async kill(on: Queryable, { portalId, userId }: TokenKey, reason: string): Promise<void> {
    await on.query(
      `UPDATE tokens SET state = 'dead', state_reason = $3 WHERE portal_id = $1 AND user_id = $2 AND state = 'valid'`,
      [portalId, userId, reason],
    );
  }

  /** Gives up every pair of the portal: they belong to an application that it no longer uses. */
  async killAll(portalId: bigint, reason: string): Promise<void> {
    await this.db.query(
      `UPDATE tokens SET state = 'dead', state_reason = $2 WHERE portal_id = $1 AND state = 'valid'`,
      [portalId, reason],
    );
  }

  /** Usable pairs of connected portals whose last refresh is older than `days`. */
  async listUnrefreshed(days: number): Promise<TokenKey[]> {
    const { rows } = await this.db.query<TokenKey>(
      `SELECT t.portal_id AS "portalId", t.user_id AS "userId" FROM tokens t JOIN portals p ON p.id = t.portal_id
       WHERE t.state = 'valid' AND (t.is_admin OR t.is_installer) AND p.state = 'active'
         AND t.refreshed_at < now() - $1 * interval '1 day'
       ORDER BY t.refreshed_at`,
      [days],
    );
    return rows;
  }

  private sealed(key: TokenKey, pair: TokenPair): unknown[] {
    return [
      key.portalId,
      key.userId,
      this.encryption.encrypt(pair.accessToken, accessCell(key)),
      this.encryption.encrypt(pair.refreshToken, refreshCell(key)),
      pair.expiresAt,
    ];
  }

  private open(row: TokenRecord): TokenRecord {
    return {
      ...row,
      accessToken: this.encryption.decrypt(row.accessToken, accessCell(row)),
      refreshToken: this.encryption.decrypt(row.refreshToken, refreshCell(row)),
    };
  }
}

const accessCell = ({ portalId, userId }: TokenKey) => encryptionContext('tokens.access_token', portalId, userId);
const refreshCell = ({ portalId, userId }: TokenKey) => encryptionContext('tokens.refresh_token', portalId, userId);
