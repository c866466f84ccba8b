import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';
import { pendingMigrations } from './migration-runner.js';

/** How long "nothing is missing" is believed: it changes only when somebody restores another database. */
const BELIEVED_MS = 60_000;

/** Whether the tables are those this version was written for. */
@Injectable()
export class SchemaService {
  private currentUntil = 0;

  constructor(private readonly db: DatabaseService) {}

  /** Names of the migrations that are not applied; throws when PostgreSQL is away or a migration failed. */
  async pendingMigrations(): Promise<string[]> {
    if (performance.now() < this.currentUntil) return [];
    const pending = await pendingMigrations(this.db.pool.options.connectionString ?? '');
    if (pending.length === 0) this.currentUntil = performance.now() + BELIEVED_MS;
    return pending;
  }
}
