import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort, Program } from '../support/program.js';
import { Networks } from './networks.js';
import type { Conditions } from './networks.process.js';
import { cpuMs } from './processes.js';

export const BOT_TOKEN = '123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';
export const FIRST_LINE = '1';
/** So high that the program does not count: its own speed is asked for, not the portal's. */
export const UNLIMITED = { B24_REQUESTS_PER_SECOND: '1000000', B24_BURST: '1000000' };

/** Of a machine that has much else to do. */
const LONGEST_START_MS = 180_000;

/** What every measure is given. */
export interface BenchContext {
  /** Connection string of a superuser of the PostgreSQL that is measured with. */
  postgresUrl: string;
  /** How long a throughput is measured. */
  seconds: number;
  /** Variables of every program that is started. */
  environment: Record<string, string>;
}

/** Default of the networks: one portal with one line and no limits. */
export interface StageOptions extends Partial<Conditions> {
  environment?: Record<string, string>;
}

/**
 * A database of its own, both networks and the program, installed on every portal, with one bot: it serves
 * {@link FIRST_LINE} of the first portal.
 */
export class Stage {
  private constructor(
    readonly database: string,
    readonly networks: Networks,
    readonly environment: Record<string, string>,
    public program: Program,
  ) {}

  static async set(
    context: BenchContext,
    { environment: variables, ...conditions }: StageOptions = {},
  ): Promise<Stage> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const database = await createDatabase(context.postgresUrl);
    const networks = await Networks.start(url, { lines: [FIRST_LINE], portals: 1, limits: false, ...conditions });
    await networks.call('addBot', BOT_TOKEN, 0);
    const environment = {
      ...context.environment,
      ...(await networks.call('environment')),
      PORT: String(port),
      PUBLIC_URL: url,
      DATABASE_URL: database,
      ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      B24_REDIRECT_URI: `${url}/b24/oauth/callback`,
      B24_LINE_ID: FIRST_LINE,
      B24_HANDLER_SECRET: 'bench-handler-secret',
      TG_BOT_TOKEN: BOT_TOKEN,
      ...variables,
    };
    const stage = new Stage(database, networks, environment, await Program.start(environment, LONGEST_START_MS));
    await networks.call('install');
    return stage;
  }

  /** Runs `work` on a stage and clears it away afterwards. */
  static async use<Result>(
    context: BenchContext,
    options: StageOptions,
    work: (stage: Stage) => Promise<Result>,
  ): Promise<Result> {
    const stage = await Stage.set(context, options);
    try {
      return await work(stage);
    } catch (error) {
      throw new Error(`The program's log ends with:\n${stage.program.tail(15)}`, { cause: error });
    } finally {
      await stage.program.stop();
      stage.networks.stop();
      await dropDatabase(context.postgresUrl, stage.database);
    }
  }

  /** Stops the program and starts it with these variables changed. */
  async restart(variables: Record<string, string>): Promise<void> {
    Object.assign(this.environment, variables);
    await this.program.stop();
    this.program = await Program.start(this.environment);
  }

  /** The program's ids of the portals, in their order. */
  async portalIds(): Promise<string[]> {
    const { json } = await this.program.admin('GET', '/portals?limit=200');
    const ids = new Map((json.items as { id: string; memberId: string }[]).map(({ id, memberId }) => [memberId, id]));
    return (await this.networks.call('memberIds')).map((memberId) => ids.get(memberId)!);
  }

  /**
   * One more bot for each line named; resolves with their tokens.
   *
   * @param lines number of the portal, from 0, and line
   */
  async addBots(lines: { portal: number; lineId: string }[]): Promise<string[]> {
    const portalIds = await this.portalIds();
    const tokens: string[] = [];
    for (const [n, { portal, lineId }] of lines.entries()) {
      const token = `${200_000_001 + n}:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc`;
      const portalId = portalIds[portal]!;
      await this.networks.call('addBot', token, portal);
      const bot = await this.program.admin('POST', '/bots', { token, portalId, lineId, mode: 'polling' });
      if (bot.status !== 201) throw new Error(`POST /admin/bots: ${bot.status} ${bot.text}`);
      const line = await this.program.admin('POST', `/portals/${portalId}/connector/activate`, { lineId });
      if (line.status >= 300) throw new Error(`The connector was not activated: ${line.status} ${line.text}`);
      tokens.push(token);
    }
    return tokens;
  }

  /** What is flowing, counted for some seconds after a warm-up; then the writing ends. */
  async flow(seconds: number, warmUpSeconds = 2): Promise<Flowed> {
    await sleep(warmUpSeconds * 1_000);
    const meter = await CpuMeter.start(this);
    const [before, from] = [await this.networks.call('arrived'), Date.now()];
    await sleep(seconds * 1_000);
    const [after, to] = [await this.networks.call('arrived'), Date.now()];
    const count = after - before;
    const cpuMsEach = await meter.each(count);
    await this.networks.call('stopWriting');
    await this.networks.call('assertSound');
    return { count, perSecond: count / ((to - from) / 1_000), cpuMsEach, from, to };
  }
}

/** Messages that arrived while it was counted, and from when to when that was (Unix ms). */
export interface Flowed {
  count: number;
  perSecond: number;
  cpuMsEach: CpuEach;
  from: number;
  to: number;
}

export type CpuEach = { program: number; postgres: number } | null;

/** CPU of the program and of PostgreSQL's processes for its database, from the start on. */
export class CpuMeter {
  private constructor(
    private readonly pids: { program: number; postgres: number[] },
    private readonly before: { program: number | null; postgres: number | null },
  ) {}

  static async start({ program, database }: Stage): Promise<CpuMeter> {
    const pids = { program: program.pid, postgres: await postgresProcesses(database) };
    return new CpuMeter(pids, await read(pids));
  }

  /** Milliseconds for each of `count` units; null where the machine does not tell. */
  async each(count: number): Promise<CpuEach> {
    const { program, postgres } = await read(this.pids);
    if (program === null || postgres === null || this.before.program === null || this.before.postgres === null)
      return null;
    return { program: (program - this.before.program) / count, postgres: (postgres - this.before.postgres) / count };
  }
}

async function read(pids: { program: number; postgres: number[] }) {
  return { program: await cpuMs([pids.program]), postgres: await cpuMs(pids.postgres) };
}

/** The processes of the program's connections and the server's own (WAL writer, checkpointer …). */
async function postgresProcesses(database: string): Promise<number[]> {
  const { rows } = await query<{ pid: number }>(
    database,
    `SELECT pid FROM pg_stat_activity
      WHERE pid <> pg_backend_pid() AND (datname = current_database() OR backend_type <> 'client backend')
        AND backend_type NOT LIKE 'autovacuum worker'`,
  );
  return rows.map(({ pid }) => pid);
}

export async function createDatabase(postgresUrl: string): Promise<string> {
  const name = `bench_${randomBytes(6).toString('hex')}`;
  await query(postgresUrl, `CREATE DATABASE ${name}`);
  const url = new URL(postgresUrl);
  url.pathname = name;
  return url.href;
}

export async function dropDatabase(postgresUrl: string, database: string): Promise<void> {
  await query(postgresUrl, `DROP DATABASE ${new URL(database).pathname.slice(1)} WITH (FORCE)`);
}

export async function query<Row extends object>(url: string, sql: string): Promise<{ rows: Row[] }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query<Row>(sql);
  } finally {
    await client.end();
  }
}
