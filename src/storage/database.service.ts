import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
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

/** Longest statement, in milliseconds: refreshes hold a row lock for up to 30 s. */
const STATEMENT_LIMIT_MS = 45_000;

/**
 * Limits in milliseconds that the server is asked for as it connects. A pooler in transaction mode either refuses
 * them (PgBouncer: "unsupported startup parameter") or drops them (its `ignore_startup_parameters`), because they
 * would stay with a server connection that many share.
 */
export const CONNECTION_LIMITS = {
  statement_timeout: STATEMENT_LIMIT_MS,
  idle_in_transaction_session_timeout: 40_000,
};

/**
 * A process that froze in the middle of a hot transaction keeps its locks, and with them its endpoints from whoever
 * takes over, until the server ends it; milliseconds.
 */
const HOT_IDLE_MS = 5_000;

/** The same limits for one transaction, in the one round trip of its BEGIN: these come through any pooler. */
const BEGIN = beginning(CONNECTION_LIMITS);
const BEGIN_HOT = beginning({ ...CONNECTION_LIMITS, idle_in_transaction_session_timeout: HOT_IDLE_MS });

function beginning(limits: Record<string, number>): string {
  return ['BEGIN', ...Object.entries(limits).map(([name, milliseconds]) => `SET LOCAL ${name} = ${milliseconds}`)].join(
    '; ',
  );
}

/** What a hot statement or transaction may take before its connection is taken for dead, in milliseconds. */
export const HOT_LIMIT_MS = 15_000;

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
      /** Asks the server for {@link CONNECTION_LIMITS}. Without, statements outside a transaction end at this end only. */
      connectionLimits?: boolean;
      /** Runs once the last connection is closed. */
      onClosed?: () => Promise<void> | undefined;
    } = {},
  ) {
    this.pool = new Pool({
      connectionString: url,
      types: parsers,
      max: options.max ?? 12,
      connectionTimeoutMillis: 5_000,
      ...(options.connectionLimits ? CONNECTION_LIMITS : {}),
      // A server behind a dead network cannot end a statement: then this end gives the connection up.
      query_timeout: STATEMENT_LIMIT_MS + 5_000,
      keepAlive: true,
      application_name: options.applicationName ?? 'telegram-openlines',
    });
    // A connection that breaks while idle is replaced by the pool, one that breaks between two statements of a
    // transaction fails the next statement; without a listener either would end the process.
    this.pool.on('error', () => undefined);
    this.pool.on('connect', (connection) => connection.on('error', () => undefined));
    this.prisma = new PrismaClient({ adapter: new PrismaPg(this.pool) });
  }

  query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<QueryResult<Row>> {
    return this.pool.query<Row>({ text, values, query_timeout: HOT_LIMIT_MS } as QueryConfig);
  }

  /**
   * Runs `work` in one transaction and returns its result after the commit. A deadlock, a serialisation failure or
   * a reference to what was just erased is run again, up to three times; everything else rolls back and is thrown. After `limitMs` milliseconds the
   * connection is closed and "Connection terminated" thrown: somebody waits who must hear that it takes too long.
   */
  async transaction<Result>(
    work: (connection: Queryable) => Promise<Result>,
    { limitMs }: { limitMs?: number } = {},
  ): Promise<Result> {
    for (let run = 1; ; run++) {
      const connection = (await this.pool.connect()) as PoolClient & Pick<Client, 'end'>;
      const limit = limitMs === undefined ? undefined : setTimeout(() => void connection.end(), limitMs);
      let broken: Error | undefined;
      try {
        await connection.query(limitMs === undefined ? BEGIN : BEGIN_HOT);
        const result = await work(connection);
        await connection.query('COMMIT');
        return result;
      } catch (error) {
        await connection.query('ROLLBACK').catch((failure: Error) => {
          broken = failure;
        });
        if (run < 3 && isRepeatable(error)) continue;
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
    await this.prisma.$disconnect();
    await this.pool.end();
    await this.options.onClosed?.();
  }
}
