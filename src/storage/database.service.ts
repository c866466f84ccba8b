import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './prisma/client.js';

// BIGINT and its arrays as bigint, so that no id of Telegram or of a long history is ever rounded.
pg.types.setTypeParser(20, BigInt);
const BIGINT_ARRAY = 1016 as never;
pg.types.setTypeParser(BIGINT_ARRAY, (value: string) =>
  value === '{}' ? [] : value.slice(1, -1).split(',').map(BigInt),
);

/** What a hot statement runs on: the pool, or one connection inside {@link DatabaseService.transaction}. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>;
}

/** SQLSTATE classes after which the same transaction may simply be run again. */
const REPEATABLE = new Set(['40001', '40P01']);

/**
 * One pool, two ways to use it: the Prisma client for settings and admin work, and set-based SQL for what runs
 * per message (an ORM call costs about ten times the CPU of the statement it makes).
 */
@Injectable()
export class DatabaseService implements Queryable, OnApplicationShutdown {
  readonly pool: pg.Pool;
  readonly prisma: PrismaClient;

  constructor(url: string, options: { max?: number; applicationName?: string } = {}) {
    this.pool = new pg.Pool({
      connectionString: url,
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

  query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<pg.QueryResult<Row>> {
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

  async onApplicationShutdown(): Promise<void> {
    await this.prisma.$disconnect();
    await this.pool.end().catch(() => undefined);
  }
}
