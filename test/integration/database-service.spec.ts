import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isStorageUnavailable } from '../../src/common/storage-unavailable.js';
import { DatabaseService, type Queryable } from '../../src/storage/postgres/database.service.js';
import { HOT_LIMIT_MS } from '../../src/storage/postgres/session-limits.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { prismaAt } from '../support/prisma.js';

/** Beyond what a JavaScript number holds exactly. */
const LARGE = 2n ** 62n + 1n;

let testDatabase: TestDatabase;
let database: DatabaseService;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = new DatabaseService(testDatabase.url);
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await testDatabase.drop();
});

describe('large ids', () => {
  it('come whole out of statements, alone and in arrays', async () => {
    const { rows } = await database.query(
      'SELECT $1::bigint AS one, ARRAY[$1, -1]::bigint[] AS several, ARRAY[]::bigint[] AS none, ARRAY[NULL, 1]::bigint[] AS gaps',
      [LARGE],
    );
    expect(rows).toEqual([{ one: LARGE, several: [LARGE, -1n], none: [], gaps: [null, 1n] }]);
  });

  it('come whole out of the Prisma client', async () => {
    const prisma = prismaAt(testDatabase.url);
    await prisma.bot.create({ data: { key: 'k', telegramId: LARGE, token: 't' } });
    expect(await prisma.bot.findFirst()).toMatchObject({ telegramId: LARGE });
    expect(await prisma.bot.count()).toBe(1);
    await prisma.$disconnect();
  });
});

describe('a transaction', () => {
  it('is run again after a deadlock', async () => {
    await database.query(`INSERT INTO endpoints (id) VALUES ('a'), ('b')`);
    let bothHold = () => undefined as void;
    const ready = new Promise<void>((resolve) => (bothHold = resolve));
    let holding = 0;
    let runs = 0;
    const swap = (first: string, second: string) =>
      database.transaction(async (connection) => {
        runs++;
        await connection.query('UPDATE endpoints SET fence = fence + 1 WHERE id = $1', [first]);
        if (++holding === 2) bothHold();
        await ready;
        await connection.query('UPDATE endpoints SET fence = fence + 1 WHERE id = $1', [second]);
      });
    await Promise.all([swap('a', 'b'), swap('b', 'a')]);
    // The deadlock has one victim; what it runs again may meet a deadlock of its own.
    expect(runs).toBeGreaterThanOrEqual(3);
    const { rows } = await database.query('SELECT fence FROM endpoints');
    expect(rows).toEqual([{ fence: 2n }, { fence: 2n }]);
  });

  it('leaves nothing behind when its work throws, and its connection stays usable', async () => {
    await expect(
      database.transaction(async (connection) => {
        await connection.query(`INSERT INTO endpoints (id) VALUES ('gone')`);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect((await database.query(`SELECT * FROM endpoints WHERE id = 'gone'`)).rows).toEqual([]);
  });
});

describe.each([{ ownSessions: true }, { ownSessions: false }])(
  'what was given up, own sessions: $ownSessions',
  (how) => {
    it('is not carried out later', async () => {
      const service = new DatabaseService(how.ownSessions ? testDatabase.directUrl : testDatabase.url, how);
      const other = new Client({ connectionString: testDatabase.directUrl });
      await other.connect();
      const ids = [`alone ${how.ownSessions}`, `within ${how.ownSessions}`];
      for (const id of ids) await service.query('INSERT INTO endpoints (id) VALUES ($1)', [id]);
      await other.query('BEGIN');
      await other.query('SELECT FROM endpoints WHERE id = ANY($1) FOR UPDATE', [ids]);
      const raise = (on: Queryable, id: string) => on.query('UPDATE endpoints SET fence = 7 WHERE id = $1', [id]);
      const begun = performance.now();
      const outcomes = await Promise.allSettled([
        raise(service, ids[0]!),
        service.transaction((connection) => raise(connection, ids[1]!), { limitMs: HOT_LIMIT_MS }),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      for (const outcome of outcomes)
        expect(isStorageUnavailable((outcome as PromiseRejectedResult).reason)).toBe(true);
      expect(performance.now() - begun).toBeLessThan(HOT_LIMIT_MS + 1_000);
      await other.query('COMMIT');
      await other.end();
      await sleep(500);
      const { rows } = await service.query('SELECT fence FROM endpoints WHERE id = ANY($1)', [ids]);
      expect(rows).toEqual([{ fence: 0n }, { fence: 0n }]);
      await service.onApplicationShutdown();
    });
  },
);

describe('a statement with a name', () => {
  let service: DatabaseService;
  const open = (options: { ownSessions: boolean; named?: boolean }) => {
    service = new DatabaseService(testDatabase.directUrl, { max: 1, ...options });
  };
  afterEach(() => service.onApplicationShutdown());

  const names = async () =>
    (await service.query<{ name: string }>('SELECT name FROM pg_prepared_statements')).rows.map(({ name }) => name);
  const one = async (on: Queryable = service) =>
    (await on.query<{ one: number }>('SELECT $1::int AS one', [1], { name: 'one' })).rows[0]!.one;

  it('is planned once per connection, alone and within transactions', async () => {
    open({ ownSessions: true });
    expect([await one(), await one(), await service.transaction(one)]).toEqual([1, 1, 1]);
    expect(await names()).toEqual(['one']);
  });

  it.each([{ ownSessions: false }, { ownSessions: true, named: false }])('has none with %o', async (options) => {
    open(options);
    expect([await one(), await service.transaction(one)]).toEqual([1, 1]);
    expect(await names()).toEqual([]);
  });

  it('leaves its connection when it fails, because that may be dead in silence', async () => {
    open({ ownSessions: true });
    const process = async () => (await service.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
    const before = await process();
    await expect(service.query('SELECT 1 / $1::int', [0], { prepared: true })).rejects.toThrow('division by zero');
    expect(await process()).not.toBe(before);
  });

  it('may be made of its text', async () => {
    open({ ownSessions: true });
    const sum = (on: Queryable) => on.query('SELECT $1::int + 1 AS sum', [1]);
    for (let run = 0; run < 2; run++) await service.transaction(sum, { prepared: true });
    await service.transaction(sum);
    expect(await names()).toEqual([expect.stringMatching(/^[\w-]{43}$/)]);
  });

  it('goes on without it where a pooler forgets names, alone and within transactions', async () => {
    open({ ownSessions: true });
    await one();
    await service.query('DEALLOCATE ALL');
    expect(await one()).toBe(1);
    expect(await names()).toEqual([]);
    await service.onApplicationShutdown();

    open({ ownSessions: true });
    let runs = 0;
    await one();
    await service.query('DEALLOCATE ALL');
    const work = (connection: Queryable) => {
      runs++;
      return one(connection);
    };
    expect(await service.transaction(work)).toBe(1);
    expect(runs).toBe(2);
    expect(await names()).toEqual([]);
  });

  it('goes on without it where a pooler knows it from somebody else', async () => {
    open({ ownSessions: true });
    await service.query('PREPARE one AS SELECT 2');
    expect([await one(), await service.transaction(one)]).toEqual([1, 1]);
  });

  it('is planned anew when a migration changes its columns, and keeps its name', async () => {
    open({ ownSessions: true });
    await service.query('CREATE TABLE changing (a int)');
    const all = async (on: Queryable = service) =>
      (await on.query('SELECT * FROM changing', [], { name: 'all' })).fields.map(({ name }) => name);
    expect(await all()).toEqual(['a']);
    await service.query('ALTER TABLE changing ADD COLUMN b int');
    expect(await all()).toEqual(['a', 'b']);
    expect([await all(), await names()]).toEqual([['a', 'b'], ['all']]);
    await service.query('ALTER TABLE changing ADD COLUMN c int');
    expect(await service.transaction(all)).toEqual(['a', 'b', 'c']);
  });
});
