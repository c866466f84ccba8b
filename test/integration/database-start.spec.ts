import { randomBytes } from 'node:crypto';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { postgresUrlFrom } from '../../src/config/postgres-variables.js';
import { HOT_LIMIT_MS, type DatabaseService, type Queryable } from '../../src/storage/postgres/database.service.js';
import { openDatabase } from '../../src/storage/postgres/database-start.js';
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
    expect((await service.query('SELECT FROM messages')).rows).toEqual([]);
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

  it('opens it from the variables of PostgreSQL, whatever the password is made of', async () => {
    const PGPASSWORD = `a'b"c \\ / : @ ? # % & + = %41 $x пароль`;
    const { hostname, port, pathname } = new URL(database.directUrl);
    const PGUSER = `any_${randomBytes(4).toString('hex')}`;
    const owner = new Client(database.directUrl);
    await owner.connect();
    try {
      await owner.query(`CREATE ROLE ${PGUSER} LOGIN PASSWORD ${owner.escapeLiteral(PGPASSWORD)}`);
      await owner.query(`GRANT ALL ON SCHEMA public TO ${PGUSER}`);
      await owner.query(`GRANT CREATE ON DATABASE ${pathname.slice(1)} TO ${PGUSER}`);
      const variables = { PGHOST: hostname, PGPORT: port, PGDATABASE: pathname.slice(1), PGUSER, PGPASSWORD };
      const service = await open(postgresUrlFrom(variables)!, 1_000);
      expect((await service.query('SELECT current_user AS name')).rows).toEqual([{ name: PGUSER }]);
      await service.onApplicationShutdown();
      await owner.query(`DROP OWNED BY ${PGUSER} CASCADE; DROP ROLE ${PGUSER}`);
    } finally {
      await owner.end();
    }
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
  const limits = async (on: DatabaseService) => ({
    alone: await limit(on),
    patient: await on.transaction(limit),
    hot: await on.transaction(limit, { limitMs: HOT_LIMIT_MS }),
  });
  let service: DatabaseService | undefined;

  afterEach(() => service?.onApplicationShutdown());

  it('are kept by the server for whatever runs, and end before this end gives up', async () => {
    service = await open(database.directUrl, 1_000);
    expect(await limits(service)).toEqual({ alone: '12s', patient: '45s', hot: '12s' });
    expect(HOT_LIMIT_MS).toBeGreaterThan(12_000);
  });

  it('hold behind a pooler that refuses parameters of a session', async () => {
    const pooler = await startPooler(database.directUrl, refuse);
    try {
      service = await open(pooler.url, 1_000);
      expect(await limits(service)).toEqual({ alone: '12s', patient: '45s', hot: '12s' });
      expect(said.filter((line) => /connection pooler at 127\.0\.0\.1/.test(line))).toHaveLength(1);
    } finally {
      pooler.close();
    }
  });

  it('hold behind a pooler that drops parameters of a session without a word', async () => {
    const pooler = await startPooler(database.directUrl, drop);
    try {
      service = await open(pooler.url, 1_000);
      expect(await limits(service)).toEqual({ alone: '12s', patient: '45s', hot: '12s' });
      expect(said.filter((line) => /connection pooler at 127\.0\.0\.1/.test(line))).toHaveLength(1);
    } finally {
      pooler.close();
    }
  });

  it('come with the isolation that statements are written for, whatever the role begins with', async () => {
    const client = new Client({ connectionString: database.directUrl });
    await client.connect();
    await client.query(`ALTER DATABASE ${client.database} SET default_transaction_isolation = 'repeatable read'`);
    await client.end();
    service = await open(database.directUrl, 1_000);
    const isolation = async (on: Queryable) => (await on.query('SHOW transaction_isolation')).rows[0];
    const expected = { transaction_isolation: 'read committed' };
    expect(await isolation(service)).toEqual(expected);
    expect(await service.transaction(isolation)).toEqual(expected);
    expect(await service.transaction(isolation, { limitMs: 5_000 })).toEqual(expected);
    expect(said.join('\n')).toMatch(/begins transactions as repeatable read/);
  });

  it.each(['no such user: someone', 'unsupported startup parameter: options'])(
    'does not wait over a pooler that says "%s"',
    async (words) => {
      const pooler = await startPooler(database.directUrl, () => words);
      await expect(open(pooler.url, 60_000)).rejects.toThrow(`refuses DATABASE_URL: ${words}`);
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

/** What a pooler does with the packet that opens a session: another packet goes on, words are an error. */
type Opening = (startup: Buffer) => Buffer | string;

const LIMIT = /(?:statement_timeout|lock_timeout|idle_in_transaction_session_timeout)\0/;

/** PgBouncer, of parameters that it would have to keep for a session. */
const refuse: Opening = (startup) => {
  const parameter = LIMIT.exec(startup.toString('latin1'));
  return parameter ? `unsupported startup parameter: ${parameter[0].slice(0, -1)}` : startup;
};

/** The same with `ignore_startup_parameters`. */
const drop: Opening = (startup) => {
  const kept = startup.toString('latin1').replaceAll(new RegExp(`${LIMIT.source}[^\\0]*\\0`, 'g'), '');
  const packet = Buffer.from(kept, 'latin1');
  packet.writeInt32BE(packet.length);
  return packet;
};

/** As far as a session begins: https://www.postgresql.org/docs/current/protocol-message-formats.html */
async function startPooler(url: string, opening: Opening): Promise<{ url: string; close(): void }> {
  const { hostname, port } = new URL(url);
  const pooler = createServer((near) => {
    near.once('data', (startup) => {
      const packet = opening(startup);
      if (typeof packet === 'string') {
        near.end(errorResponse(packet));
        return;
      }
      const far = connect(Number(port), hostname);
      far.write(packet);
      far.pipe(near).on('error', () => far.destroy());
      near.pipe(far).on('error', () => near.destroy());
    });
  }).listen(0, '127.0.0.1');
  await once(pooler, 'listening');
  const through = new URL(url);
  through.port = String((pooler.address() as AddressInfo).port);
  return { url: through.href, close: () => pooler.close() };
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
