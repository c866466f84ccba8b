import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, type ClientConfig } from 'pg';
import { ISOLATION } from './session-limits.js';

/** prisma/background-migrations, seen from src/storage as from dist/storage. */
export const BACKGROUND_FOLDER = fileURLToPath(new URL('../../../prisma/background-migrations', import.meta.url));

export interface BackgroundOptions {
  folder?: string;
  /** Leaves what is under way as it is; the next run goes on with it. */
  signal?: AbortSignal;
  /** Told the name of each migration before it is begun. */
  onBegin?: (name: string) => void;
}

interface BackgroundMigration {
  name: string;
  sql: string;
  /** The index that it builds; undefined: it fills rows in, step by step. */
  index: string | undefined;
}

/** Of our own: not that of migrations at the start, which a replica may hold while it waits for a table. */
const LOCK = 72707370;
/** A role may have a limit that is right for anything but a long table; milliseconds. */
const A_DAY_MS = 86_400_000;
/** Between two steps that fill rows in, for those who bring messages. */
const STEP_PAUSE_MS = 50;
/** Between two looks at an index that a killed run left the server to finish. */
const BUILDING_PAUSE_MS = 1_000;

/**
 * Does what prisma/background-migrations asks for and is not done yet: changes of long tables that would keep writers
 * away for minutes inside the one transaction of a start. The program serves meanwhile, and must be right without them.
 *
 * Each file is one statement, run outside a transaction. `CREATE INDEX CONCURRENTLY "name" …` is run once; what a killed
 * run left of the index, which is invalid, is dropped first. Any other statement is one step of a backfill: it is run
 * again and again until it changes no row.
 *
 * Returns the names of those done now; null: another replica is at it. May be stopped and repeated at any time.
 */
export async function runBackgroundMigrations(
  url: string,
  { folder = BACKGROUND_FOLDER, signal, onBegin }: BackgroundOptions = {},
): Promise<string[] | null> {
  const migrations = await readMigrations(folder);
  return withConnection(url, signal, async (work) => {
    const pending = await pendingOf(work, migrations);
    if (pending.length === 0) return [];
    return withConnection(url, signal, async (lock) => {
      if (!(await takeLock(lock))) return null;
      // Another replica may have done some of them since.
      const left = await pendingOf(work, pending);
      for (const migration of left) {
        signal?.throwIfAborted();
        onBegin?.(migration.name);
        await apply(work, migration, signal);
        await work.query(
          `INSERT INTO background_migrations (name, finished_at) VALUES ($1, now())
           ON CONFLICT (name) DO UPDATE SET finished_at = now()`,
          [migration.name],
        );
      }
      return left.map(({ name }) => name);
    });
  });
}

async function readMigrations(folder: string): Promise<BackgroundMigration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort();
  return Promise.all(
    files.map(async (file) => {
      const sql = await readFile(path.join(folder, file), 'utf8');
      return {
        name: path.basename(file, '.sql'),
        sql,
        index: /^CREATE (?:UNIQUE )?INDEX CONCURRENTLY ("[^"]+")/m.exec(sql)?.[1],
      };
    }),
  );
}

async function pendingOf(connection: Client, migrations: BackgroundMigration[]): Promise<BackgroundMigration[]> {
  const { rows } = await connection.query<{ name: string }>(
    'SELECT name FROM background_migrations WHERE finished_at IS NOT NULL',
  );
  const done = new Set(rows.map(({ name }) => name));
  return migrations.filter(({ name }) => !done.has(name));
}

/**
 * Held by a transaction that does nothing else, because a pooler in transaction mode keeps no session. An index that is
 * built waits for the end of every snapshot that is older: so the lock is tried and not waited for, and without
 * parameters, because the portal of a statement with parameters keeps its snapshot.
 */
async function takeLock(connection: Client): Promise<boolean> {
  await connection.query(`BEGIN ISOLATION LEVEL ${ISOLATION}`);
  await connection.query('SET LOCAL idle_in_transaction_session_timeout = 0');
  const { rows } = await connection.query<{ free: boolean }>(`SELECT pg_try_advisory_xact_lock(${LOCK}) AS free`);
  return rows[0]!.free;
}

async function apply(connection: Client, { sql, index }: BackgroundMigration, signal?: AbortSignal): Promise<void> {
  if (index) {
    if (!(await settle(connection, index, signal))) await connection.query(sql);
    return;
  }
  while (((await connection.query(sql)).rowCount ?? 0) > 0) await pause(STEP_PAUSE_MS, undefined, { signal });
}

/** Whether the index is there. One that nobody builds any more is dropped. */
async function settle(connection: Client, index: string, signal?: AbortSignal): Promise<boolean> {
  for (;;) {
    const { rows } = await connection.query<{ valid: boolean; building: boolean }>(
      `SELECT i.indisvalid AS valid,
              EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) AS building
         FROM pg_index i WHERE i.indexrelid = to_regclass($1)`,
      [index],
    );
    const [found] = rows;
    if (!found || found.valid) return found !== undefined;
    if (found.building) await pause(BUILDING_PAUSE_MS, undefined, { signal });
    else await connection.query(`DROP INDEX CONCURRENTLY IF EXISTS ${index}`);
  }
}

async function withConnection<Result>(
  url: string,
  signal: AbortSignal | undefined,
  use: (connection: Client) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  const connection = await connect(url);
  const leave = () => void connection.end().catch(() => undefined);
  signal?.addEventListener('abort', leave);
  try {
    return await use(connection);
  } finally {
    signal?.removeEventListener('abort', leave);
    await connection.end().catch(() => undefined);
  }
}

async function connect(url: string): Promise<Client> {
  const config: ClientConfig = {
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    application_name: 'telegram-openlines background migrations',
  };
  // PgBouncer refuses a limit, and keeps those of its own.
  const patient = await tryConnect({ ...config, statement_timeout: A_DAY_MS });
  if (patient instanceof Client) return patient;
  if (!patient.message.startsWith('unsupported startup parameter')) throw patient;
  const plain = await tryConnect(config);
  if (plain instanceof Client) return plain;
  throw plain;
}

async function tryConnect(config: ClientConfig): Promise<Client | Error> {
  const connection = new Client(config);
  // One that breaks fails the statement under way; without a listener it would end the process as well.
  connection.on('error', () => undefined);
  try {
    await connection.connect();
    return connection;
  } catch (error) {
    await connection.end().catch(() => undefined);
    return error as Error;
  }
}
