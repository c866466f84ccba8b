import { createServer, connect, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { openDatabase } from '../../src/storage/database-start.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let said: string[];
const hear = (message: string) => void said.push(message);
const logger = { log: hear, warn: hear, error: hear };
const open = (url: string, waitMs: number) => openDatabase({ DATABASE_URL: url, DATA_DIR: '/nowhere' }, logger, waitMs);

beforeEach(async () => {
  said = [];
  database = await createTestDatabase({ empty: true });
});
afterEach(() => database.drop());

describe('opening the database of DATABASE_URL', () => {
  it('migrates it before anyone can use it', async () => {
    const service = await open(database.url, 1_000);
    expect(await service.prisma.message.count()).toBe(0);
    expect(said.join('\n')).toMatch(/Applied migration \d+_first/);
    await service.onApplicationShutdown();
    await service.onApplicationShutdown();
  });

  it('waits for a server that is not there yet, and says so', async () => {
    const port = await unusedPort();
    const url = new URL(database.url);
    const target = Number(url.port);
    url.port = String(port);
    let proxy: Server | undefined;
    setTimeout(() => (proxy = forward(port, target)), 1_500);
    const service = await open(url.href, 15_000);
    expect(said[0]).toMatch(new RegExp(`Waiting for PostgreSQL at 127\\.0\\.0\\.1:${port}/test_\\w+: .*ECONNREFUSED`));
    await service.onApplicationShutdown();
    proxy?.close();
  });

  it('gives up after a while, without the password in what it says', async () => {
    const url = `postgresql://someone:hunter2@127.0.0.1:${await unusedPort()}/bridge`;
    const error = (await open(url, 100).catch((reason: unknown) => reason)) as Error;
    expect(error.message).toMatch(/127\.0\.0\.1:\d+\/bridge was not reachable within 0 s.*ECONNREFUSED/);
    expect(error.message + said.join()).not.toContain('hunter2');
  });

  it.each([
    [
      'a wrong password',
      (url: URL) => (url.password = 'wrong'),
      /refuses DATABASE_URL: password authentication failed/,
    ],
    [
      'a missing database',
      (url: URL) => (url.pathname = '/nothing'),
      /refuses DATABASE_URL: database "nothing" does not exist/,
    ],
    [
      'TLS the server does not offer',
      (url: URL) => url.searchParams.set('sslmode', 'verify-full'),
      /does not support SSL/,
    ],
  ])('does not wait over %s', async (_, change, message) => {
    const url = new URL(database.url);
    change(url);
    await expect(open(url.href, 60_000)).rejects.toThrow(message);
  });

  it('explains an address that cannot be read', async () => {
    await expect(open('postgresql://me:pa/ss#@host:x/db', 60_000)).rejects.toThrow(/percent-encoded/);
  });

  it('goes on, with a warning, on a database that a newer version has migrated', async () => {
    await (await open(database.url, 1_000)).onApplicationShutdown();
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '20990101000000_later', now())`,
    );
    await client.end();
    await (await open(database.url, 1_000)).onApplicationShutdown();
    expect(said.at(-1)).toMatch(/20990101000000_later.*newer version/);
  });
});

it('without DATABASE_URL runs its own PostgreSQL and stops it last', async () => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'database-start-'));
  try {
    const service = await openDatabase({ DATA_DIR: dataDir }, logger);
    const { rows } = await service.query<{ port: number }>('SELECT inet_server_port() AS port');
    expect(said.join('\n')).toMatch(/DATABASE_URL is not set: using an embedded PostgreSQL/);
    await service.onApplicationShutdown();
    await expect(once(connect(rows[0]!.port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});

function forward(port: number, target: number): Server {
  const pipe = (from: Socket, to: Socket) => from.pipe(to).on('error', () => from.destroy());
  return createServer((near) => {
    const far = connect(target, new URL(inject('postgresUrl')).hostname);
    pipe(near, far);
    pipe(far, near);
  }).listen(port, '127.0.0.1');
}

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
