import { randomBytes } from 'node:crypto';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { postgresUrlFrom } from '../../src/config/postgres-variables.js';
import type { DatabaseService, Queryable } from '../../src/storage/postgres/database.service.js';
import { HOT_LIMIT_MS } from '../../src/storage/postgres/session-limits.js';
import { openDatabase } from '../../src/storage/postgres/database-start.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { TlsPostgres } from '../support/tls-postgres.js';

let database: TestDatabase;
let said: string[];
const hear = (message: string) => void said.push(message);
const logger = { log: hear, warn: hear, error: hear };
let waiting: AbortController;
const open = (url: string) => openDatabase({ DATABASE_URL: url, DATA_DIR: '/nowhere' }, logger, waiting.signal);

beforeEach(() => {
  said = [];
  waiting = new AbortController();
});
afterEach(async () => {
  waiting.abort();
  await database?.drop();
});
/** What is opened is migrated on the way. */
const fromEmpty = () => beforeEach(async () => void (database = await createTestDatabase({ empty: true })));
/** To migrate is most of what an opening costs: not where it is about something else. */
const fromMigrated = () => beforeEach(async () => void (database = await createTestDatabase()));

describe('opening the database of DATABASE_URL', () => {
  fromEmpty();

  it('migrates it before anyone can use it', async () => {
    const service = await open(database.url);
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
    const service = await open(url.href);
    expect(said[0]).toMatch(new RegExp(`Waiting for PostgreSQL at 127\\.0\\.0\\.1:${port}/test_\\w+: .*ECONNREFUSED`));
    await service.onApplicationShutdown();
    proxy?.close();
  });

  it('never stops waiting by itself, says for how long it has waited, and never says the password', async () => {
    const url = `postgresql://someone:hunter2@127.0.0.1:${await unusedPort()}/bridge`;
    const opening = open(url).catch((reason: unknown) => reason as Error);
    await expect.poll(() => said.at(-1)).toMatch(/127\.0\.0\.1:\d+\/bridge for 10 s: .*ECONNREFUSED/);
    waiting.abort();
    expect(((await opening) as Error).name).toBe('AbortError');
    expect(said.join()).not.toContain('hunter2');
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
      const service = await open(postgresUrlFrom(variables)!);
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
    await expect(open(url.href)).rejects.toThrow(message);
  });

  it('explains an address that cannot be read', async () => {
    await expect(open('postgresql://me:pa/ss#@host:x/db')).rejects.toThrow(/percent-encoded/);
  });

  it('goes on, with a warning, on a database that a newer version has migrated', async () => {
    await (await open(database.url)).onApplicationShutdown();
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '20990101000000_later', now())`,
    );
    await client.end();
    await (await open(database.url)).onApplicationShutdown();
    expect(said.at(-1)).toMatch(/20990101000000_later.*newer version/);
  });
});

describe('a database that cannot be used as it is', () => {
  fromEmpty();

  const asOwner = async (sql: string, url = database.directUrl) => {
    const client = new Client({ connectionString: url });
    await client.connect();
    return client.query<Record<string, unknown>>(sql).finally(() => client.end());
  };

  it('is refused when it keeps texts in another encoding than UTF8', async () => {
    const name = `latin_${database.directUrl.split('_').at(-1)}`;
    const { rows } = await asOwner(`SELECT current_setting('server_version_num')::int >= 150000 AS providers`);
    await asOwner(
      `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' ${rows[0]!.providers ? 'LOCALE_PROVIDER libc' : ''}`,
    );
    try {
      const url = new URL(database.directUrl);
      url.pathname = name;
      await expect(open(url.href)).rejects.toThrow(/encoding LATIN1.*CREATE DATABASE .* ENCODING 'UTF8'/);
    } finally {
      await asOwner(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  });

  it('is waited for while it is read-only', async () => {
    const name = new URL(database.directUrl).pathname.slice(1);
    await asOwner(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    const opening = open(database.directUrl);
    await expect.poll(() => said.join()).toMatch(/Waiting for PostgreSQL at .*: it is read-only/);
    await asOwner(`ALTER DATABASE ${name} RESET default_transaction_read_only`, inject('postgresUrl'));
    await (await opening).onApplicationShutdown();
  });

  it.each([
    ['schema=bridge', /schema=bridge.*ALTER ROLE .* SET search_path = bridge/],
    ['sslmode=prefered', /sslmode=prefered.*verify-full/],
    ['sslmode=verify-ca', /sslrootcert/],
    ['sslmode=require&sslrootcert=/nowhere.pem', /sslrootcert=\/nowhere\.pem, which cannot be read/],
  ])('is refused by name with ?%s', async (parameter, message) => {
    await expect(open(`${database.directUrl}?${parameter}`)).rejects.toThrow(message);
  });

  it('may name the schema that it uses anyway', async () => {
    await (await open(`${database.directUrl}?schema=public`)).onApplicationShutdown();
  });

  describe('by a role', () => {
    let role: string;
    let url: string;
    beforeEach(async () => {
      role = `limited_${database.directUrl.split('_').at(-1)}`;
      await asOwner(`CREATE ROLE ${role} LOGIN PASSWORD 'limited'; REVOKE CREATE ON SCHEMA public FROM PUBLIC`);
      url = Object.assign(new URL(database.directUrl), { username: role, password: 'limited' }).href;
    });
    afterEach(() => asOwner(`DROP OWNED BY ${role}; DROP ROLE ${role}`));

    it('that may make no tables is refused with the right that it lacks', async () => {
      await expect(open(url)).rejects.toThrow(
        new RegExp(
          `${role} cannot .*: it lacks CREATE on schema public.*GRANT USAGE, CREATE ON SCHEMA public TO ${role}`,
        ),
      );
    });

    it('that may not see the schema is told so', async () => {
      await asOwner('REVOKE USAGE ON SCHEMA public FROM PUBLIC');
      await expect(open(url)).rejects.toThrow(/no schema.*search_path.*GRANT USAGE, CREATE ON SCHEMA/s);
    });

    it('that may not write the tables of another is refused; with rights on them it needs no right to make more', async () => {
      await (await open(database.directUrl)).onApplicationShutdown();
      await asOwner(
        `GRANT SELECT ON _prisma_migrations TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
      );
      await expect(open(url)).rejects.toThrow(/lacks INSERT, UPDATE, DELETE on .*messages.*GRANT .* ON ALL TABLES/s);
      await asOwner(
        `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${role}`,
      );
      await (await open(url)).onApplicationShutdown();
    });

    it('that does not own the tables is refused when a migration is to change them', async () => {
      await (await open(database.directUrl)).onApplicationShutdown();
      await asOwner(
        `GRANT CREATE ON SCHEMA public TO ${role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role};
         DELETE FROM _prisma_migrations WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations)`,
      );
      await expect(open(url)).rejects.toThrow(
        new RegExp(`belong to postgres.*REASSIGN OWNED BY postgres TO ${role}`, 's'),
      );
    });
  });
});

describe('TLS', () => {
  fromMigrated();

  let server: TlsPostgres;
  let folder: string;
  const secure = (query: string) => `${server.url}?${query}`;
  beforeEach(async () => {
    server = await TlsPostgres.before(database.directUrl);
    folder = await mkdtemp(path.join(tmpdir(), 'database-tls-'));
    await writeFile(path.join(folder, 'ca.pem'), server.certificate);
  });
  afterEach(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });

  it.each(['require', 'prefer', 'no-verify', 'allow'])('%s takes a certificate of nobody known', async (mode) => {
    const service = await open(secure(`sslmode=${mode}`));
    expect(server.encrypted).toBeGreaterThan(0);
    await service.onApplicationShutdown();
  });

  it.each(['require', 'verify-ca', 'verify-full'])('%s believes the certificate in sslrootcert', async (mode) => {
    await (await open(secure(`sslmode=${mode}&sslrootcert=${folder}/ca.pem`))).onApplicationShutdown();
  });

  it.each([
    ['sslmode=verify-full', /self-signed certificate.*sslrootcert/],
    ['sslmode=verify-full&sslrootcert=system', /self-signed certificate.*sslrootcert/],
    ['', /without TLS.*\?sslmode=require/],
  ])('is refused with %s, and advice', async (query, message) => {
    await expect(open(secure(query))).rejects.toThrow(message);
  });

  it.each(['prefer', 'allow', 'disable'])('%s does without where the server has none', async (mode) => {
    await (await open(`${database.directUrl}?sslmode=${mode}`)).onApplicationShutdown();
  });
});

describe('limits on statements', () => {
  fromMigrated();

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
    service = await open(database.directUrl);
    expect(await limits(service)).toEqual({ alone: '12s', patient: '45s', hot: '12s' });
    expect(HOT_LIMIT_MS).toBeGreaterThan(12_000);
  });

  it('hold behind a pooler that refuses parameters of a session', async () => {
    const pooler = await startPooler(database.directUrl, refuse);
    try {
      service = await open(pooler.url);
      expect(await limits(service)).toEqual({ alone: '12s', patient: '45s', hot: '12s' });
      expect(said.filter((line) => /connection pooler at 127\.0\.0\.1/.test(line))).toHaveLength(1);
    } finally {
      pooler.close();
    }
  });

  it('hold behind a pooler that drops parameters of a session without a word', async () => {
    const pooler = await startPooler(database.directUrl, drop);
    try {
      service = await open(pooler.url);
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
    service = await open(database.directUrl);
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
      await expect(open(pooler.url)).rejects.toThrow(`refuses DATABASE_URL: ${words}`);
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
