import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { runBackgroundMigrations } from './background-migrations.js';
import { DatabaseService } from './database.service.js';

/** After a failure, and while another replica is at it, which may end before it is done. */
const AGAIN_MS = 60_000;

/** Brings long tables up to date once the program serves. */
@Injectable()
export class BackgroundMigrationsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Database');
  private readonly stop = new AbortController();
  private work: Promise<void> | undefined;

  constructor(private readonly db: DatabaseService) {}

  onApplicationBootstrap(): void {
    this.work = this.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stop.abort();
    await this.work;
  }

  private async run(): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      try {
        const done = await runBackgroundMigrations(this.db.pool.options.connectionString ?? '', {
          signal,
          onBegin: (name) => this.logger.log(`Background migration ${name}: begun; messages flow meanwhile.`),
        });
        for (const name of done ?? []) this.logger.log(`Background migration ${name}: done.`);
        if (done) return;
      } catch (error) {
        if (signal.aborted) return;
        this.logger.warn({ err: error }, 'A background migration failed; trying again in a minute');
      }
      await pause(AGAIN_MS, undefined, { ref: false, signal }).catch(() => undefined);
    }
  }
}
