import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientConfig } from 'pg';
import type { Environment } from '../../config/environment.js';
import { DatabaseService, ISOLATION, SESSION_LIMITS } from './database.service.js';
import { startEmbeddedPostgres, type EmbeddedPostgres, type StartLogger } from './embedded-postgres.js';
import { applyMigrations } from './migration-runner.js';

/** The database cannot be used, and waiting would not change that. */
export class DatabaseStartError extends Error {
  override readonly name = 'DatabaseStartError';
}

/** How long a PostgreSQL that is starting beside us (compose, a reboot) is waited for, in milliseconds. */
const WAIT_MS = 60_000;

/**
 * The database of DATABASE_URL, or an embedded PostgreSQL in DATA_DIR, with all migrations applied. Waits up to
 * `waitMs` for a server that is not there yet; throws {@link DatabaseStartError} when it stays away or refuses us,
 * and `MigrationError`, `EmbeddedPostgresError` as they come. Closing the service stops the embedded server, last.
 */
export async function openDatabase(
  environment: Pick<Environment, 'DATABASE_URL' | 'DATA_DIR' | 'DATABASE_PREPARED'>,
  logger: StartLogger,
  waitMs = WAIT_MS,
): Promise<DatabaseService> {
  let embedded: EmbeddedPostgres | undefined;
  if (!environment.DATABASE_URL) {
    embedded = await startEmbeddedPostgres({ dataDir: environment.DATA_DIR, logger });
    logger.log(`DATABASE_URL is not set: using an embedded PostgreSQL in ${environment.DATA_DIR}.`);
  }
  const url = embedded?.url ?? environment.DATABASE_URL!;
  try {
    const ownSessions = await waitForServer(url, logger, waitMs);
    const { applied, unknown } = await applyMigrations(url);
    for (const name of applied) logger.log(`Applied migration ${name}.`);
    if (unknown.length > 0)
      logger.warn(
        `The database has migrations this version does not know (${unknown.join(', ')}): a newer version runs or ran on it. Going on; update this one soon.`,
      );
    return new DatabaseService(url, {
      ownSessions,
      named: environment.DATABASE_PREPARED,
      onClosed: () => embedded?.stop(),
    });
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

/**
 * Whether a connection is a session of our own, once the server is there: what was asked for as it began is what holds
 * now. A pooler refuses that, or drops it; a role may have an isolation level of its own.
 */
async function waitForServer(url: string, logger: StartLogger, waitMs: number): Promise<boolean> {
  const where = describe(url);
  const deadline = Date.now() + waitMs;
  for (let attempt = 1; ; attempt++) {
    let attempted = await tryConnect(url, SESSION_LIMITS);
    if (isRefusedLimit(attempted.error)) attempted = await tryConnect(url);
    const { session, error } = attempted;
    if (session) {
      if (session.isolation !== ISOLATION)
        logger.log(
          `PostgreSQL at ${where} begins transactions as ${session.isolation}: each of ours says ${ISOLATION}.`,
        );
      if (!session.limited)
        logger.log(`A connection pooler at ${where} keeps no limits for us: see "Beyond one machine" in README.md.`);
      return session.limited && session.isolation === ISOLATION;
    }
    if (!isTemporary(error))
      throw new DatabaseStartError(`PostgreSQL at ${where} refuses DATABASE_URL: ${reason(error)}.`, { cause: error });
    if (Date.now() > deadline)
      throw new DatabaseStartError(
        `PostgreSQL at ${where} was not reachable within ${Math.round(waitMs / 1000)} s: ${reason(error)}. Is it running, and is DATABASE_URL right?`,
        { cause: error },
      );
    // The first failure, and then about every ten seconds.
    if (attempt % 10 === 1) logger.warn(`Waiting for PostgreSQL at ${where}: ${reason(error)}.`);
    await sleep(Math.min(1_000, waitMs));
  }
}

type ConnectError = Error & { code?: string; errors?: Error[] };

/** What a new session has, whatever was asked for as it began. */
interface Session {
  /** Its limits are {@link SESSION_LIMITS}. */
  limited: boolean;
  isolation: string;
}

type Attempt = { session: Session; error?: undefined } | { session?: undefined; error: ConnectError };

async function tryConnect(url: string, limits?: ClientConfig): Promise<Attempt> {
  const probe = client(url, limits);
  probe.on('error', () => undefined);
  try {
    await probe.connect();
    const { rows } = await probe.query<Session>(
      `SELECT current_setting('default_transaction_isolation') AS isolation,
              bool_and(current_setting(name)::interval = milliseconds::int * interval '1 ms') AS limited
         FROM jsonb_each_text($1::jsonb) AS asked (name, milliseconds)`,
      [JSON.stringify(SESSION_LIMITS)],
    );
    await probe.end();
    return { session: rows[0]! };
  } catch (error) {
    await probe.end().catch(() => undefined);
    return { error: error as ConnectError };
  }
}

/** What PgBouncer says to a parameter that is neither tracked nor ignored. https://www.pgbouncer.org/config.html */
function isRefusedLimit(error: ConnectError | undefined): boolean {
  return Object.keys(SESSION_LIMITS).some((name) => error?.message === `unsupported startup parameter: ${name}`);
}

/** What a pooler says as 08P01, its code for everything, that it will say again. */
const FINAL_WORDS = /does not exist|authentication failed|no such (user|database)|unsupported startup parameter/i;

/**
 * Whether a server that comes up could still say yes: it did not answer at all, or with 57P03 (starting up), 53300
 * (too many connections) or a broken connection (class 08). Anything else it said it will say again.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
function isTemporary({ code, message }: ConnectError): boolean {
  if (code === '08P01') return !FINAL_WORDS.test(message);
  if (code && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('E')) return /^(57P0|53|08)/.test(code);
  // Said by node-postgres before any server was asked.
  return !/SSL|password must be a string|self.signed|certificate/i.test(message);
}

/** Node wraps the refusals of several addresses (::1 and 127.0.0.1) in one error without a message. */
function reason(error: ConnectError): string {
  return error.message || error.errors?.[0]?.message || error.code || error.name;
}

/** Host, port and database; never the password. */
function describe(url: string): string {
  const { host, port, database } = client(url);
  return `${host}:${port}/${database}`;
}

function client(url: string, limits?: ClientConfig): Client {
  try {
    return new Client({ connectionString: url, connectionTimeoutMillis: 5_000, ...limits });
  } catch (cause) {
    throw new DatabaseStartError(
      'DATABASE_URL cannot be read. It looks like postgresql://user:password@host:5432/database, with special characters of the password percent-encoded.',
      { cause },
    );
  }
}
