import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { runBackgroundMigrations } from '../../src/storage/postgres/background-migrations.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/storage/postgres/embedded-postgres.js';
import { applyMigrations } from '../../src/storage/postgres/migration-runner.js';
import { testDatabasesOf } from './database.js';
import { PgBouncer } from './pgbouncer.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Connection string of the server's maintenance database. */
    postgresUrl: string;
    /** The way on which tests and programs reach their databases: that server, or the pooler before it. */
    databasesUrl: string;
    /** Name of the migrated database that tests clone. */
    templateDatabase: string;
  }
}

/** Projects whose files need no PostgreSQL. */
const WITHOUT = new Set(['unit', 'pages']);

const PREFIX = 'telegram-openlines-test-';

/**
 * Once per run: one PostgreSQL (TEST_DATABASE_URL, or an embedded one in the temporary folder) with one migrated
 * database to clone. With TEST_POOLED=1 tests and programs reach their databases through a PgBouncer. Nothing of it is
 * left at the end.
 */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (project.vitest.projects.every(({ name }) => WITHOUT.has(name))) return undefined;
  await sweep();
  const dataDir = await mkdtemp(path.join(tmpdir(), `${PREFIX}${process.pid}-`));
  let embedded: EmbeddedPostgres | undefined;
  if (!process.env.TEST_DATABASE_URL) {
    const quiet = { log: () => undefined, warn: process.emitWarning, error: process.emitWarning };
    embedded = await startEmbeddedPostgres({ dataDir, fast: true, logger: quiet });
  }
  const url = embedded?.url ?? process.env.TEST_DATABASE_URL!;
  const template = `template_${randomBytes(6).toString('hex')}`;
  await execute(url, `CREATE DATABASE ${template}`);
  const migrated = new URL(url);
  migrated.pathname = template;
  await applyMigrations(migrated.href);
  await runBackgroundMigrations(migrated.href);
  const pooler = process.env.TEST_POOLED ? await PgBouncer.before(url) : undefined;
  project.provide('postgresUrl', url);
  project.provide('databasesUrl', pooler?.through(url) ?? url);
  project.provide('templateDatabase', template);
  return async () => {
    await pooler?.stop();
    if (!embedded) await dropDatabases(url, template);
    await embedded?.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

/** The template, and what workers have kept for their next test. */
async function dropDatabases(url: string, template: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)',
      [testDatabasesOf(template)],
    );
    for (const name of [template, ...rows.map((row) => row.name)])
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  } finally {
    await client.end();
  }
}

/** Folders of runs that were killed. Their servers notice within a minute that the folder is gone, and end. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    if (pid && !isAlive(pid)) await rm(path.join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
