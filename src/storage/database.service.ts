import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import { Pool, TypeOverrides, types, type QueryResult, type QueryResultRow } from 'pg';
import { PrismaClient } from './prisma/client.js';

// BIGINT and its arrays as bigint, so that no id of Telegram or of a long history is ever rounded. For this pool's
// own statements only: Prisma asks for text and converts it itself, and fails on anything else.
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

/** What a hot statement runs on: the pool, or one connection inside {@link DatabaseService.transaction}. */
export interface Queryable {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
}

/** SQLSTATE classes after which the same transaction may simply be run again. */
const REPEATABLE = new Set(['40001', '40P01']);

/**
 * One pool, two ways to use it: the Prisma client for settings and admin work, and set-based SQL for what runs
 * per message (an ORM call costs about ten times the CPU of the statement it makes).
 */
@Injectable()
export class DatabaseService implements Queryable, OnApplicationShutdown {
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  private closed: Promise<void> | undefined;

  constructor(
    url: string,
    private readonly options: {
      /** Connections of this process at most. */
      max?: number;
      applicationName?: string;
      /** Runs once the last connection is closed. */
      onClosed?: () => Promise<void> | undefined;
    } = {},
  ) {
    this.pool = new Pool({
      connectionString: url,
      types: parsers,
      max: options.max ?? 12,
      connectionTimeoutMillis: 5_000,
      // Bounds how long a lost server can hold a request; refreshes hold a row lock for up to 30 s.
      statement_timeout: 45_000,
      idle_in_transaction_session_timeout: 60_000,
      application_name: options.applicationName ?? 'telegram-openlines',
    });
    // A connection that breaks while idle is replaced by the pool; without a listener it would end the process.
    this.pool.on('error', () => undefined);
    this.prisma = new PrismaClient({ adapter: new PrismaPg(this.pool) });
  }

  query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<QueryResult<Row>> {
    return this.pool.query<Row>(text, values);
  }

  /**
   * Runs `work` in one transaction and returns its result after the commit. A deadlock or serialisation failure
   * is run again, up to three times; everything else rolls back and is thrown.
   */
  async transaction<Result>(work: (connection: Queryable) => Promise<Result>): Promise<Result> {
    for (let run = 1; ; run++) {
      const connection = await this.pool.connect();
      let broken: Error | undefined;
      try {
        await connection.query('BEGIN');
        const result = await work(connection);
        await connection.query('COMMIT');
        return result;
      } catch (error) {
        await connection.query('ROLLBACK').catch((failure: Error) => {
          broken = failure;
        });
        if (run < 3 && REPEATABLE.has((error as { code?: string }).code ?? '')) continue;
        throw error;
      } finally {
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
    await this.prisma.$disconnect();
    await this.pool.end();
    await this.options.onClosed?.();
  }
}
