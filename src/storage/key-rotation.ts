import { DatabaseService, type Queryable } from './postgres/database.service.js';
import {
  DecryptionError,
  ENCRYPTED_COLUMNS,
  encryptionContext,
  type EncryptedColumn,
} from './secrets/encryption.service.js';
import type { EncryptionService } from './secrets/encryption.service.js';

/** What became of the values of one encrypted column. */
export interface RotationCount {
  column: EncryptedColumn;
  /** Encrypted again with the newest key. */
  rotated: number;
  /** Under the newest key already. */
  current: number;
  /** One message per value that could not be read; it was left as it is. */
  failures: string[];
}

/**
 * Encrypts every stored secret with the newest key. Each row is read, changed and written under its own lock, so
 * that a token refreshed meanwhile is never overwritten; running it again, or twice at once, does no harm.
 */
export async function rotateKeys(database: DatabaseService, encryption: EncryptionService): Promise<RotationCount[]> {
  const counts: RotationCount[] = [];
  for (const column of Object.keys(ENCRYPTED_COLUMNS) as EncryptedColumn[])
    counts.push(await rotateColumn(database, encryption, column));
  return counts;
}

async function rotateColumn(
  database: DatabaseService,
  encryption: EncryptionService,
  at: EncryptedColumn,
): Promise<RotationCount> {
  const [table, column] = at.split('.');
  const count: RotationCount = { column: at, rotated: 0, current: 0, failures: [] };
  const { rows } = await database.query<{ id: bigint }>(
    `SELECT id FROM ${table} WHERE ${column} IS NOT NULL ORDER BY id`,
  );
  for (const { id } of rows) {
    try {
      const outcome = await database.transaction((connection) => rotateValue(connection, encryption, at, id));
      if (outcome) count[outcome]++;
    } catch (error) {
      if (!(error instanceof DecryptionError)) throw error;
      count.failures.push(error.message);
    }
  }
  return count;
}

async function rotateValue(
  connection: Queryable,
  encryption: EncryptionService,
  at: EncryptedColumn,
  id: bigint,
): Promise<'rotated' | 'current' | undefined> {
  const [table, column] = at.split('.');
  const { rows } = await connection.query<{ sealed: string | null; key: string[] }>(
    `SELECT ${column} AS sealed, ARRAY[${ENCRYPTED_COLUMNS[at].map((name) => `${name}::text`).join(', ')}] AS key
       FROM ${table} WHERE id = $1 FOR NO KEY UPDATE`,
    [id],
  );
  // Gone, or emptied since it was listed.
  if (!rows[0]?.sealed) return undefined;
  const { sealed, key } = rows[0];
  if (!encryption.needsRotation(sealed)) return 'current';
  const context = encryptionContext(at, ...key);
  const fresh = encryption.encrypt(encryption.decrypt(sealed, context), context);
  await connection.query(`UPDATE ${table} SET ${column} = $2 WHERE id = $1`, [id, fresh]);
  return 'rotated';
}
