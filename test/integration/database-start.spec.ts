import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { DatabaseService, Queryable } from '../../src/storage/database.service.js';
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
      /refuses DATABASE_URL: (password|SASL) authentication failed/,
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

describe('limits on statements', () => {
  const limit = async (on: Queryable) =>
    (await on.query<{ statement_timeout: string }>('SHOW statement_timeout')).rows[0]!.statement_timeout;
  let service: DatabaseService | undefined;

  afterEach(() => service?.onApplicationShutdown());

  it('are kept by the server for whatever runs', async () => {
    service = await open(database.directUrl, 1_000);
    expect([await limit(service), await service.transaction(limit)]).toEqual(['45s', '45s']);
  });

  it('hold within transactions behind a pooler that refuses parameters of a session', async () => {
    const pooler = await refusingPooler(database.directUrl);
    try {
      const url = new URL(database.directUrl);
      url.port = String((pooler.address() as AddressInfo).port);
      service = await open(url.href, 1_000);
      expect([await limit(service), await service.transaction(limit)]).toEqual(['0', '45s']);
      expect(await service.prisma.message.count()).toBe(0);
      expect(said.filter((line) => /connection pooler at 127\.0\.0\.1/.test(line))).toHaveLength(1);
    } finally {
      pooler.close();
    }
  });

  it.each(['no such user: someone', 'unsupported startup parameter: options'])(
    'does not wait over a pooler that says "%s"',
    async (words) => {
      const pooler = await refusingPooler(database.directUrl, words);
      const url = new URL(database.directUrl);
      url.port = String((pooler.address() as AddressInfo).port);
      await expect(open(url.href, 60_000)).rejects.toThrow(`refuses DATABASE_URL: ${words}`);
      pooler.close();
    },
  );
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

/**
 * PgBouncer as far as it says no: to parameters it would have to keep for a session, or with these words to everyone.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
async function refusingPooler(url: string, words?: string): Promise<Server> {
  const { hostname, port } = new URL(url);
  const pooler = createServer((near) => {
    near.once('data', (startup) => {
      const parameter = /(?:statement_timeout|idle_in_transaction_session_timeout)(?=\0)/.exec(startup.toString());
      const no = words ?? (parameter && `unsupported startup parameter: ${parameter[0]}`);
      if (no) {
        near.end(errorResponse(no));
        return;
      }
      const far = connect(Number(port), hostname);
      far.write(startup);
      far.pipe(near).on('error', () => far.destroy());
      near.pipe(far).on('error', () => near.destroy());
    });
  }).listen(0, '127.0.0.1');
  await once(pooler, 'listening');
  return pooler;
}

function errorResponse(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C08P01\0M${message}\0\0`);
  const head = Buffer.from('E\0\0\0\0');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
