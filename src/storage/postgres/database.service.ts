import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Pool, type Client, type PoolClient, type QueryConfig, type QueryResult, type QueryResultRow } from 'pg';
import { BIGINT_ROWS } from './bigint-rows.js';
import {
  BEGIN_HOT,
  BEGIN_HOT_IN_OWN_SESSION,
  BEGIN_PATIENT,
  HOT_LIMIT_MS,
  PATIENT_LIMITS,
  SESSION_LIMITS,
} from './session-limits.js';
import { misnaming, nameOf, type StatementOptions } from './statement-names.js';

/** What a statement runs on: the pool, or one connection inside {@link DatabaseService.transaction}. */
export interface Queryable {
  query<Row extends QueryResultRow>(
    text: string,
    values?: unknown[],
    options?: StatementOptions,
  ): Promise<QueryResult<Row>>;
}

/** Connections of a process at most, unless DATABASE_POOL says otherwise. */
const DEFAULT_POOL = 12;

/**
 * SQLSTATEs after which the same transaction may simply be run again: serialisation failure, deadlock, and a row that
 * was found and is referred to, but was erased in between (foreign key): it is not found the next time.
 */
const REPEATABLE = new Set(['40001', '40P01', '23503']);

/** Whether the transaction that failed may simply be run again. */
export function isRepeatable(error: unknown): boolean {
  return REPEATABLE.has((error as { code?: string }).code ?? '');
}

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
      types: BIGINT_ROWS,
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
    const why = misnaming(error);
    if (why !== 'pooled') return why !== null;
    if (this.named)
      new Logger('Database').warn(
        'A connection pooler passes statements on to other connections: they are no longer named. Set DATABASE_PREPARED=0.',
      );
    this.named = false;
    return true;
  }
}
