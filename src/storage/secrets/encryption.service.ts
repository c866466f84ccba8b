import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';

/**
 * Every column that holds ciphertext, and the columns that name its row. Repositories and key rotation both build
 * their {@link EncryptionContext} from here, with {@link encryptionContext}.
 */
export const ENCRYPTED_COLUMNS = {
  'applications.client_secret': ['client_id'],
  'tokens.access_token': ['portal_id', 'user_id'],
  'tokens.refresh_token': ['portal_id', 'user_id'],
  'bots.token': ['telegram_id'],
  'bots.webhook_secret': ['telegram_id'],
} as const;

export type EncryptedColumn = keyof typeof ENCRYPTED_COLUMNS;

/** Where a ciphertext lives. It decrypts nowhere else, so nobody can move one row's secret into another. */
export interface EncryptionContext {
  table: string;
  column: string;
  row: string;
}

/**
 * Context of one value: `key` are the values of the columns {@link ENCRYPTED_COLUMNS} lists, in that order, e.g.
 * `encryptionContext('tokens.access_token', portalId, userId)` for the row `<portalId>:<userId>`.
 */
export function encryptionContext(at: EncryptedColumn, ...key: (string | bigint)[]): EncryptionContext {
  const [table, column] = at.split('.') as [string, string];
  if (key.length !== ENCRYPTED_COLUMNS[at].length)
    throw new TypeError(`${at} is named by ${ENCRYPTED_COLUMNS[at].join(', ')}.`);
  return { table, column, row: key.map(String).join(':') };
}

/** A stored secret that cannot be read: the key is missing, or the value was changed or moved. */
export class DecryptionError extends Error {
  override readonly name = 'DecryptionError';
}

/** GCM's recommended nonce and full tag, in bytes (NIST SP 800-38D, 8.2 and 5.2.1.2). */
const NONCE = 12;
const TAG = 16;

/** AES-256-GCM for what the database keeps secret, and hashes for what it only has to recognise. */
@Injectable()
export class EncryptionService {
  private readonly keys: ReadonlyMap<string, Buffer>;
  private readonly newest: string;

  /** `keys`: 32 bytes each, newest first. The newest encrypts, all decrypt. */
  constructor(keys: Buffer[]) {
    if (keys.length === 0 || keys.some((key) => key.length !== 32))
      throw new TypeError('ENCRYPTION_KEY must be base64 of exactly 32 bytes (openssl rand -base64 32).');
    const named = keys.map((key) => [keyId(key), key] as const);
    this.keys = new Map(named.toReversed());
    this.newest = named[0]![0];
  }

  /** `v1.<key id>.<nonce>.<ciphertext and tag>`, base64url; the key id is the first 8 hex of the key's SHA-256. */
  encrypt(plaintext: string, context: EncryptionContext): string {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.keys.get(this.newest)!, nonce, { authTagLength: TAG });
    cipher.setAAD(additionalData(context));
    const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `v1.${this.newest}.${nonce.toString('base64url')}.${sealed.toString('base64url')}`;
  }

  /** The plaintext of `sealed`; throws {@link DecryptionError}. */
  decrypt(sealed: string, context: EncryptionContext): string {
    const where = `${context.table}.${context.column} of ${context.row}`;
    const [version, id, nonce, body, ...rest] = sealed.split('.');
    if (version !== 'v1' || !id || !nonce || !body || rest.length > 0)
      throw new DecryptionError(`${where} is not a value this program encrypted.`);
    const key = this.keys.get(id);
    if (!key)
      throw new DecryptionError(
        `${where} was encrypted with the key ${id}, which ENCRYPTION_KEY does not contain (it has ${[...this.keys.keys()].join(', ')}). Add that key after the newest one.`,
      );
    const bytes = Buffer.from(body, 'base64url');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64url'), { authTagLength: TAG });
      decipher.setAAD(additionalData(context));
      decipher.setAuthTag(bytes.subarray(-TAG));
      return decipher.update(bytes.subarray(0, -TAG), undefined, 'utf8') + decipher.final('utf8');
    } catch (cause) {
      throw new DecryptionError(`${where} was changed, or belongs to another row.`, { cause });
    }
  }

  /** Whether another key than the newest encrypted `sealed`. */
  needsRotation(sealed: string): boolean {
    return !sealed.startsWith(`v1.${this.newest}.`);
  }

  /** Keys for another purpose, made of the encryption keys, newest first (HKDF, RFC 5869). */
  derive(purpose: string): Buffer[] {
    return [...this.keys.values()]
      .toReversed()
      .map((key) => Buffer.from(hkdfSync('sha256', key, '', `telegram-openlines: ${purpose}`, 32)));
  }

  /** SHA-256, for tokens that only have to be recognised when they come again. */
  hash(value: string): Buffer {
    return createHash('sha256').update(value).digest();
  }

  /** Whether two secrets are the same, in a time that tells neither their content nor their length. */
  equal(a: string, b: string): boolean {
    return timingSafeEqual(this.hash(a), this.hash(b));
  }
}

/** The keys of ENCRYPTION_KEY: base64, separated by commas, newest first. */
export function parseEncryptionKeys(value: string): Buffer[] {
  return value
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '')
    .map((key) => Buffer.from(key, 'base64'));
}

function keyId(key: Buffer): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 8);
}

/** JSON, so that no choice of table, column and row reads like another one. */
function additionalData({ table, column, row }: EncryptionContext): Buffer {
  return Buffer.from(JSON.stringify([table, column, row]));
}
