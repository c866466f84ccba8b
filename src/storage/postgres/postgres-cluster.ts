import { chown, mkdtemp, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import path from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { otherMajorVersion } from './other-major-version.js';
import { ignoreMissing, type PostgresHome } from './postgres-home.js';
import type { PostgresPrograms } from './postgres-programs.js';

/** Longer than crash recovery of a small database takes; also what `pg_ctl start` waits by default. Seconds. */
export const START_TIMEOUT_S = 60;
const STOP_TIMEOUT_S = 30;
/** Memory of a machine of which PostgreSQL may keep more than its default. */
const SPACIOUS_BYTES = 2 * 2 ** 30;

/** A server that runs. */
export interface Postmaster {
  pid: number;
  port: number;
}

export interface ClusterOptions {
  home: PostgresHome;
  /** The folder that people know, for what they are told. */
  dataDir: string;
  password: string;
  /** For tests: no fsync. */
  fast: boolean;
  log(message: string): void;
  warn(message: string): void;
}

/** The files of one database server, and the server that runs on them. */
export class PostgresCluster {
  readonly folder: string;
  private readonly portFile: string;

  constructor(
    private readonly programs: PostgresPrograms,
    private readonly options: ClusterOptions,
  ) {
    this.folder = path.join(options.home.folder, 'cluster');
    this.portFile = path.join(options.home.folder, 'port');
  }

  /**
   * The server that runs on these files. A lock file left behind by a kill or a power cut is removed, because its
   * number may by now belong to somebody else's process, over which PostgreSQL would refuse to start.
   */
  async running(): Promise<Postmaster | undefined> {
    const file = path.join(this.folder, 'postmaster.pid');
    const lines = (await readFile(file, 'utf8').catch(ignoreMissing))?.split('\n');
    if (!lines) return undefined;
    // https://www.postgresql.org/docs/18/storage-file-layout.html: line 1 is the process, line 4 the port.
    const postmaster = { pid: Number(lines[0]), port: Number(lines[3]) };
    if (await this.isPostmaster(postmaster.pid)) return postmaster;
    if ((await readFile(file, 'utf8').catch(ignoreMissing)) === lines.join('\n')) await rm(file, { force: true });
    return undefined;
  }

  /**
   * Starts the server on `port`, or on the one that it had, or on a free one; makes its files first when there are none.
   * Returns also when another start came in between: then {@link running} tells.
   */
  async start(port?: number): Promise<void> {
    if (!(await this.isMade())) await this.make();
    const chosen = port ?? (await this.choosePort());
    const logged = await this.programs.logSize();
    const flags = ['-l', this.programs.logFile, '-w', '-t', String(START_TIMEOUT_S), '-o', this.flags(chosen)];
    const { ok, code } = await this.pgCtl('start', flags);
    if (ok || (await this.running())) return;
    const said = await this.programs.logSince(logged);
    if (/could not bind|Address already in use/i.test(said)) {
      if (port === undefined) await rm(this.portFile, { force: true });
      return;
    }
    // Somebody else who started at the same moment and is already gone again.
    if (/lock file ".*" already exists|is another postmaster/i.test(said)) return;
    await this.refuseOtherVersion();
    throw new EmbeddedPostgresError(
      `PostgreSQL in ${this.options.home.folder} did not start:\n${said.trim() || `exit code ${code}`}`,
    );
  }

  /** Ends open connections, or, should the server not come to rest, everything as a crash would. False: it still runs. */
  async stop(): Promise<boolean> {
    for (const mode of ['fast', 'immediate']) {
      if (!(await this.running())) return true;
      if ((await this.pgCtl('stop', ['-w', '-t', String(STOP_TIMEOUT_S), '-m', mode])).ok) break;
    }
    return !(await this.running());
  }

  private pgCtl(action: 'start' | 'stop' | 'status', flags: string[] = []) {
    return this.programs.pgCtl([action, '-D', this.folder, ...flags]);
  }

  private async isMade(): Promise<boolean> {
    return (await stat(path.join(this.folder, 'PG_VERSION')).catch(ignoreMissing))?.isFile() ?? false;
  }

  private async isPostmaster(pid: number): Promise<boolean> {
    if (!isAlive(pid)) return false;
    if (process.platform !== 'linux') return (await this.pgCtl('status')).ok;
    // The postmaster works in its data directory; a process that was given its number later does not.
    return (await readlink(`/proc/${pid}/cwd`).catch(() => undefined)) === this.folder;
  }

  /** Made under another name and then renamed: an interrupted initdb leaves nothing that looks like a cluster. */
  private async make(): Promise<void> {
    const { home, password, fast } = this.options;
    this.options.log(`Making a PostgreSQL database in ${home.folder}.`);
    const draft = await mkdtemp(`${this.folder}.new-`);
    const passwordFile = `${draft}.password`;
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (home.account) {
      for (const made of [draft, passwordFile]) await chown(made, home.account.uid, home.account.gid);
    }
    try {
      const initdb = await this.programs.initdb([
        `--pgdata=${draft}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        // Sorts by code point like C, but knows upper and lower case of every script: ILIKE finds Cyrillic.
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        ...(fast ? ['--no-sync'] : []),
      ]);
      if (!initdb.ok)
        throw new EmbeddedPostgresError(
          `The database in ${home.folder} could not be made:\n${initdb.output.trim() || `exit code ${initdb.code}`}`,
        );
      await rename(draft, this.folder).catch(async (error: Error) => {
        if (!(await this.isMade())) throw error;
      });
    } finally {
      for (const made of [draft, passwordFile]) await rm(made, { recursive: true, force: true });
    }
  }

  /** The port of the start before when it is free, otherwise another, which is kept. */
  private async choosePort(): Promise<number> {
    const kept = Number(await readFile(this.portFile, 'utf8').catch(ignoreMissing)) || undefined;
    if (kept !== undefined && (await listenOnce(kept)) !== undefined) return kept;
    const port = await listenOnce(0);
    if (port === undefined) throw new EmbeddedPostgresError('There is no free port on 127.0.0.1 for PostgreSQL.');
    if (kept !== undefined) this.options.warn(`Port ${kept} is taken by another program; PostgreSQL moves to ${port}.`);
    await writeFile(this.portFile, `${port}\n`);
    return port;
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

  /** A major version of PostgreSQL reads only what it made itself. https://www.postgresql.org/docs/current/upgrading.html */
  private async refuseOtherVersion(): Promise<void> {
    const theirs = (await readFile(path.join(this.folder, 'PG_VERSION'), 'utf8')).trim();
    const ours = /(\d+)/.exec((await this.programs.initdb(['--version'])).output)?.[1];
    if (!/^\d+$/.test(theirs) || ours === undefined || theirs === ours) return;
    throw otherMajorVersion({
      theirs,
      ours,
      dataDir: this.options.dataDir,
      home: this.options.home.folder,
      cluster: this.folder,
      pgCtl: this.programs.binaries.pgCtl,
    });
  }
}

/** Whether a process has this number; not whose. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Listens on the port of 127.0.0.1 (0: any free one) for a moment; the port, or undefined when it is taken. */
function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}
