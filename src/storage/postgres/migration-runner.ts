import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { StartError } from '../../common/start-error.js';
import { ISOLATION } from './session-limits.js';

/** The folder this build was made with: prisma/migrations, seen from src/storage as from dist/storage. */
export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

/** Names the migration that stands in the way and the cure. */
export class MigrationError extends StartError {
  override readonly name = 'MigrationError';
  constructor(
    readonly code: 'migration_failed' | 'migration_edited' | 'migration_broken',
    readonly migration: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface MigrationOutcome {
  /** Applied now, in order. */
  applied: string[];
  /** In the database but not in the folder: a newer version of the program has been here. */
  unknown: string[];
}

interface Migration {
  name: string;
  sql: string;
}

interface Row {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
  rolled_back_at: Date | null;
}

/** What `prisma migrate deploy` locks too (its `SELECT pg_advisory_lock(72707369)`), so the two never meet. */
const MIGRATE_LOCK = 72707369;
/** A table that is in use for longer than this fails the migration instead of queueing all traffic behind it. */
const DDL_LOCK_TIMEOUT = '15s';

/** Where Prisma and we write down what was applied. */
export const MIGRATIONS_TABLE = '_prisma_migrations';

/** As `prisma migrate deploy` makes it. */
const MAKE_MIGRATIONS_TABLE = `
CREATE TABLE ${MIGRATIONS_TABLE} (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)`;

/**
 * Applies every migration of `folder` that the database at `url` has not seen, and leaves the rows that
 * `prisma migrate deploy` would: either may run after the other.
 *
 * One transaction holds the lock and all of the work. So one replica applies while the others wait and then find
 * nothing to do; a connection pooler in transaction mode keeps it on one connection; and a migration that fails
 * leaves the database as it was. The price: no statement that refuses a transaction (`CREATE INDEX CONCURRENTLY`).
 *
 * Throws {@link MigrationError}: over a migration that failed earlier (by the Prisma CLI, which has no such
 * transaction), one whose file was changed after it was applied, or one that fails now.
 */
export async function applyMigrations(url: string, folder: string = MIGRATIONS_FOLDER): Promise<MigrationOutcome> {
  const migrations = await readMigrations(folder);
  return withConnection(url, async (connection) => {
    // Whoever waited for the lock must see what was committed meanwhile, however the role begins its transactions.
    await connection.query(`BEGIN ISOLATION LEVEL ${ISOLATION}`);
    // However the role or the pool is set up, waiting for another replica's work is not an error.
    await connection.query('SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0');
    await connection.query('SELECT pg_advisory_xact_lock($1)', [MIGRATE_LOCK]);
    await connection.query(`SET LOCAL lock_timeout = '${DDL_LOCK_TIMEOUT}'`);
    // `IF NOT EXISTS` would ask for the right to make tables, which a role that only works with them may lack.
    if (!(await hasMigrationsTable(connection))) await connection.query(MAKE_MIGRATIONS_TABLE);
    const { pending, unknown } = compare(migrations, await readRows(connection));
    for (const migration of pending) await apply(connection, migration);
    await connection.query('COMMIT');
    return { applied: pending.map(({ name }) => name), unknown };
  });
}

/** Names of the migrations of `folder` that are not applied yet. Reads only; throws as {@link applyMigrations} does. */
export async function pendingMigrations(url: string, folder: string = MIGRATIONS_FOLDER): Promise<string[]> {
  const migrations = await readMigrations(folder);
  return withConnection(url, async (connection) => {
    const known = (await hasMigrationsTable(connection)) ? await readRows(connection) : [];
    return compare(migrations, known).pending.map(({ name }) => name);
  });
}

/** Names of the tables that the migrations of `folder` make, those that a later one drops included. */
export async function migratedTables(folder: string = MIGRATIONS_FOLDER): Promise<string[]> {
  const migrations = await readMigrations(folder);
  return migrations.flatMap(({ sql }) => [...sql.matchAll(/^CREATE TABLE "([^"]+)"/gm)].map(([, name]) => name!));
}

async function hasMigrationsTable(connection: Client): Promise<boolean> {
  const { rows } = await connection.query<{ exists: boolean }>(
    `SELECT to_regclass('${MIGRATIONS_TABLE}') IS NOT NULL AS exists`,
  );
  return rows[0]!.exists;
}

async function withConnection<Result>(url: string, work: (connection: Client) => Promise<Result>): Promise<Result> {
  const connection = new Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'telegram-openlines migrations',
  });
  // A server that goes away fails the statement under way; without a listener it would end the process as well.
  connection.on('error', () => undefined);
  try {
    await connection.connect();
    return await work(connection);
  } finally {
    // Ends an open transaction too: whatever was not committed is rolled back.
    await connection.end();
  }
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return Promise.all(
    names.map(async (name) => ({ name, sql: await readFile(path.join(folder, name, 'migration.sql'), 'utf8') })),
  );
}

async function readRows(connection: Client): Promise<Row[]> {
  const { rows } = await connection.query<Row>(
    'SELECT migration_name, checksum, finished_at, rolled_back_at FROM _prisma_migrations ORDER BY started_at',
  );
  return rows.filter((row) => row.rolled_back_at === null);
}

function compare(migrations: Migration[], rows: Row[]): { pending: Migration[]; unknown: string[] } {
  const failed = rows.find((row) => row.finished_at === null);
  if (failed) throw failedEarlier(failed.migration_name);
  const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
  for (const { name, sql } of migrations) {
    const checksum = applied.get(name);
    if (checksum !== undefined && !checksums(sql).includes(checksum)) throw edited(name);
  }
  const known = new Set(migrations.map(({ name }) => name));
  return {
    pending: migrations.filter(({ name }) => !applied.has(name)),
    unknown: [...applied.keys()].filter((name) => !known.has(name)),
  };
}

async function apply(connection: Client, { name, sql }: Migration): Promise<void> {
  const id = randomUUID();
  // clock_timestamp(), because now() stands still within a transaction, and Prisma orders the rows by started_at.
  await connection.query(
    'INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at) VALUES ($1, $2, $3, clock_timestamp())',
    [id, sha256(sql), name],
  );
  try {
    await connection.query(sql);
  } catch (cause) {
    throw failedNow(name, sql, cause as Error & { code?: string; position?: string });
  }
  await connection.query(
    'UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1 WHERE id = $1',
    [id],
  );
}

/** Git may have changed the line ends of the file since; Prisma's engine forgives that too. */
function checksums(sql: string): string[] {
  const lf = sql.replaceAll('\r\n', '\n');
  return [sql, lf, lf.replaceAll('\n', '\r\n')].map(sha256);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function failedEarlier(name: string): MigrationError {
  return new MigrationError(
    'migration_failed',
    name,
    `Migration ${name} was started on this database and never finished, so nobody knows how much of it is there. ` +
      `Undo by hand what it did, then mark it as undone and start again: ` +
      `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${name}' AND finished_at IS NULL; ` +
      `(or: npx prisma migrate resolve --rolled-back ${name}).`,
  );
}

function edited(name: string): MigrationError {
  return new MigrationError(
    'migration_edited',
    name,
    `Migration ${name} was changed after this database had applied it (its checksum differs). ` +
      `Restore prisma/migrations/${name}/migration.sql as it was released, and put the change into a new migration.`,
  );
}

function failedNow(name: string, sql: string, cause: Error & { code?: string; position?: string }): MigrationError {
  const line = cause.position ? `, line ${sql.slice(0, Number(cause.position)).split('\n').length}` : '';
  const advice =
    cause.code === '55P03'
      ? 'A table it changes is in use: stop the other replicas or wait for a quieter moment, and start again.'
      : 'Correct its cause and start again.';
  return new MigrationError(
    'migration_broken',
    name,
    `Migration ${name} failed${line}: ${cause.message} (${cause.code ?? 'no SQLSTATE'}). Nothing of it was kept, nor of those before it in this run. ${advice}`,
    { cause },
  );
}
