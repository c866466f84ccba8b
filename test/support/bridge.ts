import { randomBytes } from 'node:crypto';
import { Bitrix24Simulator } from './bitrix24-simulator.js';
import type { Portal } from './bitrix24-simulator/portal.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { freePort, Program, type RunningProgram } from './program.js';
import { ReplicatedProgram } from './replicated-program.js';
import { TelegramSimulator } from './telegram-simulator.js';
import type { SimulatedBot } from './telegram-simulator/simulated.bot.js';

export const LINE = '7';
export const HANDLER_SECRET = 'handler-secret-0123456789';
export const BOT_TOKEN = '123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';

/** Programs in place of the one, see `npm run test:replicas`. */
export const REPLICAS = Number(process.env.TEST_REPLICAS ?? 1);

type PortalApp = ReturnType<Portal['addApp']>;

export interface BridgeOptions {
  /** More variables of the program, or other values. */
  environment?: Record<string, string | undefined>;
  bitrix24?: Parameters<typeof Bitrix24Simulator.start>[0];
  telegram?: Parameters<typeof TelegramSimulator.start>[0];
  /** Name by which the portal and the OAuth server are known in place of 127.0.0.1, e.g. `box.test`. */
  bitrix24Name?: string;
  /** false: nothing is installed yet. */
  installed?: boolean;
  /** Why the test needs a single process however many TEST_REPLICAS asks for. */
  oneProcess?: string;
}

/** Both networks, a database and the program between them, as an administrator would have set them up. */
export class Bridge {
  private constructor(
    readonly telegram: TelegramSimulator,
    readonly bitrix24: Bitrix24Simulator,
    readonly database: TestDatabase,
    readonly bot: SimulatedBot,
    readonly portal: Portal,
    readonly app: PortalApp,
    readonly environment: Record<string, string | undefined>,
    public program: RunningProgram,
    private readonly replicas: number,
  ) {}

  static async start(options: BridgeOptions = {}): Promise<Bridge> {
    const [telegram, bitrix24, database, port] = await Promise.all([
      // Webhook retries of the real server (0, 2, 4, 8 s …) ten times as fast.
      TelegramSimulator.start({ brakes: false, webhookRetryScale: 0.1, ...options.telegram }),
      Bitrix24Simulator.start(options.bitrix24),
      createTestDatabase(),
      freePort(),
    ]);
    const bot = telegram.addBot({ token: BOT_TOKEN, username: 'shop_bot', firstName: 'Shop' });
    const portal = await bitrix24.addPortal({ lines: [{ id: LINE, name: 'Sales' }] });
    const named = (origin: string) => origin.replace('127.0.0.1', options.bitrix24Name ?? '127.0.0.1');
    portal.publicOrigin = options.bitrix24Name === undefined ? null : named(portal.url);
    const url = `http://127.0.0.1:${port}`;
    const app = portal.addApp({
      kind: 'ui',
      clientId: `local.${randomBytes(6).toString('hex')}`,
      clientSecret: randomBytes(20).toString('hex'),
      handlerUrl: `${url}/b24/oauth/callback`,
      installUrl: `${url}/b24/install`,
    });
    const environment = {
      PORT: String(port),
      PUBLIC_URL: url,
      DATABASE_URL: database.url,
      ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      B24_DOMAIN: portal.url,
      B24_CLIENT_ID: app.clientId,
      B24_CLIENT_SECRET: app.clientSecret,
      B24_REDIRECT_URI: `${url}/b24/oauth/callback`,
      B24_LINE_ID: LINE,
      B24_HANDLER_SECRET: HANDLER_SECRET,
      B24_OAUTH_URL: named(bitrix24.oauthUrl),
      TG_BOT_TOKEN: BOT_TOKEN,
      TG_API_ROOT: telegram.url,
      TG_API_KIND: options.telegram?.local ? 'local' : 'telegram',
      ...options.environment,
    };
    const replicas = options.oneProcess ? 1 : REPLICAS;
    const program = await startProgram(environment, replicas);
    const bridge = new Bridge(telegram, bitrix24, database, bot, portal, app, environment, program, replicas);
    if (options.installed !== false) await bridge.install();
    return bridge;
  }

  /** The administrator opens the installation frame; Bitrix24 marks the application as installed. */
  async install(): Promise<void> {
    const frame = await this.portal.openInstallFrame(this.app);
    if (frame.status !== 200)
      throw new Error(`Installation failed: ${frame.status} ${frame.html}\n${this.program.tail()}`);
    await frame.runInstallFinish();
  }

  get connectorId(): string {
    const [id] = this.portal.lines.connectors.keys();
    if (!id) throw new Error('No connector is registered');
    return id;
  }

  /** Stops the program and starts it anew with the same settings, or with others on top. */
  async restart(environment: Record<string, string | undefined> = {}, how: 'stop' | 'kill' = 'stop'): Promise<void> {
    await this.program[how]();
    this.program = await startProgram({ ...this.environment, ...environment }, this.replicas);
  }

  /** A second replica on the same database; the caller stops it. */
  replica(environment: Record<string, string | undefined> = {}): Promise<Program> {
    return Program.start({ ...this.environment, PORT: undefined, ...environment });
  }

  /** Raw form of an event of this portal, as Bitrix24 posts it, signed with the application token. */
  async handler(body: unknown, secret: string | null = HANDLER_SECRET) {
    const query = secret === null ? '' : `?secret=${encodeURIComponent(secret)}`;
    return this.program.post(`/b24/handler${query}`, body);
  }

  /** Items of GET /admin/messages. */
  async messages(query = ''): Promise<Record<string, unknown>[]> {
    const { status, json, text } = await this.program.admin('GET', `/messages?limit=200${query}`);
    if (status !== 200) throw new Error(`GET /admin/messages: ${status} ${text}`);
    return json.items;
  }

  async stop(): Promise<void> {
    await this.program.stop();
    await Promise.all([this.telegram.stop(), this.bitrix24.stop()]);
    await this.database.drop();
  }
}

function startProgram(environment: Bridge['environment'], replicas: number): Promise<RunningProgram> {
  return replicas > 1 ? ReplicatedProgram.start(environment, replicas) : Program.start(environment);
}

/** Repeats `read` until `fits`, and returns what it read; throws with the last value after `timeoutMs`. */
export async function eventually<Value>(
  read: () => Promise<Value> | Value,
  fits: (value: Value) => boolean,
  timeoutMs = 10_000,
): Promise<Value> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    if (Date.now() > deadline) throw new Error(`Still after ${timeoutMs} ms: ${JSON.stringify(value, bigintText, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const bigintText = (_key: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
