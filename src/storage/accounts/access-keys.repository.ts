import { Injectable } from '@nestjs/common';
import { ACCESS_KEY } from '../postgres/columns.js';
import { DatabaseService } from '../postgres/database.service.js';
import type { AccessKey, AccessRole } from '../prisma/client.js';

/** A key as people may see it. */
export type AccessKeyRow = Omit<AccessKey, 'hash'>;

/** Whom a key that opens the door belongs to. */
export interface KeyHolder {
  id: bigint;
  name: string;
  role: AccessRole;
  portalId: bigint | null;
  /** Its last use is not on record, or was more than a minute ago. */
  useIsNews: boolean;
}

export interface NewAccessKey {
  name: string;
  role: AccessRole;
  portalId: bigint | null;
  /** SHA-256 of the key. */
  hash: Buffer<ArrayBuffer>;
  hint: string;
  createdBy: string;
  expiresAt: Date | null;
}

/** How long the last use of a key may be out of date; as SQL. */
const USE_RECORDED_EVERY = `interval '1 minute'`;

/** Table `access_keys`: only hashes. Lookups are not cached: a revocation counts with the next request everywhere. */
@Injectable()
export class AccessKeysRepository {
  constructor(private readonly db: DatabaseService) {}

  /** The holders of the keys with these hashes, by the hash in hex, without those that are revoked or have expired. */
  async holders(hashes: Buffer[]): Promise<Map<string, KeyHolder>> {
    const { rows } = await this.db.query<KeyHolder & { hash: Buffer }>(
      `SELECT hash, id, name, role, portal_id AS "portalId",
              last_used_at IS NULL OR last_used_at < now() - ${USE_RECORDED_EVERY} AS "useIsNews"
         FROM access_keys
        WHERE hash = ANY($1::bytea[]) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
      [hashes],
    );
    return new Map(rows.map(({ hash, ...holder }) => [hash.toString('hex'), holder]));
  }

  /** Remembers that the key is in use, at most once a minute however many replicas say so. */
  async recordUse(id: bigint): Promise<void> {
    await this.db.query(
      `UPDATE access_keys SET last_used_at = now()
        WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - ${USE_RECORDED_EVERY})`,
      [id],
    );
  }

  async create(key: NewAccessKey): Promise<AccessKeyRow> {
    const { rows } = await this.db.query<AccessKeyRow>(
      `INSERT INTO access_keys (name, role, portal_id, hash, hint, created_by, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${ACCESS_KEY}`,
      [key.name, key.role, key.portalId, key.hash, key.hint, key.createdBy, key.expiresAt],
    );
    return rows[0]!;
  }

  /** Newest first, revoked and expired ones too; `before`: ids below it. */
  async list(limit: number, before?: bigint): Promise<AccessKeyRow[]> {
    const { rows } = await this.db.query<AccessKeyRow>(
      `SELECT ${ACCESS_KEY} FROM access_keys WHERE $2::bigint IS NULL OR id < $2 ORDER BY id DESC LIMIT $1`,
      [limit, before ?? null],
    );
    return rows;
  }

  /** The key opens nothing from now on; a time of revocation that stands already stays. False: there is no such key. */
  async revoke(id: bigint): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE access_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1`,
      [id],
    );
    return rowCount === 1;
  }
}
