import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** A secret and, when it was made rather than configured, the file that keeps it. */
export interface KeptKey {
  value: string;
  file?: string;
}

/**
 * The secret in `file`; the first caller makes it with `make` and keeps it, readable by its owner only. Callers in
 * any number of processes at once get the same value.
 *
 * Throws when the folder cannot be written, or when the file is there but empty.
 */
export async function keyFromFile(file: string, make: () => string): Promise<Required<KeptKey>> {
  const kept = await read(file);
  if (kept !== undefined) return { value: kept, file };
  await mkdir(path.dirname(file), { recursive: true });
  // Written whole under another name and then linked, which fails when somebody was first: nobody reads half a key.
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(draft, `${make()}\n`, { mode: 0o600, flag: 'wx' });
    await link(draft, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  return { value: (await read(file)) as string, file };
}

async function read(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text?.trim() === '') throw new Error(`${file} is empty: put the key back, or delete the file to make a new one.`);
  return text?.trim();
}

/** ENCRYPTION_KEY as configured, or the one kept in `dataDir`: base64 of 32 bytes, several separated by commas. */
export async function encryptionKey(configured: string | undefined, dataDir: string): Promise<KeptKey> {
  if (configured) return { value: configured };
  return keyFromFile(path.join(dataDir, 'encryption.key'), () => randomBytes(32).toString('base64'));
}

/** ADMIN_API_KEY as configured, or the one kept in `dataDir`. */
export async function adminKey(configured: string | undefined, dataDir: string): Promise<KeptKey> {
  if (configured) return { value: configured };
  return keyFromFile(path.join(dataDir, 'admin-api.key'), () => randomBytes(24).toString('hex'));
}
