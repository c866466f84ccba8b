import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../support/program.js';
import { query, until } from './stage.js';

const DEBIAN_POSTGRES = '/usr/lib/postgresql';
const START_MS = 120_000;
const PASSWORD = 'fail-over';
/** The shortest that Patroni takes (patroni.readthedocs.io, "Dynamic configuration settings"), and as patient as they allow; seconds. */
const TIMES = { ttl: 20, loop_wait: 1, retry_timeout: 9 };

interface Node {
  name: string;
  dataDir: string;
  configuration: string;
  postgresPort: number;
  apiPort: number;
  patroni: ChildProcess | undefined;
}

/** What the cluster needs and this machine does not have; empty: it can be started. */
export function missingPrograms(): string[] {
  const missing = ['patroni', 'etcd', 'haproxy'].filter((name) => !isOnPath(name));
  return postgresFolder() === null ? [...missing, 'PostgreSQL'] : missing;
}

function isOnPath(name: string): boolean {
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => existsSync(path.join(folder, name)));
}

/** Of the newest PostgreSQL that Debian's packages have installed. */
function postgresFolder(): string | null {
  if (!existsSync(DEBIAN_POSTGRES)) return null;
  const versions = readdirSync(DEBIAN_POSTGRES).sort((a, b) => Number(b) - Number(a));
  const folder = versions
    .map((version) => path.join(DEBIAN_POSTGRES, version, 'bin'))
    .find((bin) => existsSync(path.join(bin, 'initdb')));
  return folder ?? null;
}

/**
 * Two PostgreSQL with streaming replication, kept by Patroni with an etcd; HAProxy leads to whichever is the primary.
 * All of it on loopback, in a folder of its own.
 */
export class PatroniCluster {
  private readonly others: ChildProcess[] = [];
  private readonly account = postgresAccount();

  private constructor(
    private readonly folder: string,
    private readonly nodes: Node[],
    private readonly port: number,
  ) {}

  /** @param synchronous a commit is answered once the standby has it too, as long as there is one */
  static async start(synchronous: boolean): Promise<PatroniCluster> {
    const folder = await mkdtemp(path.join(tmpdir(), 'telegram-openlines-failover-'));
    const nodes = await Promise.all(
      ['one', 'two'].map(async (name) => ({
        name,
        dataDir: path.join(folder, name),
        configuration: path.join(folder, `${name}.yml`),
        postgresPort: await freePort(),
        apiPort: await freePort(),
        patroni: undefined,
      })),
    );
    const cluster = new PatroniCluster(folder, nodes, await freePort());
    try {
      await cluster.begin(synchronous);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Connection string of a superuser, to the primary, whichever that is. */
  get url(): string {
    return `postgresql://postgres:${PASSWORD}@127.0.0.1:${this.port}/postgres`;
  }

  /** The machine of the primary is gone from one moment to the next. */
  async killPrimary(): Promise<void> {
    const primary = await this.primary();
    const [pid] = (await readFile(path.join(primary.dataDir, 'postmaster.pid'), 'utf8')).split('\n').map(Number);
    const backends = await childrenOf(pid!);
    primary.patroni!.kill('SIGKILL');
    for (const each of [pid!, ...backends]) kill(each);
    primary.patroni = undefined;
  }

  /** Machines that are gone come back; resolves once the standby streams again. */
  async repair(): Promise<void> {
    for (const node of this.nodes) node.patroni ??= this.spawn('patroni', [node.configuration]);
    await this.hasStandby();
  }

  async stop(): Promise<void> {
    const running = [...this.nodes.flatMap(({ patroni }) => patroni ?? []), ...this.others.toReversed()];
    // One after the other: Patroni says goodbye to etcd and stops its PostgreSQL.
    for (const child of running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private async begin(synchronous: boolean): Promise<void> {
    const [clientPort, peerPort] = await Promise.all([freePort(), freePort()]);
    const etcdDir = path.join(this.folder, 'etcd');
    for (const made of [etcdDir, ...this.nodes.map(({ dataDir }) => dataDir)]) await mkdir(made, { mode: 0o700 });
    for (const node of this.nodes) {
      // JSON is YAML.
      await writeFile(node.configuration, JSON.stringify(this.configurationOf(node, clientPort, synchronous), null, 2));
    }
    const haproxy = path.join(this.folder, 'haproxy.cfg');
    await writeFile(haproxy, this.haproxyConfiguration());
    if (this.account) for (const made of everythingIn(this.folder)) chownSync(made, this.account.uid, this.account.gid);
    const [client, peer] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
    const etcd = {
      name: 'etcd',
      'data-dir': etcdDir,
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `etcd=${peer}`,
    };
    const options = Object.entries(etcd).map(([name, value]) => `--${name}=${value}`);
    this.others.push(this.spawn('etcd', options));
    for (const node of this.nodes) node.patroni = this.spawn('patroni', [node.configuration]);
    this.others.push(this.spawn('haproxy', ['-db', '-f', haproxy]));
    await this.hasStandby();
  }

  private configurationOf(node: Node, etcdPort: number, synchronous: boolean): unknown {
    const address = `127.0.0.1:${node.postgresPort}`;
    const login = (username: string) => ({ username, password: PASSWORD });
    return {
      scope: 'bridge',
      name: node.name,
      restapi: { listen: `127.0.0.1:${node.apiPort}`, connect_address: `127.0.0.1:${node.apiPort}` },
      etcd3: { hosts: `127.0.0.1:${etcdPort}` },
      bootstrap: {
        dcs: { ...TIMES, synchronous_mode: synchronous, postgresql: { use_pg_rewind: true, use_slots: true } },
        initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums'],
      },
      postgresql: {
        listen: address,
        connect_address: address,
        data_dir: node.dataDir,
        bin_dir: postgresFolder(),
        pgpass: path.join(this.folder, `${node.name}.pgpass`),
        authentication: { superuser: login('postgres'), replication: login('replicator') },
        pg_hba: [
          'host all all 127.0.0.1/32 scram-sha-256',
          'host replication all 127.0.0.1/32 scram-sha-256',
          'local all all trust',
        ],
        parameters: { unix_socket_directories: this.folder, password_encryption: 'scram-sha-256' },
      },
    };
  }

  private haproxyConfiguration(): string {
    const servers = this.nodes.map(
      ({ name, postgresPort, apiPort }) => `  server ${name} 127.0.0.1:${postgresPort} check port ${apiPort}`,
    );
    return `${[
      'defaults',
      '  mode tcp',
      '  timeout connect 2s',
      '  timeout client 1h',
      '  timeout server 1h',
      'listen primary',
      `  bind 127.0.0.1:${this.port}`,
      '  option httpchk OPTIONS /primary',
      '  http-check expect status 200',
      '  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions',
      ...servers,
    ].join('\n')}\n`;
  }

  private async primary(): Promise<Node> {
    for (const node of this.nodes) {
      const response = await fetch(`http://127.0.0.1:${node.apiPort}/primary`).catch(() => null);
      if (response?.status === 200) return node;
    }
    throw new Error('The cluster has no primary');
  }

  private async hasStandby(): Promise<void> {
    const streaming = () =>
      query<{ count: number }>(
        this.url,
        `SELECT count(*)::int AS count FROM pg_stat_replication WHERE application_name IN ('one', 'two') AND state = 'streaming'
            AND (sync_state = 'sync' OR current_setting('synchronous_standby_names') = '')`,
      ).then(
        ([row]) => row!.count,
        () => 0,
      );
    const { ok } = await until(streaming, (count) => count === 1, START_MS);
    if (!ok) throw new Error(`No standby within ${START_MS / 1000} s; the logs are in ${this.folder}`);
  }

  private spawn(command: string, parameters: string[]): ChildProcess {
    const env = { PATH: process.env.PATH, HOME: this.folder, LC_ALL: 'C.UTF-8' };
    return spawn(command, parameters, { cwd: this.folder, env, stdio: 'ignore', ...this.account });
  }
}

/** PostgreSQL refuses to run as root. */
function postgresAccount(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' })));
  return { uid: uid!, gid: gid! };
}

function everythingIn(folder: string): string[] {
  return [folder, ...readdirSync(folder).map((name) => path.join(folder, name))];
}

/** Backends and helpers of a postmaster (proc(5), /proc/PID/task/TID/children). */
async function childrenOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has ended with the one before it.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
