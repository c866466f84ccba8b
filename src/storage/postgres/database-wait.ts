import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientConfig } from 'pg';
import { startWaits } from '../../common/start-wait.js';
import { explain, isTemporary, reasonOf, type ConnectError } from './connect-error.js';
import { DatabaseStartError } from './database-start-error.js';
import type { DatabaseAddress } from './database-url.js';
import { ISOLATION, SESSION_LIMITS } from './session-limits.js';
import type { StartLogger } from './embedded-postgres.js';

const RETRY_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Between two log lines about the same waiting: for the first minute, and after it. */
const SAY_AGAIN_MS = { soon: 10_000, later: 60_000 };

/** A server that takes connections and writes. */
export interface DatabaseServer {
  /** The connection string with which it did. */
  url: string;
  /**
   * Whether a connection is a session of our own: what was asked for as it began is what holds now. A pooler refuses
   * that, or drops it; a role may have an isolation level of its own.
   */
  ownSessions: boolean;
  /** What texts are kept in. */
  encoding: string;
  /** As `server_version_num`, e.g. 140000. */
  version: number;
  role: string;
  database: string;
  /** Where tables are made; null: nowhere. */
  schema: string | null;
  searchPath: string;
}

/**
 * Waits until the server takes connections and writes, for as long as that takes: a PostgreSQL that starts beside us, a
 * failover, a full disk. Says so in the log and to {@link startWaits}. Throws {@link DatabaseStartError} when the server
 * refuses us, and `signal`'s reason.
 */
export async function waitForServer(
  { urls, where }: DatabaseAddress,
  logger: StartLogger,
  signal?: AbortSignal,
): Promise<DatabaseServer> {
  const log = new WaitLog(where, logger);
  for (;;) {
    const found = await lookForServer(urls);
    switch (found.state) {
      case 'ready':
        startWaits.emit('over');
        sayWhatDiffers(found.session, where, logger);
        return { ...found.session, url: found.url, ownSessions: isOwn(found.session) };
      case 'refused':
        throw new DatabaseStartError(`PostgreSQL at ${where} refuses DATABASE_URL: ${explain(found.error)}`, {
          cause: found.error,
        });
      case 'read-only':
        log.waiting('READ_ONLY', readOnlyWords(found.session));
        break;
      case 'away':
        log.waiting(found.error.code ?? found.error.name, explain(found.error));
    }
    await sleep(RETRY_MS, undefined, { signal });
  }
}

/** Says the first failure, and then from time to time for how long it has lasted. */
class WaitLog {
  private readonly since = new Date();
  private nextMs = 0;

  constructor(
    private readonly where: string,
    private readonly logger: StartLogger,
  ) {}

  waiting(code: string, words: string): void {
    startWaits.emit('wait', { what: 'database', reason: code, since: this.since });
    const waitedMs = Date.now() - this.since.getTime();
    if (waitedMs < this.nextMs) return;
    const duration = this.nextMs === 0 ? '' : ` for ${Math.round(waitedMs / 1_000)} s`;
    this.logger.warn(`Waiting for PostgreSQL at ${this.where}${duration}: ${words}`);
    this.nextMs = waitedMs + (waitedMs < SAY_AGAIN_MS.later ? SAY_AGAIN_MS.soon : SAY_AGAIN_MS.later);
  }
}

type Found =
  { state: 'ready' | 'read-only'; url: string; session: Session } | { state: 'refused' | 'away'; error: ConnectError };

async function lookForServer(urls: string[]): Promise<Found> {
  const failures: ConnectError[] = [];
  for (const url of urls) {
    let attempt = await connect(url, SESSION_LIMITS);
    if (isRefusedLimit(attempt.error)) attempt = await connect(url);
    const { session, error } = attempt;
    if (session) return { state: session.readOnly ? 'read-only' : 'ready', url, session };
    failures.push(error);
  }
  const away = failures.find(isTemporary);
  return away ? { state: 'away', error: away } : { state: 'refused', error: failures[0]! };
}

/** What a new session has, whatever was asked for as it began. */
interface Session extends Omit<DatabaseServer, 'url' | 'ownSessions'> {
  /** Its limits are {@link SESSION_LIMITS}. */
  limited: boolean;
  isolation: string;
  readOnly: boolean;
  /** It follows another server. */
  standby: boolean;
}

type Attempt = { session: Session; error?: undefined } | { session?: undefined; error: ConnectError };

async function connect(url: string, limits?: ClientConfig): Promise<Attempt> {
  const probe = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, ...limits });
  probe.on('error', () => undefined);
  try {
    await probe.connect();
    const { rows } = await probe.query<Session>(
      `SELECT current_setting('default_transaction_isolation') AS isolation,
              current_setting('transaction_read_only')::boolean AS "readOnly", pg_is_in_recovery() AS standby,
              current_setting('server_encoding') AS encoding, current_setting('server_version_num')::int AS version,
              current_user AS role, current_database() AS database, current_schema() AS schema,
              current_setting('search_path') AS "searchPath",
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

const isOwn = ({ limited, isolation }: Session) => limited && isolation === ISOLATION;

function sayWhatDiffers({ limited, isolation }: Session, where: string, logger: StartLogger): void {
  if (isolation !== ISOLATION)
    logger.log(`PostgreSQL at ${where} begins transactions as ${isolation}: each of ours says ${ISOLATION}.`);
  if (!limited)
    logger.log(`A connection pooler at ${where} keeps no limits for us: see "PostgreSQL" in docs/operations.md.`);
}

function readOnlyWords({ standby }: Session): string {
  return standby
    ? 'it is read-only, a standby. Put the address of the primary into DATABASE_URL, or promote this server.'
    : 'it is read-only (default_transaction_read_only = on): providers set that when the disk is full. Make room, or turn it off: ALTER DATABASE … RESET default_transaction_read_only.';
}

/** What PgBouncer says to a parameter that is neither tracked nor ignored. https://www.pgbouncer.org/config.html */
function isRefusedLimit(error: ConnectError | undefined): boolean {
  if (!error) return false;
  return Object.keys(SESSION_LIMITS).some((name) => reasonOf(error) === `unsupported startup parameter: ${name}`);
}
