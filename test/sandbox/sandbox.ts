import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bitrix24Simulator } from '../support/bitrix24-simulator.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { freePort, Program } from '../support/program.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { TelegramSimulator } from '../support/telegram-simulator.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';
import type { Cleanup } from './cleanup.js';

export const LINE = '1';
export const OPERATOR = { id: 27, name: 'Samantha Johnson' };
/** `chat.id` of a client's dialog. */
export const dialogOf = ({ id }: { id: number }): string => `tg:${id}`;
/** The program promises to end within 10 s of a SIGTERM. */
const PATIENCE_MS = 15_000;
const READY_MS = 60_000;

export type Network = 'telegram' | 'bitrix24';
type PortalApp = ReturnType<Portal['addApp']>;

export interface SandboxOptions {
  /** Language of the portal, and so of the notes that operators get. */
  language: 'en' | 'ru';
  /** Told what is being started, one line for a person each time. */
  tell: (line: string) => void;
}

/**
 * The program as a user gets it, with its embedded PostgreSQL in a temporary folder, between simulators of both
 * networks: installed on a portal, its connector active on line {@link LINE}, one bot polled.
 */
export class Sandbox {
  private readonly downUntil: Record<Network, number> = { telegram: 0, bitrix24: 0 };
  private readonly wakeUps = new Set<NodeJS.Timeout>();

  private constructor(
    readonly telegram: TelegramSimulator,
    readonly bitrix24: Bitrix24Simulator,
    readonly bot: SimulatedBot,
    readonly portal: Portal,
    readonly app: PortalApp,
    readonly program: Program,
    readonly handlerSecret: string,
    readonly language: 'en' | 'ru',
    /** Between the program and Telegram: what an outage cuts, a waiting poll included. */
    private readonly wire: TcpProxy,
  ) {}

  /** Starts everything; `cleanup` gets each part as soon as it exists, so that a start can be broken off at any time. */
  static async start({ language, tell }: SandboxOptions, cleanup: Cleanup): Promise<Sandbox> {
    const telegram = await TelegramSimulator.start({ brakes: false });
    cleanup.add(() => telegram.stop());
    const wire = await TcpProxy.before(telegram.url);
    cleanup.add(() => wire.stop());
    tell(`Telegram   simulated at ${telegram.url}`);
    const bitrix24 = await Bitrix24Simulator.start();
    cleanup.add(() => bitrix24.stop());
    const portal = await bitrix24.addPortal({
      lines: [{ id: LINE, name: language === 'ru' ? 'Продажи' : 'Sales', crm: 'deal' }],
    });
    tell(`Bitrix24   simulated at ${portal.url}`);

    const handlerSecret = randomBytes(12).toString('hex');
    const bot = telegram.addBot({
      token: `123456789:${randomBytes(24).toString('base64url')}`,
      username: 'sandbox_shop_bot',
      firstName: 'Sandbox Shop',
    });
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const app = portal.addApp({
      kind: 'ui',
      clientId: `local.${randomBytes(7).toString('hex')}.${randomBytes(4).readUInt32BE()}`,
      clientSecret: randomBytes(25).toString('base64url'),
      handlerUrl: `${url}/b24/oauth/callback`,
      installUrl: `${url}/b24/install`,
    });
    app.scope = [...app.scope, 'crm', 'bizproc'];
    const dataDir = await temporaryFolder(cleanup);
    tell('Bridge     starting with a PostgreSQL of its own …');
    const environment = {
      PORT: String(port),
      DATA_DIR: dataDir,
      ADMIN_API_KEY: randomBytes(18).toString('hex'),
      B24_DOMAIN: portal.url,
      B24_CLIENT_ID: app.clientId,
      B24_CLIENT_SECRET: app.clientSecret,
      B24_REDIRECT_URI: app.handlerUrl,
      B24_LINE_ID: LINE,
      B24_HANDLER_SECRET: handlerSecret,
      B24_OAUTH_URL: bitrix24.oauthUrl,
      TG_BOT_TOKEN: bot.profile.token,
      TG_API_ROOT: new URL(wire.through(telegram.url)).origin,
    };
    const program = await startProgram(environment, dataDir, cleanup);
    tell(`Bridge     ready at ${program.url}`);
    const sandbox = new Sandbox(telegram, bitrix24, bot, portal, app, program, handlerSecret, language, wire);
    cleanup.add(() => sandbox.forgetOutages());
    await sandbox.install(language);
    tell(`Bitrix24   application installed, connector ${sandbox.connectorId} active on line ${LINE}`);
    await sandbox.switchRobotsOn();
    return sandbox;
  }

  /** Id of the connector that the program registered. */
  get connectorId(): string {
    const [id] = this.portal.lines.connectors.keys();
    if (id === undefined) throw new Error('The program registered no connector.');
    return id;
  }

  /** Address of a page of the portal: Contact Center with the connector's settings on the line, for an administrator. */
  get settingsPage(): string {
    const { frames } = this.portal;
    return frames.pageUrl(frames.settings(this.app, { connector: this.connectorId, line: LINE, lang: this.language }));
  }

  /** Lets one network be unreachable for the program; a second call prolongs it. */
  async breakDown(network: Network, ms: number): Promise<void> {
    this.downUntil[network] = Date.now() + ms;
    if (network === 'telegram') await this.wire.cut();
    else this.refuseRestCalls();
    const timer = setTimeout(() => {
      this.wakeUps.delete(timer);
      if (this.secondsDown(network) > 0) return;
      if (network === 'telegram') void this.wire.restore();
      else this.bitrix24.faults.clear();
    }, ms + 50);
    this.wakeUps.add(timer);
  }

  /** How long the outage still lasts; 0: the network can be reached. */
  secondsDown(network: Network): number {
    return Math.max(0, Math.ceil((this.downUntil[network] - Date.now()) / 1000));
  }

  private refuseRestCalls(): void {
    this.bitrix24.faults.clear();
    for (const target of ['*', 'oauth']) {
      this.bitrix24.faults.next(target, { html: 503, performed: false }, Infinity);
    }
  }

  private forgetOutages(): void {
    for (const timer of this.wakeUps) clearTimeout(timer);
  }

  /** What an administrator does: opens the installation frame, whose page ends with `BX24.installFinish()`. */
  private async install(language: string): Promise<void> {
    this.portal.language = language;
    const frame = await this.portal.openInstallFrame(this.app);
    if (frame.status !== 200) throw new Error(`The installation answered ${frame.status}:\n${frame.html}`);
    await frame.runInstallFinish();
    for (let tries = 0; !this.portal.lines.isReady(this.connectorId, LINE); tries += 1) {
      if (tries > 100) throw new Error(`The connector is not active on line ${LINE}:\n${this.program.tail()}`);
      await sleep(50);
    }
  }

  /** What an administrator does on the settings page, for the robot that writes to the client of a deal. */
  private async switchRobotsOn(): Promise<void> {
    const { json } = await this.program.admin('GET', '/portals');
    const path = `/portals/${json.items[0].id}/features/robots`;
    const { status, text } = await this.program.admin('PATCH', path, { wanted: true });
    if (status !== 200) throw new Error(`Robots were not switched on (${status}): ${text}`);
  }
}

async function temporaryFolder(cleanup: Cleanup): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'telegram-openlines-sandbox-'));
  cleanup.add(async () => {
    // For root the database may live elsewhere, behind a link.
    const database = await realpath(path.join(folder, 'postgres')).catch(() => folder);
    for (const place of [database, folder]) await rm(place, { recursive: true, force: true, maxRetries: 5 });
  });
  return folder;
}

async function startProgram(environment: Record<string, string>, dataDir: string, cleanup: Cleanup): Promise<Program> {
  if (cleanup.begun) throw new Error('The start was broken off.');
  const program = await Program.start(environment, 0, true);
  cleanup.add(() => endProgram(program, dataDir));
  await program.ready(READY_MS);
  return program;
}

/** SIGTERM; a program that does not end is killed, and then its database, which would outlive it. */
async function endProgram(program: Program, dataDir: string): Promise<void> {
  const patience = new AbortController();
  const stopped = await Promise.race([
    program.stop().then(() => true),
    sleep(PATIENCE_MS, false, { signal: patience.signal }).catch(() => false),
  ]);
  patience.abort();
  if (!stopped) await program.kill();
  const lock = await readFile(path.join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8').catch(() => '');
  const postgres = Number(lock.split('\n', 1)[0]);
  if (postgres > 1) process.kill(postgres, 'SIGQUIT');
}
