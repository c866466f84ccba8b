import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from './program.js';

/** Whether the program `pgbouncer` can be run (Debian and Homebrew: package pgbouncer). */
export function hasPgBouncer(): boolean {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A PgBouncer before a whole server: transaction pooling, everything else as it comes. */
export class PgBouncer {
  private constructor(
    private readonly port: number,
    private readonly end: () => Promise<void>,
  ) {}

  /** Stands before the server of this connection string, for its user and any of its databases. */
  static async before(url: string, settings: Record<string, string> = {}): Promise<PgBouncer> {
    const { hostname, port: serverPort, username, password } = new URL(url);
    const [folder, port] = await Promise.all([mkdtemp(path.join(tmpdir(), 'pgbouncer-')), freePort()]);
    const users = path.join(folder, 'users.txt');
    const configuration = path.join(folder, 'pgbouncer.ini');
    const lines = {
      listen_addr: '127.0.0.1',
      listen_port: String(port),
      unix_socket_dir: '',
      auth_type: 'scram-sha-256',
      auth_file: users,
      pool_mode: 'transaction',
      ...settings,
    };
    await writeFile(users, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`);
    await writeFile(
      configuration,
      [
        '[databases]',
        `* = host=${hostname} port=${serverPort}`,
        '[pgbouncer]',
        ...Object.entries(lines).map(([name, value]) => `${name} = ${value}`),
      ].join('\n'),
    );
    // PgBouncer refuses to run as root and reads its files as the account it takes on.
    await Promise.all([chmod(folder, 0o755), chmod(users, 0o644), chmod(configuration, 0o644)]);
    const account = process.getuid?.() === 0 ? ['--user', 'nobody'] : [];
    const child = spawn('pgbouncer', ['--quiet', ...account, configuration], { stdio: 'ignore' });
    const bouncer = new PgBouncer(port, async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGINT');
        await Promise.race([exited, sleep(2_000)]);
        child.kill('SIGKILL');
      }
      await rm(folder, { recursive: true });
    });
    await bouncer.answers(url);
    return bouncer;
  }

  /** The same connection string, by way of the pooler. */
  through(url: string): string {
    const pooled = new URL(url);
    pooled.hostname = '127.0.0.1';
    pooled.port = String(this.port);
    return pooled.href;
  }

  stop(): Promise<void> {
    return this.end();
  }

  private async answers(url: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      const client = new Client({ connectionString: this.through(url) });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.end();
        return;
      } catch (error) {
        if (tries === 50) {
          await this.stop();
          throw error;
        }
        await sleep(100);
      }
    }
  }
}
