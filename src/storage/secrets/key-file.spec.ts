import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adminKey, encryptionKey, keyFromFile } from './key-file.js';
import { parseEncryptionKeys } from './encryption.service.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'key-file-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a key that is not configured', () => {
  it('is made once, for its owner only, and its file is named', async () => {
    const first = await encryptionKey(undefined, path.join(folder, 'data'));
    expect(first.file).toBe(path.join(folder, 'data', 'encryption.key'));
    expect((await stat(first.file!)).mode & 0o777).toBe(0o600);
    expect(parseEncryptionKeys(first.value).map((key) => key.length)).toEqual([32]);
    expect(await encryptionKey(undefined, path.join(folder, 'data'))).toEqual(first);
    expect((await adminKey(undefined, folder)).value).toMatch(/^[0-9a-f]{48}$/);
  });

  it('is the same for all who ask at once, and leaves no drafts behind', async () => {
    let made = 0;
    const file = path.join(folder, 'some.key');
    const keys = await Promise.all(Array.from({ length: 20 }, () => keyFromFile(file, () => `key ${++made}`)));
    expect(new Set(keys.map(({ value }) => value)).size).toBe(1);
    expect(await readFile(file, 'utf8')).toBe(`${keys[0]!.value}\n`);
    expect(await readdir(folder)).toEqual(['some.key']);
  });

  it('is not made anew over an empty file', async () => {
    await writeFile(path.join(folder, 'encryption.key'), '\n');
    await expect(encryptionKey(undefined, folder)).rejects.toThrow(/encryption\.key is empty/);
  });
});

it('a configured key needs no file', async () => {
  await chmod(folder, 0o500);
  expect(await adminKey('configured', folder)).toEqual({ value: 'configured' });
  expect(await readdir(folder)).toEqual([]);
});
