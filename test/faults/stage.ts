import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type QueryResultRow } from 'pg';
import { Bitrix24Simulator } from '../support/bitrix24-simulator.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { Program } from '../support/program.js';
import { TelegramSimulator } from '../support/telegram-simulator.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';
import { Front } from './front.js';
import type { RowContext } from './row.js';

export const LINE = '7';
export const HANDLER_SECRET = 'handler-secret-0123456789';
const BOT_TOKEN = '123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';
const LONGEST_START_MS = 120_000;

type PortalApp = ReturnType<Portal['addApp']>;

/** A portal and a bot that serves a line of it. */
export interface Company {
  portal: Portal;
  bot: SimulatedBot;
}

/** As the admin API names them. */
export interface CompanyIds {
  portalId: string;
  botId: string;
}

type Environment = Record<string, string | undefined>;

export interface StageOptions {
  environment?: Environment;
  /** Programs on the one database. Default: 1. */
  replicas?: number;
  /** Variables of single replicas, by number. */
  each?: Environment[];
  /** True: the portal refuses what exceeds its limits, and the program keeps them. Default: no limits on either side. */
  limits?: boolean;
  /** Changes the connection string that the programs get. */
  wayToDatabase?: (url: string) => Promise<string>;
  /** Changes the root of the Bot API that the programs get. */
  wayToTelegram?: (url: string) => Promise<string>;
  /** Changes the origin that the portal has for everybody else. */
  wayToPortal?: (url: string) => Promise<string>;
}

/** Both networks, a durable database and 1 to 3 programs behind a load balancer, installed and ready. */
export class Stage {
  readonly programs: Program[] = [];
  /** Bots that were added. */
  private bots = 0;

  private constructor(
    readonly database: string,
    readonly telegram: TelegramSimulator,
    readonly bitrix24: Bitrix24Simulator,
    readonly bot: SimulatedBot,
    readonly portal: Portal,
    readonly app: PortalApp,
    readonly front: Front,
    readonly environment: Environment,
    private readonly options: StageOptions,
  ) {}

  static async set(context: RowContext, options: StageOptions = {}): Promise<Stage> {
    const [front, database, telegram, bitrix24] = await Promise.all([
      Front.open(),
      createDatabase(context.postgresUrl),
      TelegramSimulator.start({ brakes: false, webhookRetryScale: 0.1 }),
      Bitrix24Simulator.start({ limits: options.limits === true }),
    ]);
    const bot = telegram.addBot({ token: BOT_TOKEN, username: 'shop_bot', firstName: 'Shop' });
    const portal = await bitrix24.addPortal({ lines: [{ id: LINE, name: 'Sales' }] });
    portal.publicOrigin = (await options.wayToPortal?.(portal.url)) ?? null;
    const app = portal.addApp({
      kind: 'ui',
      clientId: `local.${randomBytes(6).toString('hex')}`,
      clientSecret: randomBytes(20).toString('hex'),
      handlerUrl: `${front.url}/b24/oauth/callback`,
      installUrl: `${front.url}/b24/install`,
    });
    const environment = {
      PUBLIC_URL: front.url,
      DATABASE_URL: (await options.wayToDatabase?.(database)) ?? database,
      ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      B24_DOMAIN: portal.url,
      B24_CLIENT_ID: app.clientId,
      B24_CLIENT_SECRET: app.clientSecret,
      B24_REDIRECT_URI: `${front.url}/b24/oauth/callback`,
      B24_LINE_ID: LINE,
      B24_HANDLER_SECRET: HANDLER_SECRET,
      B24_OAUTH_URL: bitrix24.oauthUrl,
      TG_BOT_TOKEN: BOT_TOKEN,
      TG_API_ROOT: (await options.wayToTelegram?.(telegram.url)) ?? telegram.url,
      ...(options.limits ? {} : { B24_REQUESTS_PER_SECOND: '1000' }),
      ...options.environment,
    };
    const stage = new Stage(database, telegram, bitrix24, bot, portal, app, front, environment, options);
    for (let n = 0; n < (options.replicas ?? 1); n++) await stage.start(n);
    await stage.install();
    return stage;
  }

  /** Runs `work` on a stage and clears it away afterwards; an error tells the end of the programs' logs. */
  static async use<Result>(
    context: RowContext,
    options: StageOptions,
    work: (stage: Stage) => Promise<Result>,
  ): Promise<Result> {
    const stage = await Stage.set(context, options);
    try {
      return await work(stage);
    } catch (error) {
      const logs = stage.programs.map((program, n) => `Program ${n}:\n${program.tail(15)}`).join('\n');
      throw new Error(`${(error as Error).message}\n${logs}`, { cause: error });
    } finally {
      await stage.clear();
    }
  }

  /** The first program. */
  get program(): Program {
    return this.programs[0]!;
  }

  /** Starts the program with this number, anew when it has ended; with `ready` false without waiting for it. */
  async start(n = 0, ready = true): Promise<Program> {
    const program = await Program.start({ ...this.environment, ...this.options.each?.[n] }, 0);
    this.programs[n] = program;
    this.leadToRunning();
    if (ready) await program.ready(LONGEST_START_MS);
    return program;
  }

  /** Events and webhooks go to the programs that run, but not to these. */
  leadToRunning(except: Program[] = []): void {
    this.front.leadTo(this.programs.filter((program) => !except.includes(program)).map(({ url }) => url));
  }

  /** kill -9, and at once a new start. */
  async killAndStart(n = 0): Promise<void> {
    await this.programs[n]!.kill();
    await this.start(n);
  }

  /** The administrator opens the installation frame. */
  async install(): Promise<void> {
    const frame = await this.portal.openInstallFrame(this.app);
    if (frame.status !== 200)
      throw new Error(`Installation failed: ${frame.status} ${frame.html}\n${this.program.tail()}`);
    await frame.runInstallFinish();
  }

  /** Installs the application in one more portal with these lines. */
  async addPortal(lines: string[]): Promise<Portal> {
    const portal = await this.bitrix24.addPortal({ lines: lines.map((id) => ({ id, name: `Line ${id}` })) });
    const { clientId, clientSecret, handlerUrl, installUrl } = this.app;
    const frame = await portal.openInstallFrame(
      portal.addApp({ kind: 'ui', clientId, clientSecret, handlerUrl, installUrl }),
    );
    if (frame.status !== 200) throw new Error(`Installation failed: ${frame.status} ${frame.html}`);
    await frame.runInstallFinish();
    return portal;
  }

  /** One more bot, on this line of a portal. */
  async addBot(portal: Portal, lineId: string, mode: 'polling' | 'webhook' = 'polling'): Promise<Company & CompanyIds> {
    const id = 200_000_001 + this.bots++;
    const token = `${id}:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc`;
    const bot = this.telegram.addBot({ token, username: `shop_${id}_bot` });
    const portalId = await this.portalId(portal);
    await this.activate(portalId, lineId);
    const made = await this.program.admin('POST', '/bots', { token, portalId, lineId, mode });
    if (made.status !== 201) throw new Error(`POST /admin/bots: ${made.status} ${made.text}`);
    return { portal, bot, portalId, botId: made.json.id };
  }

  /** Switches the connector on for a line. */
  async activate(portalId: string, lineId: string): Promise<void> {
    const { status, text } = await this.program.admin('POST', `/portals/${portalId}/connector/activate`, { lineId });
    if (status >= 300) throw new Error(`The connector was not activated: ${status} ${text}`);
  }

  /** As the admin API names it. */
  async portalId({ memberId }: Portal): Promise<string> {
    const { items } = (await this.program.admin('GET', '/portals?limit=200')).json;
    return (items as { id: string; memberId: string }[]).find((each) => each.memberId === memberId)!.id;
  }

  query<Row extends QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return query<Row>(this.database, sql, values);
  }

  /** The program that drives the endpoints whose ids begin so (`bot:`, `portal:`), by the leases in the database. */
  async driver(kind: 'bot:' | 'portal:'): Promise<Program | undefined> {
    const [row] = await this.query<{ owner: string }>(
      'SELECT owner FROM endpoints WHERE starts_with(id, $1) AND expires_at > now()',
      [kind],
    );
    return this.programs.find(({ pid }) => row?.owner.includes(`-${pid}-`));
  }

  private async clear(): Promise<void> {
    for (const program of this.programs) program.signal('SIGCONT');
    await Promise.all(this.programs.map((program) => program.stop()));
    await Promise.all([this.front.close(), this.telegram.stop(), this.bitrix24.stop()]);
  }
}

async function createDatabase(postgresUrl: string): Promise<string> {
  const name = `faults_${randomBytes(6).toString('hex')}`;
  await query(postgresUrl, `CREATE DATABASE ${name}`);
  const url = new URL(postgresUrl);
  url.pathname = name;
  return url.href;
}

export async function query<Row extends QueryResultRow>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Repeats `read` until it fits, at most `timeoutMs`; returns what it read last, and how long that took. */
export async function until<Value>(
  read: () => Promise<Value> | Value,
  fits: (value: Value) => boolean,
  timeoutMs: number,
): Promise<{ value: Value; ok: boolean; ms: number }> {
  const begun = performance.now();
  for (;;) {
    const value = await read();
    const ms = performance.now() - begun;
    if (fits(value)) return { value, ok: true, ms };
    if (ms > timeoutMs) return { value, ok: false, ms };
    await sleep(100);
  }
}
