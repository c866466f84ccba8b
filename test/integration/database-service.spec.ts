import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatabaseService } from '../../src/storage/database.service.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

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
    await database.prisma.bot.create({ data: { key: 'k', telegramId: LARGE, token: 't' } });
    expect(await database.prisma.bot.findFirst()).toMatchObject({ telegramId: LARGE });
    expect(await database.prisma.bot.count()).toBe(1);
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
