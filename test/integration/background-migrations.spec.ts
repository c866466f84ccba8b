import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runBackgroundMigrations } from '../../src/storage/postgres/background-migrations.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const ROWS = 100_000;

let database: TestDatabase;
let folder: string;
let sql: Client;
let open: Client[];

beforeEach(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'background-migrations-'));
  open = [];
  sql = await connect();
  await sql.query('CREATE TABLE things (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, n int, filled boolean)');
});

afterEach(async () => {
  for (const connection of open) await connection.end().catch(() => undefined);
  await database.drop();
  await rm(folder, { recursive: true });
});

async function connect(): Promise<Client> {
  const connection = new Client({ connectionString: database.directUrl });
  connection.on('error', () => undefined);
  await connection.connect();
  open.push(connection);
  return connection;
}

const migration = (name: string, text: string) => writeFile(path.join(folder, `${name}.sql`), text);
const run = (signal?: AbortSignal) => runBackgroundMigrations(database.url, { folder, ...(signal ? { signal } : {}) });
const index = () => migration('1_things_n', 'CREATE INDEX CONCURRENTLY "things_n" ON things (n);');
const indexes = async () =>
  (await sql.query(`SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass('things_n')`)).rows;
const things = (rows: number) =>
  sql.query(`INSERT INTO things (n) SELECT g FROM generate_series(1, $1::int) g`, [rows]);

describe('an index', () => {
  it('is built once', async () => {
    await index();
    expect(await run()).toEqual(['1_things_n']);
    expect(await indexes()).toEqual([{ valid: true }]);
    expect(await run()).toEqual([]);
  });

  it('is built while rows come, and keeps nobody waiting', async () => {
    await things(ROWS);
    await index();
    const writer = await connect();
    let written = 0;
    const under = { way: true };
    const building = run().finally(() => (under.way = false));
    // A transaction that is older than the index makes it wait; not those who write.
    const old = await connect();
    await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM things LIMIT 1');
    while (under.way) {
      await writer.query('INSERT INTO things (n) VALUES (1)');
      // Were the writer kept waiting, this would never come.
      if (++written === 50) await old.query('COMMIT');
      await pause(5);
    }
    expect(await building).toEqual(['1_things_n']);
    expect(written).toBeGreaterThanOrEqual(50);
    expect(await indexes()).toEqual([{ valid: true }]);
  });

  it('that a killed run left half built is dropped and built again', async () => {
    await things(10);
    await index();
    const old = await connect();
    await old.query('BEGIN; UPDATE things SET n = 0 WHERE id = 1');
    const killed = run().catch((error: unknown) => error);
    await expect.poll(indexes).toEqual([{ valid: false }]);
    await sql.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%'`,
    );
    expect(await killed).toBeInstanceOf(Error);
    await old.query('COMMIT');
    expect(await indexes()).toEqual([{ valid: false }]);
    expect(await run()).toEqual(['1_things_n']);
    expect(await indexes()).toEqual([{ valid: true }]);
  });

  it('that the server goes on with after its program was killed is waited for', async () => {
    await things(10);
    await index();
    const old = await connect();
    await old.query('BEGIN; UPDATE things SET n = 0 WHERE id = 1');
    const kill = new AbortController();
    const killed = run(kill.signal).catch((error: unknown) => error);
    await expect.poll(indexes).toEqual([{ valid: false }]);
    kill.abort();
    expect(await killed).toBeInstanceOf(Error);
    const next = run();
    await pause(300);
    expect(await indexes()).toEqual([{ valid: false }]);
    await old.query('COMMIT');
    expect(await next).toEqual(['1_things_n']);
    expect(await indexes()).toEqual([{ valid: true }]);
  });
});

it('rows are filled in step by step, and a run that was stopped is gone on with', async () => {
  await things(10);
  await migration(
    '2_fill',
    'UPDATE things SET filled = true WHERE id IN (SELECT id FROM things WHERE filled IS NULL ORDER BY id LIMIT 3);',
  );
  const filled = async () => (await sql.query('SELECT count(filled)::int AS filled FROM things')).rows[0].filled;
  const stop = new AbortController();
  const stopped = run(stop.signal).catch((error: unknown) => error);
  await expect.poll(filled).toBeGreaterThan(0);
  stop.abort();
  expect(await stopped).toBeInstanceOf(Error);
  expect(await run()).toEqual(['2_fill']);
  expect(await filled()).toBe(10);
});

it('one of several replicas does it, and another goes on when that one ends', async () => {
  await things(10);
  await index();
  const old = await connect();
  await old.query('BEGIN; UPDATE things SET n = 0 WHERE id = 1');
  const first = run();
  await expect.poll(indexes).toEqual([{ valid: false }]);
  expect(await run()).toBeNull();
  await old.query('COMMIT');
  expect(await first).toEqual(['1_things_n']);
  expect(await run()).toEqual([]);
});
