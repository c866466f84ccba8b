import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { keyFromFile } from '../secrets/key-file.js';
import { asDataDirError, EmbeddedPostgresError } from './embedded-postgres-error.js';
import { postgresBinaries } from './postgres-binaries.js';
import { isAlive, PostgresCluster, START_TIMEOUT_S, type Postmaster } from './postgres-cluster.js';
import { preparePostgresHome } from './postgres-home.js';
import { PostgresPrograms } from './postgres-programs.js';

/** Takes the few lines a start has to tell; Nest's `Logger` fits. */
export interface StartLogger {
  log(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export interface EmbeddedPostgresOptions {
  /** Folder of this program's data; PostgreSQL's part of it is `<dataDir>/postgres`. Made when missing. */
  dataDir: string;
  logger: StartLogger;
  /** For tests: no fsync. A power cut may cost the whole database. */
  fast?: boolean;
  /** How long another program may still be finishing on the same folder, in milliseconds. */
  handoverMs?: number;
}

export interface EmbeddedPostgres {
  /** Connection string of a superuser; stays the same until {@link stop}, restarts of the server included. */
  readonly url: string;
  /** Fast shutdown: ends remaining connections, writes a checkpoint, and returns when the server is gone. */
  stop(): Promise<void>;
}

const HANDOVER_MS = 15_000;
const RETRY_MS = 200;
/** The longest pause between two tries to bring a server back that died. */
const REVIVE_LIMIT_MS = 10_000;

/**
 * Runs PostgreSQL out of `dataDir`: makes the cluster at the first start (UTF-8, scram, listening on 127.0.0.1 only,
 * no Unix socket), starts it on a free port that later starts keep, and restarts it should it die.
 *
 * The server is a process of its own in a session of its own: Ctrl+C in a terminal does not reach it, so it is there
 * until {@link EmbeddedPostgres.stop}, after everything else has finished. When this program is killed instead, the
 * server stays up and the next start takes it over. One program owns a folder at a time; the second waits
 * `handoverMs` and then gets an {@link EmbeddedPostgresError}, as does whoever has an unusable folder.
 *
 * As root, which PostgreSQL refuses to run as, the account `postgres` is used and made when missing.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { logger, fast = false } = options;
  const dataDir = path.resolve(options.dataDir);
  const log = (message: string) => logger.log(message);
  const warn = (message: string) => logger.warn(message);
  try {
    await mkdir(dataDir, { recursive: true });
    const home = await preparePostgresHome(dataDir, warn);
    const { value: password } = await keyFromFile(path.join(dataDir, 'postgres.password'), () =>
      randomBytes(24).toString('base64url'),
    );
    const programs = new PostgresPrograms(home, await postgresBinaries(home.account, home.folder));
    const cluster = new PostgresCluster(programs, { home, dataDir, password, fast, log, warn });
    const server = new OwnedServer(cluster, { ...options, dataDir, password, logFile: programs.logFile });
    await server.own();
    return server;
  } catch (error) {
    throw asDataDirError(error, dataDir);
  }
}

/** Who has the server that was found running, or whether it is not ready to say so. */
type Claim = 'owned' | 'taken' | 'starting';

/** The one program that starts, watches and stops the server of a folder. */
class OwnedServer implements EmbeddedPostgres {
  private postmaster: Postmaster | undefined;
  private owner: Client | undefined;
  private reviving: Promise<void> | undefined;
  private stopping = false;

  constructor(
    private readonly cluster: PostgresCluster,
    private readonly options: EmbeddedPostgresOptions & { password: string; logFile: string },
  ) {}

  get url(): string {
    return `postgresql://postgres:${this.options.password}@127.0.0.1:${this.postmaster!.port}/postgres`;
  }

  /** Starts what is not running, takes over what is, and returns once this program owns the server (or stops it). */
  async own(): Promise<void> {
    const { dataDir, handoverMs = HANDOVER_MS, logger } = this.options;
    const begun = Date.now();
    let announced = false;
    while (!this.stopping) {
      const running = await this.cluster.running();
      if (!running) await this.cluster.start(this.postmaster?.port);
      const claim = running ? await this.claim(running) : 'starting';
      if (claim === 'owned') return;
      const timeoutMs = claim === 'taken' ? handoverMs : START_TIMEOUT_S * 1000;
      if (Date.now() - begun > timeoutMs) throw this.timedOut(claim);
      if (claim === 'taken' && !announced) {
        logger.warn(`Another program still uses the database in ${dataDir}; waiting for it.`);
        announced = true;
      }
      await sleep(RETRY_MS);
    }
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.reviving;
    process.off('exit', this.atExit);
    // Owned until it is down: whoever waits for it must not take over a server that is about to end.
    const stopped = await this.cluster.stop();
    await this.owner?.end().catch(() => undefined);
    if (!stopped)
      throw new EmbeddedPostgresError(
        `PostgreSQL (process ${this.postmaster?.pid}) did not stop; see ${this.options.logFile}.`,
      );
  }

  /**
   * Makes this program the owner by a lock that lasts as long as its connection: it ends with the program, however
   * that ends. (A session lock is sound here: nothing stands between us and our own server.)
   */
  private async claim(running: Postmaster): Promise<Claim> {
    const client = new Client({
      host: '127.0.0.1',
      port: running.port,
      user: 'postgres',
      password: this.options.password,
      database: 'postgres',
      application_name: 'telegram-openlines owner',
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ free: boolean }>(
        `SELECT pg_try_advisory_lock(hashtext('telegram-openlines owner')) AS free`,
      );
      if (rows[0]?.free) {
        this.adopt(running, client);
        return 'owned';
      }
    } catch (error) {
      await client.end().catch(() => undefined);
      if ((error as { code?: string }).code !== '28P01') return 'starting';
      throw new EmbeddedPostgresError(
        `The password in ${path.join(this.options.dataDir, 'postgres.password')} is not the one the database was made with. Put the old file back.`,
      );
    }
    await client.end();
    return 'taken';
  }

  private adopt(running: Postmaster, client: Client): void {
    this.postmaster = running;
    this.owner = client;
    process.off('exit', this.atExit);
    process.once('exit', this.atExit);
    client.once('end', () => (this.reviving = this.revive()));
  }

  /** The connection ends only with the server: brings that back at the address everybody already has. */
  private async revive(): Promise<void> {
    const { logger } = this.options;
    for (let pauseMs = RETRY_MS; !this.stopping; pauseMs = Math.min(pauseMs * 2, REVIVE_LIMIT_MS)) {
      logger.warn('The embedded PostgreSQL went away; starting it again.');
      const back = await this.own().then(
        () => true,
        (error: Error) => {
          logger.error(error.message);
          return false;
        },
      );
      if (back) return;
      await sleep(pauseMs);
    }
  }

  /** The last chance of a process that ends without shutting down in order: asks for a fast shutdown, waits for nothing. */
  private readonly atExit = (): void => {
    const pid = this.postmaster?.pid;
    if (pid !== undefined && process.platform !== 'win32' && isAlive(pid)) process.kill(pid, 'SIGINT');
  };

  private timedOut(claim: Exclude<Claim, 'owned'>): EmbeddedPostgresError {
    const { dataDir, logFile } = this.options;
    return new EmbeddedPostgresError(
      claim === 'taken'
        ? `Another program is using the database in ${dataDir}. Stop it, or give this one its own DATA_DIR, or let both use one DATABASE_URL.`
        : `PostgreSQL in ${this.cluster.folder} did not become ready within ${START_TIMEOUT_S} s; see ${logFile}.`,
    );
  }
}
