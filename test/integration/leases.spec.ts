import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndpointsRepository, heldLeases } from '../../src/storage/work/endpoints.repository.js';
import { createTestStorage } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let endpoints: EndpointsRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  endpoints = new EndpointsRepository(storage.db);
});

afterEach(() => storage.close());

const expire = () => storage.db.query(`UPDATE endpoints SET expires_at = now() - interval '1 ms'`);

describe('leases', () => {
  it('gives every endpoint to one of those who ask at the same time', async () => {
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token) SELECT n + 10, 'k' || n, n + 10, 't' FROM generate_series(1, 40) n`,
    );
    const grants = await Promise.all(Array.from({ length: 8 }, (_, n) => endpoints.acquire(`o${n}`, 50)));
    const again = await endpoints.acquire('late', 50);
    const ids = [...grants.flat(), ...again].map(({ endpoint }) => endpoint);
    expect(ids).toHaveLength(42);
    expect(new Set(ids).size).toBe(42);
  });

  it('gives nothing away while it holds, and raises the fence when it does', async () => {
    const [first] = await endpoints.acquire('a', 1);
    expect((await endpoints.acquire('b', 50)).map(({ endpoint }) => endpoint)).not.toContain(first!.endpoint);
    await expire();
    const second = (await endpoints.acquire('b', 50)).find(({ endpoint }) => endpoint === first!.endpoint)!;
    expect(second.fence).toBe(first!.fence + 1n);
  });

  it('prolongs with the heartbeat, also after a pause in which nobody took over', async () => {
    const held = await endpoints.acquire('a', 50);
    await expire();
    expect(await endpoints.heartbeat('a')).toHaveLength(held.length);
    expect(await endpoints.acquire('b', 50)).toEqual([]);
  });

  it('prolongs while a write of the owner takes its time', async () => {
    const held = await endpoints.acquire('a', 50);
    await expire();
    let commit = () => {};
    const committed = new Promise<void>((resolve) => (commit = resolve));
    const writing = storage.db.transaction(async (connection) => {
      await heldLeases(connection, [held[0]!]);
      await committed;
    });
    const beat = endpoints.heartbeat('a').then((leases) => leases.length);
    const late = new Promise((resolve) => setTimeout(resolve, 5_000, 'the heartbeat waits'));
    expect(await Promise.race([beat, late])).toBe(held.length);
    commit();
    await Promise.all([writing, beat]);
  });

  it('frees at once what is given up, and only what is one’s own', async () => {
    const [held] = await endpoints.acquire('a', 50);
    await endpoints.release({ ...held!, fence: held!.fence - 1n }, { handOver: false });
    expect(await endpoints.acquire('b', 50)).toEqual([]);
    await endpoints.release(held!, { handOver: false });
    expect(await endpoints.acquire('b', 50)).toMatchObject([{ endpoint: held!.endpoint, owner: 'b' }]);
    expect((await endpoints.heartbeat('a')).map(({ endpoint }) => endpoint)).not.toContain(held!.endpoint);
  });

  it('are not kept from a heir by an owner who froze in the middle of a write', async () => {
    const [held] = await endpoints.acquire('a', 50);
    await expire();
    let thaw = () => {};
    const frozen = storage.db.transaction(
      async (connection) => {
        await heldLeases(connection, [held!]);
        await new Promise<void>((resolve) => (thaw = resolve));
      },
      { limitMs: 60_000 },
    );
    const failed = expect(frozen).rejects.toThrow();
    await expect
      .poll(async () => (await endpoints.acquire('b', 50)).map(({ endpoint }) => endpoint), { timeout: 8_000 })
      .toContain(held!.endpoint);
    thaw();
    await failed;
  });

  it('a write of the old owner is refused after the takeover, and the takeover waits for one under way', async () => {
    const [held] = await endpoints.acquire('a', 50);
    await expire();
    let commit = () => {};
    const inside = storage.db.transaction(async (connection) => {
      await heldLeases(connection, [held!]);
      await new Promise<void>((resolve) => (commit = resolve));
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const skipped = await endpoints.acquire('b', 50);
    expect(skipped.map(({ endpoint }) => endpoint)).not.toContain(held!.endpoint);
    commit();
    await inside;
    await endpoints.acquire('b', 50);
    const stillHeld = await storage.db.transaction((connection) => heldLeases(connection, [held!]));
    expect(stillHeld.size).toBe(0);
  });
});

describe('the fair share', () => {
  const unseen = () => storage.db.query(`UPDATE replicas SET seen_at = seen_at - interval '6 s'`);

  it('is no limit for the only replica', async () => {
    expect(await endpoints.fairShare('a')).toBe(Infinity);
    expect(await endpoints.fairShare('a')).toBe(Infinity);
  });

  it('is the same for all, leaves nothing over, and counts bots that nobody drove yet', async () => {
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token) SELECT n + 10, 'k' || n, n + 10, 't' FROM generate_series(1, 5) n`,
    );
    await Promise.all(['a', 'b', 'c'].map((replica) => endpoints.fairShare(replica)));
    const shares = await Promise.all(['a', 'b', 'c'].map((replica) => endpoints.fairShare(replica)));
    // Seven: six bots and a portal.
    expect(shares).toEqual([3, 3, 3]);
    await endpoints.acquire('a', 50);
    expect(await endpoints.fairShare('b')).toBe(3);
  });

  it('grows at once when another replica leaves, and soon when one is not seen any more', async () => {
    await Promise.all(['a', 'b'].map((replica) => endpoints.fairShare(replica)));
    expect(await endpoints.fairShare('a')).toBe(1);
    await endpoints.leave('b');
    expect(await endpoints.fairShare('a')).toBe(Infinity);
    await endpoints.fairShare('b');
    await unseen();
    expect(await endpoints.fairShare('a')).toBe(Infinity);
    expect(await endpoints.fairShare('b')).toBe(1);
  });

  it('forgets those who have been gone for a minute', async () => {
    await endpoints.fairShare('a');
    await storage.db.query(`UPDATE replicas SET seen_at = now() - interval '2 minutes'`);
    await endpoints.fairShare('b');
    expect((await storage.db.query('SELECT instance FROM replicas')).rows).toEqual([{ instance: 'b' }]);
  });
});
