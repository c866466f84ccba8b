// Both networks in a process of their own, told over IPC what to do by ./networks.ts.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bitrix24Simulator } from '../support/bitrix24-simulator.js';
import type { FramePage } from '../support/bitrix24-simulator/frame-page.js';
import type { Chat } from '../support/bitrix24-simulator/open-lines.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { TelegramSimulator } from '../support/telegram-simulator.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';

/** Milliseconds since 1970 with their fractions, so that short latencies can be told. */
const now = () => performance.timeOrigin + performance.now();
const OPERATOR = { id: 27, name: 'Samantha Johnson' };

class Networks {
  private readonly bots: SimulatedBot[] = [];
  /** Answers so far: their numbers grow, so that a late or repeated one shows. */
  private answers = 0;
  private flow: { timer: NodeJS.Timeout; arrived: () => number } | null = null;

  private constructor(
    private readonly telegram: TelegramSimulator,
    private readonly bitrix24: Bitrix24Simulator,
    private readonly portal: Portal,
    private readonly app: ReturnType<Portal['addApp']>,
  ) {}

  /** No limits, no waiting times, no calls remembered: as fast as the networks could be. */
  static async start(programUrl: string, lines: string[]): Promise<Networks> {
    const telegram = await TelegramSimulator.start({ now, brakes: false, rememberedCalls: 0 });
    const bitrix24 = await Bitrix24Simulator.start({ limits: false });
    const portal = await bitrix24.addPortal({ lines: lines.map((id) => ({ id, name: `Line ${id}` })) });
    const app = portal.addApp({
      kind: 'ui',
      clientId: `local.${randomBytes(6).toString('hex')}`,
      clientSecret: randomBytes(20).toString('hex'),
      handlerUrl: `${programUrl}/b24/oauth/callback`,
      installUrl: `${programUrl}/b24/install`,
    });
    return new Networks(telegram, bitrix24, portal, app);
  }

  /** What the program has to be told about them. */
  environment(): Record<string, string> {
    return {
      B24_DOMAIN: this.portal.url,
      B24_CLIENT_ID: this.app.clientId,
      B24_CLIENT_SECRET: this.app.clientSecret,
      B24_OAUTH_URL: this.bitrix24.oauthUrl,
      TG_API_ROOT: this.telegram.url,
    };
  }

  addBot(token: string): void {
    this.bots.push(this.telegram.addBot({ token }));
  }

  /** The administrator opens the installation frame. */
  async install(): Promise<void> {
    const frame: FramePage = await this.portal.openInstallFrame(this.app);
    if (frame.status !== 200) throw new Error(`Installation failed: ${frame.status} ${frame.html}`);
    await frame.runInstallFinish();
  }

  /** Where and as whom `imconnector.send.messages` may be called by somebody else than the program. */
  access(): { url: string; token: string; connector: string } {
    const [connector = ''] = this.portal.lines.connectors.keys();
    return { url: this.portal.clientEndpoint, token: this.portal.issueTokens(this.app).accessToken, connector };
  }

  /** Every client of `perBot` clients of each bot writes once; resolves when Bitrix24 has all of it. */
  async clientsIntroduceThemselves(perBot: number): Promise<void> {
    this.bots.forEach((bot, index) => {
      for (let n = 0; n < perBot; n++) {
        bot.client({ id: 1_000_000 + index * 1_000 + n, first_name: `Client ${n}` }).sends('Hello');
      }
    });
    const deadline = now() + 60_000;
    while (this.clientMessages() < this.bots.length * perBot) {
      if (now() > deadline) throw new Error(`Only ${this.clientMessages()} first messages arrived`);
      await sleep(20);
    }
  }

  /** From now on so many messages of clients of the first bot are always on their way to Bitrix24. */
  clientsWrite(chats: number, underWay: number): void {
    const clients = Array.from({ length: chats }, (_, n) =>
      this.bots[0]!.client({ id: 1_000_000 + n, first_name: `Client ${n}` }),
    );
    this.keepFlowing(underWay, () => this.clientMessages(), {
      write: (n) => clients[n % chats]!.sends(`Message ${n}: is the blue one still available in size 42?`),
    });
  }

  /** From now on so many messages of an operator, to all chats in turn, are always on their way to Telegram. */
  operatorWrites(underWay: number): void {
    const operator = this.portal.operator(OPERATOR);
    const chats = this.chats();
    this.keepFlowing(underWay, () => this.telegram.ledger().length, {
      write: (n) => operator.sends(chats[n % chats.length]!.id, this.answer()),
    });
  }

  /** Messages that have arrived so far. */
  arrived(): number {
    return this.flow?.arrived() ?? 0;
  }

  stopWriting(): void {
    clearInterval(this.flow?.timer);
  }

  /**
   * An operator answers `count` times, the chats in turn, each time after a pause. Milliseconds from the moment at
   * which Bitrix24 begins to post the event to the moment at which Telegram has the message.
   */
  async answerLatencies(count: number, pauseMs: number): Promise<number[]> {
    const operator = this.portal.operator(OPERATOR);
    const chats = this.chats();
    const latencies: number[] = [];
    for (let n = 0; n < count; n++) {
      const before = this.telegram.ledger().length;
      const begun = now();
      operator.sends(chats[n % chats.length]!.id, this.answer());
      while (this.telegram.ledger().length === before) {
        if (now() > begun + 10_000) throw new Error(`Answer ${n} did not arrive within 10 s`);
        await sleep(1);
      }
      latencies.push(this.telegram.ledger().at(-1)!.at - begun);
      await sleep(pauseMs);
    }
    return latencies;
  }

  /** The front end answers 503 to every call, as during an outage. */
  refuseBitrix24(): void {
    this.bitrix24.faults.next('*', { html: 503, performed: false }, Infinity);
  }

  /** Throws unless nothing was repeated and everything came in its order. */
  assertSound(): void {
    const spoilt = this.portal
      .ledger()
      .dialogs.filter(({ duplicates, reordered }) => duplicates.length + reordered.length);
    if (spoilt.length > 0) throw new Error(`Repeated or reordered messages: ${JSON.stringify(spoilt)}`);
    const answers = new Map<number, number>();
    for (const { chatId, text } of this.telegram.ledger()) {
      const n = Number(/^Answer (\d+)/.exec(text)?.[1] ?? Number.NaN);
      if (n <= (answers.get(chatId) ?? -1)) throw new Error(`Answer ${n} came twice or late in chat ${chatId}`);
      answers.set(chatId, n);
    }
  }

  private keepFlowing(underWay: number, arrived: () => number, { write }: { write: (n: number) => void }): void {
    const before = arrived();
    let written = 0;
    const timer = setInterval(() => {
      for (
        const missing = underWay - (written - (arrived() - before)), end = written + missing;
        written < end;
        written++
      )
        write(written);
    }, 10);
    this.flow = { timer, arrived };
  }

  private answer(): string {
    return `Answer ${this.answers++}: yes, two of them, shall I put one by?`;
  }

  private clientMessages(): number {
    return this.portal.lines.messages.size;
  }

  private chats(): Chat[] {
    return [...this.portal.lines.chats.values()];
  }
}

export type NetworkCommands = Networks;

interface Command {
  id: number;
  name: keyof Networks;
  args: unknown[];
}

let networks: Promise<Networks> | undefined;

process.on('message', (command: Command) => {
  void run(command).then(
    (result) => process.send!({ id: command.id, result }),
    (error: Error) => process.send!({ id: command.id, error: error.stack }),
  );
});
// The bench is gone, however it ended.
process.on('disconnect', () => process.exit());

async function run({ name, args }: Command): Promise<unknown> {
  if ((name as string) === 'start') {
    networks = Networks.start(...(args as [string, string[]]));
    await networks;
    return undefined;
  }
  const target = (await networks) as unknown as Record<string, (...args: unknown[]) => unknown>;
  return target[name]!(...args);
}
