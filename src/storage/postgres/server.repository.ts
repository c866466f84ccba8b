import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';
import { oldestTransaction, refuseReadOnly, type OpenTransaction } from './server-state.js';

/** The PostgreSQL server itself: whether it answers, its clock, its disk, its transactions. Changes nothing. */
@Injectable()
export class ServerRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Throws when PostgreSQL does not answer; `DatabaseReadOnlyError` when it takes no writes. */
  async ping(): Promise<void> {
    await refuseReadOnly(this.db);
  }

  /** The transaction of the database that has been open for longest; null: none. */
  async oldestTransaction(): Promise<OpenTransaction | null> {
    return oldestTransaction(this.db);
  }

  /** By how much the database's clock is ahead of ours, and what the database takes on its disk. */
  async clockAndSize(): Promise<{ secondsAhead: number; bytes: number }> {
    const { rows: sizes } = await this.db.query<{ bytes: bigint }>(
      `SELECT pg_database_size(current_database())::bigint AS bytes`,
    );
    const asked = Date.now();
    const { rows } = await this.db.query<{ seconds: number }>(
      `SELECT extract(epoch FROM clock_timestamp())::float8 AS seconds`,
    );
    const middle = (asked + Date.now()) / 2_000;
    return { secondsAhead: (rows[0]?.seconds ?? middle) - middle, bytes: Number(sizes[0]?.bytes ?? 0) };
  }
}
