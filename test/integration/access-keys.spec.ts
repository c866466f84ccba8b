import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AccessKeysRepository } from '../../src/storage/accounts/access-keys.repository.js';
import { createTestStorage, PORTAL } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let keys: AccessKeysRepository;
beforeAll(async () => {
  storage = await createTestStorage();
  keys = new AccessKeysRepository(storage.db);
});
afterAll(() => storage.close());

async function add(more: { portalId?: bigint; expiresAt?: Date } = {}) {
  const hash = randomBytes(32);
  const row = await keys.create({
    name: 'Anna',
    role: 'operator',
    portalId: null,
    hint: 'abcd',
    createdBy: 'admin',
    expiresAt: null,
    hash,
    ...more,
  });
  return { hash, row };
}

const holderOf = async (hash: Buffer) => (await keys.holders([hash])).get(hash.toString('hex')) ?? null;

it('finds the holder by the hash, and nobody by another one', async () => {
  const { hash, row } = await add({ portalId: PORTAL });
  expect(row).not.toHaveProperty('hash');
  expect(await holderOf(hash)).toEqual({
    id: row.id,
    name: 'Anna',
    role: 'operator',
    portalId: PORTAL,
    useIsNews: true,
  });
  expect(await holderOf(randomBytes(32))).toBeNull();
  expect(await holderOf(Buffer.alloc(0))).toBeNull();
});

it('finds nobody once the key is revoked, or has expired by the clock of the database', async () => {
  const { hash, row } = await add();
  const later = await add({ expiresAt: new Date(Date.now() + 3_600_000) });
  expect(await holderOf(later.hash)).not.toBeNull();
  await storage.db.query(`UPDATE access_keys SET expires_at = now() WHERE id = $1`, [later.row.id]);
  expect(await holderOf(later.hash)).toBeNull();

  expect(await keys.revoke(row.id)).toBe(true);
  expect(await holderOf(hash)).toBeNull();
  const revokedAt = async () => (await keys.list(50)).find(({ id }) => id === row.id)?.revokedAt;
  const first = await revokedAt();
  expect(first).toEqual(expect.any(Date));
  expect(await keys.revoke(row.id)).toBe(true);
  expect(await revokedAt()).toEqual(first);
  expect(await keys.revoke(404n)).toBe(false);
});

it('remembers the last use to the minute', async () => {
  const { hash, row } = await add();
  const used = async () => (await keys.list(1))[0]?.lastUsedAt;
  await keys.recordUse(row.id);
  const first = await used();
  expect(first).toEqual(expect.any(Date));
  expect(await holderOf(hash)).toMatchObject({ useIsNews: false });
  await Promise.all([keys.recordUse(row.id), keys.recordUse(row.id)]);
  expect(await used()).toEqual(first);
  await storage.db.query(`UPDATE access_keys SET last_used_at = now() - interval '61 s' WHERE id = $1`, [row.id]);
  expect(await holderOf(hash)).toMatchObject({ useIsNews: true });
  await keys.recordUse(row.id);
  expect((await used())!.getTime()).toBeGreaterThanOrEqual(first!.getTime());
});

it('lists by pages, and loses the keys of a portal that goes', async () => {
  const { row } = await add({ portalId: PORTAL });
  const [newest, second] = await keys.list(2);
  expect(newest?.id).toBe(row.id);
  expect((await keys.list(1, row.id))[0]?.id).toBe(second?.id);
  const all = await keys.list(50);
  await storage.db.query(`DELETE FROM portals WHERE id = $1`, [PORTAL]);
  expect((await keys.list(50)).map(({ id }) => id)).toEqual(
    all.filter(({ portalId }) => portalId === null).map(({ id }) => id),
  );
});
