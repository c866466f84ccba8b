import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from '../../common/start-error.js';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import type { Environment } from '../../config/environment.js';
import { explain, type ConnectError } from './connect-error.js';
import { refuseMissingRights, refuseUnfitDatabase } from './database-fitness.js';
import { readDatabaseUrl, type DatabaseAddress } from './database-url.js';
import { waitForServer, type DatabaseServer } from './database-wait.js';
import { DatabaseService } from './database.service.js';
import { startEmbeddedPostgres, type EmbeddedPostgres, type StartLogger } from './embedded-postgres.js';
import { applyMigrations } from './migration-runner.js';
import { noticeRestoredBackup } from './restored-backup.js';

/** Before a server that went away during the start is looked for again. */
const AGAIN_MS = 1_000;

/**
 * The database of DATABASE_URL, or an embedded PostgreSQL in DATA_DIR, with all migrations applied. Waits for a server
 * that is not there yet, or takes no writes, until `signal`. Throws `DatabaseStartError` when the server refuses us or
 * cannot be used as it is, `MigrationError` and `EmbeddedPostgresError`. Closing the service stops the embedded server,
 * last.
 */
export async function openDatabase(
  environment: Pick<Environment, 'DATABASE_URL' | 'DATA_DIR'> &
    Partial<Pick<Environment, 'DATABASE_PREPARED' | 'DATABASE_POOL'>>,
  logger: StartLogger,
  signal?: AbortSignal,
): Promise<DatabaseService> {
  let embedded: EmbeddedPostgres | undefined;
  if (!environment.DATABASE_URL) {
    embedded = await startEmbeddedPostgres({ dataDir: environment.DATA_DIR, logger });
    logger.log(`DATABASE_URL is not set: using an embedded PostgreSQL in ${environment.DATA_DIR}.`);
  }
  try {
    const { url, ownSessions } = await makeReady(
      readDatabaseUrl(embedded?.url ?? environment.DATABASE_URL!),
      logger,
      signal,
    );
    return new DatabaseService(url, {
      max: environment.DATABASE_POOL,
      ownSessions,
      named: environment.DATABASE_PREPARED,
      onClosed: () => embedded?.stop(),
    });
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

/** The server once its tables are up to date; one that goes away in between is waited for again. */
async function makeReady(address: DatabaseAddress, logger: StartLogger, signal?: AbortSignal): Promise<DatabaseServer> {
  for (;;) {
    const server = await waitForServer(address, logger, signal);
    try {
      refuseUnfitDatabase(server, address.where, address.schema);
      await refuseMissingRights(server, address.where);
      await migrate(server.url, logger);
      await sayWhatIsRestored(server.url, logger);
      return server;
    } catch (error) {
      if (error instanceof StartError || !isStorageUnavailable(error)) throw error;
      logger.warn(`PostgreSQL at ${address.where} went away during the start: ${explain(error as ConnectError)}`);
      await sleep(AGAIN_MS, undefined, { signal });
    }
  }
}

async function migrate(url: string, logger: StartLogger): Promise<void> {
  const { applied, unknown } = await applyMigrations(url);
  for (const name of applied) logger.log(`Applied migration ${name}.`);
  if (unknown.length > 0)
    logger.warn(
      `The database has migrations this version does not know (${unknown.join(', ')}): a newer version runs or ran on it. Going on; update this one soon.`,
    );
}

async function sayWhatIsRestored(url: string, logger: StartLogger): Promise<void> {
  const doubted = await noticeRestoredBackup(url);
  if (doubted > 0)
    logger.warn(
      `This database is not the one of the last start, as after a backup was restored: ${doubted} messages of clients are looked up in their dialogs before they are sent. What else to know is in docs/backup.md, "After a restore".`,
    );
}
