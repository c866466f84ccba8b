import { createHash } from 'node:crypto';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import {
  Pool,
  TypeOverrides,
  types,
  type Client,
  type PoolClient,
  type QueryConfig,
  type QueryResult,
  type QueryResultRow,
} from 'pg';

// BIGINT and its arrays as bigint, so that no id of Telegram or of a long history is ever rounded.
const parsers = new TypeOverrides();
parsers.setTypeParser(types.builtins.INT8, BigInt);
const INT8_ARRAY = 1016 as Parameters<typeof types.setTypeParser>[0];
parsers.setTypeParser(INT8_ARRAY, (value: string) =>
  value === '{}'
    ? []
    : value
        .slice(1, -1)
        .split(',')
        .map((item) => (item === 'NULL' ? null : BigInt(item))),
);

/** What a statement runs on: the pool, or one connection inside {@link DatabaseService.transaction}. */
export interface Queryable {
  query<Row extends QueryResultRow>(
    text: string,
    values?: unknown[],
    options?: StatementOptions,
  ): Promise<QueryResult<Row>>;
}

export interface StatementOptions {
  /**
   * For what runs all the time: PostgreSQL parses and plans the statement once per connection and knows it by this name
   * from then on, wherever nobody stands in between who might pass the next call to another connection. A name belongs
   * to one text, at most 63 characters. Plans are then made for any values: name only what is planned well without
   * looking at them.
   */
  name?: string;
  /** The same, under a name that is made of the text: which is one of a few. */
  prepared?: boolean;
}

const namesByText = new Map<string, string>();

/** The name under which PostgreSQL knows a statement; undefined: it is to have none. */
function nameOf(text: string, { name, prepared }: StatementOptions): string | undefined {
  if (name !== undefined || !prepared) return name;
  let made = namesByText.get(text);
  if (made === undefined) namesByText.set(text, (made = createHash('sha256').update(text).digest('base64url')));
  return made;
}

/** What a hot statement or transaction may take before its connection is taken for dead, in milliseconds. */
export const HOT_LIMIT_MS = 15_000;

/**
 * Limits in milliseconds that the server keeps. The hot ones end before {@link HOT_LIMIT_MS}: whoever gave up here must
 * not learn later that the statement was carried out after all. PostgreSQL stops a statement, never a COMMIT under way.
 */
const HOT_LIMITS = {
  statement_timeout: 12_000,
  lock_timeout: 10_000,
  // A process that froze in the middle of a transaction keeps its locks, and with them its endpoints from whoever takes
  // over, until the server ends it.
  idle_in_transaction_session_timeout: 5_000,
};

/** Refreshes of tokens hold a row lock for up to 30 s, and others wait for it. */
const PATIENT_LIMITS = {
  statement_timeout: 45_000,
  lock_timeout: 45_000,
  idle_in_transaction_session_timeout: 40_000,
};

/**
 * What a session is asked for as it connects: {@link HOT_LIMITS}. A pooler in transaction mode either refuses them
 * (PgBouncer: "unsupported startup parameter") or drops them (its `ignore_startup_parameters`), because they would stay
 * with a server connection that many share.
 */
export const SESSION_LIMITS = HOT_LIMITS;

/** Connections of a process at most, unless DATABASE_POOL says otherwise. */
const DEFAULT_POOL = 12;

/** A role or a database may have other defaults, and every statement here is written for this one. */
export const ISOLATION = 'read committed';

/** The limits of one transaction, in the one round trip of its BEGIN: these come through any pooler. */
function beginning(limits?: Record<string, number>): string {
  const settings = Object.entries(limits ?? {}).map(([name, milliseconds]) => `SET LOCAL ${name} = ${milliseconds}`);
  return [`BEGIN ISOLATION LEVEL ${ISOLATION}`, ...settings].join('; ');
}

const BEGIN_PATIENT = beginning(PATIENT_LIMITS);
const BEGIN_HOT = beginning(HOT_LIMITS);
const BEGIN_HOT_IN_OWN_SESSION = beginning();

/**
 * SQLSTATEs after which the same transaction may simply be run again: serialisation failure, deadlock, and a row that
 * was found and is referred to, but was erased in between (foreign key): it is not found the next time.
 */
const REPEATABLE = new Set(['40001', '40P01', '23503']);

/** Whether the transaction that failed may simply be run again. */
export function isRepeatable(error: unknown): boolean {
  return REPEATABLE.has((error as { code?: string }).code ?? '');
}

/**
 * SQLSTATEs of a name that is not known, or known for something else: a pooler has passed the call to another connection.
 */
const STRANGE_NAME = new Set(['26000', '42P05']);
/** A migration changed the columns under a statement that had been planned before. */
const OUTDATED_PLAN = 'cached plan must not change result type';

/** One pool for SQL: every statement of the program passes here. Types of rows and lists of columns are Prisma's. */
@Injectable()
export class DatabaseService implements Queryable, OnApplicationShutdown {
  readonly pool: Pool;
  private readonly ownSessions: boolean;
  /** Whether statements with a name are sent under it; ends for good when a pooler is met on the way. */
  private named: boolean;
  private closed: Promise<void> | undefined;

  constructor(
    url: string,
    private readonly options: {
      /** Connections of this process at most. */
      max?: number | undefined;
      applicationName?: string;
      /**
       * true: nobody else uses the server's end of a connection, so it keeps {@link SESSION_LIMITS} and names. false: a
       * pooler may be in between, and every statement brings its limits along, in a transaction of its own.
       */
      ownSessions?: boolean;
      /** Whether statements may be named. Default: as `ownSessions`. */
      named?: boolean;
      /** Runs once the last connection is closed. */
      onClosed?: () => Promise<void> | undefined;
    } = {},
  ) {
    this.ownSessions = options.ownSessions ?? false;
    this.named = options.named ?? this.ownSessions;
    this.pool = new Pool({
      connectionString: url,
      types: parsers,
      max: options.max ?? DEFAULT_POOL,
      connectionTimeoutMillis: 5_000,
      ...(this.ownSessions ? SESSION_LIMITS : {}),
      // A server behind a dead network cannot end a statement: then this end gives the connection up.
      query_timeout: PATIENT_LIMITS.statement_timeout + 5_000,
      keepAlive: true,
      application_name: options.applicationName ?? 'telegram-openlines',
    });
    // A connection that breaks while idle is replaced by the pool, one that breaks between two statements of a
    // transaction fails the next statement; without a listener either would end the process.
    this.pool.on('error', () => undefined);
    this.pool.on('connect', (connection) => connection.on('error', () => undefined));
  }

  /** One statement, committed at once. PostgreSQL ends it before this end gives up, after {@link HOT_LIMIT_MS}. */
  async query<Row extends QueryResultRow>(
    text: string,
    values: unknown[] = [],
    options: StatementOptions = {},
  ): Promise<QueryResult<Row>> {
    if (!this.ownSessions)
      return this.transaction((connection) => connection.query<Row>(text, values, options), { limitMs: HOT_LIMIT_MS });
    const statement = { text, values, query_timeout: HOT_LIMIT_MS };
    const name = nameOf(text, options);
    if (name === undefined || !this.named) return this.pool.query<Row>(statement as QueryConfig);
    const connection = await this.pool.connect();
    let failed = false;
    try {
      return await connection.query<Row>({ ...statement, name } as QueryConfig);
    } catch (error) {
      failed = true;
      if (!this.isMisnamed(error)) throw error;
    } finally {
      // Whatever failed, the connection goes: it may be dead in silence, or would say the same of the next name.
      connection.release(failed);
    }
    // It was refused before anything of it was done.
    return this.pool.query<Row>(statement as QueryConfig);
  }

  /**
   * Runs `work` in one transaction and returns its result after the commit. A deadlock, a serialisation failure or
   * a reference to what was just erased is run again, up to three times; everything else rolls back and is thrown. After
   * `limitMs` milliseconds the connection is closed and "Connection terminated" thrown: somebody waits who must hear that
   * it takes too long; each statement is then ended by PostgreSQL before {@link HOT_LIMIT_MS}. `prepared`: all of its
   * statements are, as {@link StatementOptions} says.
   */
  async transaction<Result>(
    work: (connection: Queryable) => Promise<Result>,
    { limitMs, prepared = false }: { limitMs?: number; prepared?: boolean } = {},
  ): Promise<Result> {
    const begin = limitMs === undefined ? BEGIN_PATIENT : this.ownSessions ? BEGIN_HOT_IN_OWN_SESSION : BEGIN_HOT;
    let named = true;
    for (let run = 1; ; run++) {
      const connection = (await this.pool.connect()) as PoolClient & Pick<Client, 'end'>;
      const limit = limitMs === undefined ? undefined : setTimeout(() => void connection.end(), limitMs);
      let broken: Error | boolean = false;
      try {
        await connection.query(begin);
        const result = await work({
          query: (text, values, options) => {
            const name = named && this.named ? nameOf(text, { prepared, ...options }) : undefined;
            return connection.query({ text, values: values ?? [], name });
          },
        });
        await connection.query('COMMIT');
        return result;
      } catch (error) {
        await connection.query('ROLLBACK').catch((failure: Error) => {
          broken = failure;
        });
        const misnamed = this.isMisnamed(error);
        if (misnamed) broken = true;
        named &&= !misnamed;
        if (run < 3 && (misnamed || isRepeatable(error))) continue;
        throw error;
      } finally {
        clearTimeout(limit);
        connection.release(broken);
      }
    }
  }

  /** The last phase of Nest's shutdown: everything that works on the database has come to rest. Repeatable. */
  async onApplicationShutdown(): Promise<void> {
    this.closed ??= this.close();
    await this.closed;
  }

  private async close(): Promise<void> {
    await this.pool.end();
    await this.options.onClosed?.();
  }

  /** Whether a statement was refused for its name and not for what it says. */
  private isMisnamed(error: unknown): boolean {
    const { code, message } = error as { code?: string; message?: string };
    if (message === OUTDATED_PLAN) return true;
    if (!STRANGE_NAME.has(code ?? '')) return false;
    if (this.named)
      new Logger('Database').warn(
        'A connection pooler passes statements on to other connections: they are no longer named. Set DATABASE_PREPARED=0.',
      );
    this.named = false;
    return true;
  }
}
