import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { keyFromFile } from '../secrets/key-file.js';
import { canEnter, postgresBinaries, type Account, type PostgresBinaries } from './postgres-binaries.js';

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

/** Names what cannot be used and what to do about it. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/** Longer than crash recovery of a small database takes; also what `pg_ctl start` waits by default. */
const START_TIMEOUT_S = 60;
const HANDOVER_MS = 15_000;
/** Memory of a machine of which PostgreSQL may keep more than its default. */
const SPACIOUS_BYTES = 2 * 2 ** 30;
/** Where root keeps what another account must reach when DATA_DIR lies below a closed folder such as /root. */
const SHARED_STATE = '/var/lib/telegram-openlines';

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
  const dataDir = path.resolve(options.dataDir);
  try {
    await mkdir(dataDir, { recursive: true });
    const place = await prepareHome(dataDir, options.logger);
    const password = await keyFromFile(path.join(dataDir, 'postgres.password'), () =>
      randomBytes(24).toString('base64url'),
    );
    const binaries = await postgresBinaries(place.account, place.home);
    const server = new Server({ ...place, binaries, dataDir, password: password.value }, options);
    await server.own();
    return server;
  } catch (error) {
    throw unusable(error, dataDir);
  }
}

interface Place {
  /** Folder of the cluster, its log and its port; enterable by `account`. */
  home: string;
  /** Who runs PostgreSQL; undefined: this process's own account. */
  account: Account | undefined;
}

interface Installation extends Place {
  binaries: PostgresBinaries;
  dataDir: string;
  password: string;
}

interface Postmaster {
  pid: number;
  port: number;
}

class Server implements EmbeddedPostgres {
  private readonly cluster: string;
  private readonly logFile: string;
  private port = 0;
  private pid = 0;
  private owner: Client | undefined;
  private reviving: Promise<void> | undefined;
  private stopping = false;

  constructor(
    private readonly at: Installation,
    private readonly options: EmbeddedPostgresOptions,
  ) {
    this.cluster = path.join(at.home, 'cluster');
    this.logFile = path.join(at.home, 'server.log');
  }

  get url(): string {
    return `postgresql://postgres:${this.at.password}@127.0.0.1:${this.port}/postgres`;
  }

  /** Starts what is not running, takes over what is, and returns once this program owns the server (or stops it). */
  async own(): Promise<void> {
    const begun = Date.now();
    let announced = false;
    while (!this.stopping) {
      const running = await this.postmaster();
      const state = running ? await this.claim(running) : await this.launch();
      if (state === 'owned') return;
      const patience = state === 'taken' ? (this.options.handoverMs ?? HANDOVER_MS) : START_TIMEOUT_S * 1000;
      if (Date.now() - begun > patience) throw this.giveUp(state);
      if (state === 'taken' && !announced) {
        this.options.logger.warn(`Another program still uses the database in ${this.at.dataDir}; waiting for it.`);
        announced = true;
      }
      await sleep(200);
    }
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.reviving;
    process.off('exit', this.atExit);
    // Owned until it is down: whoever waits for it must not take over a server that is about to end.
    // fast: ends open connections; immediate: as after a crash, for a server that does not come to rest.
    for (const mode of ['fast', 'immediate']) {
      if (!(await this.postmaster()) || (await this.pgCtl('stop', '-w', '-t', '30', '-m', mode)) === 0) break;
    }
    await this.owner?.end().catch(() => undefined);
    if (!(await this.postmaster())) return;
    throw new EmbeddedPostgresError(`PostgreSQL (process ${this.pid}) did not stop; see ${this.logFile}.`);
  }

  /**
   * The server that runs on this cluster. A lock file left behind by a kill or a power cut is removed, because its
   * number may by now belong to somebody else's process, over which PostgreSQL would refuse to start.
   */
  private async postmaster(): Promise<Postmaster | undefined> {
    const file = path.join(this.cluster, 'postmaster.pid');
    const lines = (await readFile(file, 'utf8').catch(ignoreMissing))?.split('\n');
    if (!lines) return undefined;
    // https://www.postgresql.org/docs/18/storage-file-layout.html: line 1 is the process, line 4 the port.
    const running = { pid: Number(lines[0]), port: Number(lines[3]) };
    if (await this.isRunning(running.pid)) return running;
    if ((await readFile(file, 'utf8').catch(ignoreMissing)) === lines.join('\n')) await rm(file, { force: true });
    return undefined;
  }

  private async isRunning(pid: number): Promise<boolean> {
    if (!isAlive(pid)) return false;
    if (process.platform !== 'linux') return (await this.pgCtl('status')) === 0;
    // The postmaster works in its data directory; a process that was given its number later does not.
    return (await readlink(`/proc/${pid}/cwd`).catch(() => undefined)) === this.cluster;
  }

  /**
   * Makes this program the owner by a lock that lasts as long as its connection: it ends with the program, however
   * that ends. (A session lock is sound here: nothing stands between us and our own server.)
   */
  private async claim(running: Postmaster): Promise<'owned' | 'taken' | 'starting'> {
    const client = new Client({
      host: '127.0.0.1',
      port: running.port,
      user: 'postgres',
      password: this.at.password,
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
        `The password in ${path.join(this.at.dataDir, 'postgres.password')} is not the one the database was made with. Put the old file back.`,
      );
    }
    await client.end();
    return 'taken';
  }

  private adopt(running: Postmaster, client: Client): void {
    this.pid = running.pid;
    this.port = running.port;
    this.owner = client;
    process.off('exit', this.atExit);
    process.once('exit', this.atExit);
    client.once('end', () => (this.reviving = this.revive()));
  }

  /** The connection ends only with the server: brings that back at the address everybody already has. */
  private async revive(): Promise<void> {
    for (let pause = 200; !this.stopping; pause = Math.min(pause * 2, 10_000)) {
      this.options.logger.warn('The embedded PostgreSQL went away; starting it again.');
      const back = await this.own().then(
        () => true,
        (error: Error) => {
          this.options.logger.error(error.message);
          return false;
        },
      );
      if (back) return;
      await sleep(pause);
    }
  }

  /** The last chance of a process that ends without shutting down in order: asks for a fast shutdown, waits for nothing. */
  private readonly atExit = (): void => {
    if (process.platform !== 'win32' && isAlive(this.pid)) process.kill(this.pid, 'SIGINT');
  };

  private async launch(): Promise<'starting'> {
    if (!(await isFile(path.join(this.cluster, 'PG_VERSION')))) await this.initialise();
    const port = this.port || (await this.choosePort());
    const seen = await this.logSize();
    const code = await this.pgCtl(
      'start',
      '-l',
      this.logFile,
      '-w',
      '-t',
      String(START_TIMEOUT_S),
      '-o',
      this.flags(port),
    );
    if (code === 0 || (await this.postmaster())) return 'starting';
    const said = await this.logSince(seen);
    if (/could not bind|Address already in use/i.test(said)) {
      if (!this.port) await rm(path.join(this.at.home, 'port'), { force: true });
      return 'starting';
    }
    // Somebody else who started at the same moment and is already gone again.
    if (/lock file ".*" already exists|is another postmaster/i.test(said)) return 'starting';
    await this.refuseOtherVersion();
    throw new EmbeddedPostgresError(
      `PostgreSQL in ${this.at.home} did not start:\n${said.trim() || `exit code ${code}`}`,
    );
  }

  /** A major version of PostgreSQL reads only what it made itself. https://www.postgresql.org/docs/current/upgrading.html */
  private async refuseOtherVersion(): Promise<void> {
    const theirs = (await readFile(path.join(this.cluster, 'PG_VERSION'), 'utf8')).trim();
    const ours = /(\d+)/.exec((await this.run(this.at.binaries.initdb, ['--version'])).output)?.[1];
    if (!/^\d+$/.test(theirs) || theirs === ours) return;
    const { dataDir, home, binaries } = this.at;
    const password = `PGPASSWORD=$(cat ${path.join(dataDir, 'postgres.password')})`;
    const port = `--host=127.0.0.1 --port=$(cat ${path.join(home, 'port')}) --username=postgres`;
    throw new EmbeddedPostgresError(
      `The database in ${home} was made by PostgreSQL ${theirs}; this version of the program brings PostgreSQL ${ours}, which cannot read it. It is whole, and nothing was changed. To take it along:
1. Start the version of the program that you had before, and while it runs: ${password} pg_dump --format=custom --file=bridge.dump ${port} postgres (pg_dump of version ${theirs} or newer).
2. Stop it, and move its database aside: mv ${this.cluster} ${this.cluster}.${theirs}
3. Restore into an empty PostgreSQL of your own and set DATABASE_URL (docs/backup.md). Or into this one: start this version without TG_BOT_TOKEN, stop it again, start its PostgreSQL alone (${binaries.pgCtl} start -w -D ${this.cluster} -o "-p $(cat ${path.join(home, 'port')}) -c unix_socket_directories="), run: ${password} pg_restore --clean --if-exists --no-owner --exit-on-error --dbname=postgres ${port} bridge.dump (pg_restore of version ${ours} or newer), and stop PostgreSQL (${binaries.pgCtl} stop -D ${this.cluster}).
4. Start this version.`,
    );
  }

  private flags(port: number): string {
    const settings: Record<string, string | number> = {
      listen_addresses: '127.0.0.1',
      port,
      unix_socket_directories: '',
      timezone: 'UTC',
      log_timezone: 'UTC',
      // Starts, stops and crashes. Failed statements reach whoever made them and may quote what clients wrote.
      log_min_messages: 'log',
      log_checkpoints: 'off',
      // A search that reads a tenth of a long history finds it there; taken as it is used.
      shared_buffers: totalmem() >= SPACIOUS_BYTES ? '256MB' : '128MB',
    };
    if (this.options.fast)
      Object.assign(settings, { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' });
    return Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' ');
  }

  /** Made under another name and then renamed: an interrupted initdb leaves nothing that looks like a cluster. */
  private async initialise(): Promise<void> {
    this.options.logger.log(`Making a PostgreSQL database in ${this.at.home}.`);
    const draft = await mkdtemp(`${this.cluster}.new-`);
    const passwordFile = `${draft}.password`;
    await writeFile(passwordFile, this.at.password, { mode: 0o600 });
    if (this.at.account) {
      for (const made of [draft, passwordFile]) await chown(made, this.at.account.uid, this.at.account.gid);
    }
    try {
      const initdb = await this.run(this.at.binaries.initdb, [
        `--pgdata=${draft}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        // Sorts by code point like C, but knows upper and lower case of every script: ILIKE finds Cyrillic.
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        ...(this.options.fast ? ['--no-sync'] : []),
      ]);
      if (initdb.code !== 0)
        throw new EmbeddedPostgresError(`The database in ${this.at.home} could not be made:\n${initdb.output.trim()}`);
      await rename(draft, this.cluster).catch(async (error: Error) => {
        if (!(await isFile(path.join(this.cluster, 'PG_VERSION')))) throw error;
      });
    } finally {
      for (const made of [draft, passwordFile]) await rm(made, { recursive: true, force: true });
    }
  }

  private async choosePort(): Promise<number> {
    const file = path.join(this.at.home, 'port');
    const kept = Number(await readFile(file, 'utf8').catch(ignoreMissing));
    if (kept && (await freePort(kept))) return kept;
    const port = await freePort(0);
    if (!port) throw new EmbeddedPostgresError('There is no free port on 127.0.0.1 for PostgreSQL.');
    if (kept) this.options.logger.warn(`Port ${kept} is taken by another program; PostgreSQL moves to ${port}.`);
    await writeFile(file, `${port}\n`);
    return port;
  }

  private async pgCtl(action: string, ...flags: string[]): Promise<number | null> {
    return (await this.run(this.at.binaries.pgCtl, [action, '-D', this.cluster, ...flags], true)).code;
  }

  /** Runs one of PostgreSQL's programs; what it prints is returned, or added to the server's log. */
  private async run(command: string, args: string[], toLog = false): Promise<{ code: number | null; output: string }> {
    const log = toLog ? openSync(this.logFile, 'a', 0o600) : undefined;
    if (log !== undefined && this.at.account) await chown(this.logFile, this.at.account.uid, this.at.account.gid);
    const child = spawn(command, args, {
      ...this.at.account,
      cwd: this.at.home,
      env: {
        PATH: process.env.PATH,
        SystemRoot: process.env.SystemRoot,
        TEMP: process.env.TEMP,
        LC_ALL: 'C',
        TZ: 'UTC',
      },
      stdio: ['ignore', log ?? 'pipe', log ?? 'pipe'],
      // A group of its own: Ctrl+C during a start or a stop must not leave it half done.
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    try {
      return await new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once(toLog ? 'exit' : 'close', (code) => resolve({ code, output }));
      });
    } finally {
      if (log !== undefined) closeSync(log);
    }
  }

  private async logSize(): Promise<number> {
    return (await stat(this.logFile).catch(ignoreMissing))?.size ?? 0;
  }

  private async logSince(position: number): Promise<string> {
    const log = await open(this.logFile, 'r');
    try {
      const { buffer, bytesRead } = await log.read({ buffer: Buffer.alloc(8_192), position });
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await log.close();
    }
  }

  private giveUp(state: 'taken' | 'starting'): EmbeddedPostgresError {
    return new EmbeddedPostgresError(
      state === 'taken'
        ? `Another program is using the database in ${this.at.dataDir}. Stop it, or give this one its own DATA_DIR, or let both use one DATABASE_URL.`
        : `PostgreSQL in ${this.at.home} did not become ready within ${START_TIMEOUT_S} s; see ${this.logFile}.`,
    );
  }
}

async function prepareHome(dataDir: string, logger: StartLogger): Promise<Place> {
  const link = path.join(dataDir, 'postgres');
  const root = process.getuid?.() === 0;
  const known = await stat(link).catch(ignoreMissing);
  const account = root ? await serverAccount(known) : undefined;
  if (!known) await makeHome(link, account, logger);
  const home = await realpath(link);
  if (account) {
    await chown(home, account.uid, account.gid);
    if (!(await canEnter(home, account)))
      throw new EmbeddedPostgresError(
        `PostgreSQL does not run as root, and the account it runs as (uid ${account.uid}) may not enter ${home}. Open the folders above it (chmod o+x), start as a normal user, or use another DATA_DIR or DATABASE_URL.`,
      );
  }
  return { home, account };
}

async function makeHome(link: string, account: Account | undefined, logger: StartLogger): Promise<void> {
  const dataDir = path.dirname(link);
  if (account) await letThrough(dataDir);
  if (!account || (await canEnter(dataDir, account))) {
    await mkdir(link, { mode: 0o700, recursive: true });
    return;
  }
  await mkdir(SHARED_STATE, { mode: 0o755, recursive: true });
  const place = await mkdtemp(path.join(SHARED_STATE, 'data-'));
  await symlink(place, link);
  logger.warn(
    `PostgreSQL does not run as root, and its own account cannot enter ${dataDir}: the database is kept in ${place}, and ${link} points to it.`,
  );
}

/** DATA_DIR is this program's own: others may pass through it, not look into it. Folders above it are left alone. */
async function letThrough(dataDir: string): Promise<void> {
  const { mode } = await stat(dataDir);
  if (!(mode & 0o001)) await chmod(dataDir, (mode & 0o7777) | 0o011);
}

/** Who runs PostgreSQL when we are root: whoever owns the database, otherwise the account `postgres`. */
async function serverAccount(home: { uid: number; gid: number } | undefined): Promise<Account> {
  if (home && home.uid !== 0) return { uid: home.uid, gid: home.gid };
  const known = await lookUp('postgres');
  if (known) return known;
  const shell = '/usr/sbin/nologin';
  await promisify(execFile)('useradd', ['--system', '--user-group', '--no-create-home', '--shell', shell, 'postgres'])
    // BusyBox
    .catch(() => promisify(execFile)('adduser', ['-S', '-D', '-H', '-s', shell, 'postgres']))
    .catch(() => undefined);
  const made = await lookUp('postgres');
  if (made) return made;
  throw new EmbeddedPostgresError(
    'PostgreSQL does not run as root, and an account named postgres could not be made for it. Start as a normal user, or set DATABASE_URL.',
  );
}

async function lookUp(name: string): Promise<Account | undefined> {
  const ask = async (flag: string) => Number((await promisify(execFile)('id', [flag, name])).stdout);
  try {
    return { uid: await ask('-u'), gid: await ask('-g') };
  } catch {
    return undefined;
  }
}

/** The port itself when it can be listened on (0: any free one), otherwise undefined. */
function freePort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(ignoreMissing))?.isFile() ?? false;
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

const REASONS: Record<string, string> = {
  EACCES: 'this account may not read or write there',
  EPERM: 'this account may not change it',
  EROFS: 'it is on a read-only file system',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a file of that name is in the way',
  ENOENT: 'it points to a place that is gone',
  ENOSPC: 'the disk is full',
};

function unusable(error: unknown, dataDir: string): unknown {
  const { code, path: where } = error as NodeJS.ErrnoException;
  const reason = code && REASONS[code];
  if (!reason || error instanceof EmbeddedPostgresError) return error;
  return new EmbeddedPostgresError(
    `DATA_DIR ${dataDir} cannot be used: ${where ?? dataDir}: ${reason} (${code}). Give it another folder, or set DATABASE_URL.`,
    { cause: error },
  );
}
