// Both networks in a process of their own, told over IPC what to do by ./networks.ts.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bitrix24Simulator } from '../support/bitrix24-simulator.js';
import type { FramePage } from '../support/bitrix24-simulator/frame-page.js';
import type { Chat, LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { TelegramSimulator } from '../support/telegram-simulator.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';

/** Milliseconds since 1970 with their fractions, so that short latencies can be told. */
const now = () => performance.timeOrigin + performance.now();
/** Events that a portal's queue has under way. */
const AT_ONCE = 100;
const OPERATOR = { id: 27, name: 'Samantha Johnson' };

/** What the networks are like. */
export interface Conditions {
  /** Open lines of every portal. */
  lines: string[];
  portals: number;
  /** Whether the portals keep Bitrix24's limits: 50 requests, 2 leak a second; 480 s of execution in ten minutes. */
  limits: boolean;
}

/** Where and as whom `imconnector.send.messages` may be called by somebody else than the program. */
export interface Access {
  url: string;
  token: string;
  connector: string;
}

/** How long messages took, in milliseconds, and how many of them arrived each second. */
export interface Paced {
  latencies: number[];
  perSecond: number;
}

/** A bot and the portal that its messages go to. */
interface Served {
  bot: SimulatedBot;
  portal: Portal;
}

interface Flow {
  underWay: number;
  /** Messages of this flow and of others before it that have arrived. */
  arrived: () => number;
  /** What `arrived` said at the beginning. */
  before: number;
  written: number;
  write: (n: number) => void;
}

class Networks {
  private readonly bots: Served[] = [];
  /** Answers so far: their numbers grow, so that a late or repeated one shows. */
  private answers = 0;
  private flows: Flow[] = [];
  private writing: NodeJS.Timeout | undefined;
  /** Messages of clients that have arrived at Bitrix24. */
  private heard = 0;
  /** When each of the messages that are written at a pace was written, by its first words. */
  private readonly said = new Map<string, number>();

  private constructor(
    private readonly telegram: TelegramSimulator,
    private readonly bitrix24: Bitrix24Simulator,
    private readonly apps: ReturnType<Portal['addApp']>[],
  ) {
    for (const { lines } of bitrix24.portals)
      lines.changes.on('message', ({ author }: LineMessage) => void (this.heard += Number(author === 'client')));
  }

  /** No waiting times, no calls remembered by Telegram: as fast as the networks could be. */
  static async start(programUrl: string, { lines, portals, limits }: Conditions): Promise<Networks> {
    const telegram = await TelegramSimulator.start({ now, brakes: false, rememberedCalls: 0 });
    const bitrix24 = await Bitrix24Simulator.start({ limits });
    const clientId = `local.${randomBytes(6).toString('hex')}`;
    const clientSecret = randomBytes(20).toString('hex');
    const apps: ReturnType<Portal['addApp']>[] = [];
    for (let n = 0; n < portals; n++) {
      const portal = await bitrix24.addPortal({ lines: lines.map((id) => ({ id, name: `Line ${id}` })) });
      const handlerUrl = `${programUrl}/b24/oauth/callback`;
      const installUrl = `${programUrl}/b24/install`;
      apps.push(portal.addApp({ kind: 'ui', clientId, clientSecret, handlerUrl, installUrl }));
    }
    return new Networks(telegram, bitrix24, apps);
  }

  /** What the program has to be told about them. */
  environment(): Record<string, string> {
    const [app] = this.apps;
    return {
      B24_DOMAIN: this.portal.url,
      B24_CLIENT_ID: app!.clientId,
      B24_CLIENT_SECRET: app!.clientSecret,
      B24_OAUTH_URL: this.bitrix24.oauthUrl,
      TG_API_ROOT: this.telegram.url,
    };
  }

  /** Of all portals, in their order. */
  memberIds(): string[] {
    return this.bitrix24.portals.map(({ memberId }) => memberId);
  }

  /** @param portal number of the portal, from 0, that the program is told to serve with it */
  addBot(token: string, portal: number): void {
    this.bots.push({ bot: this.telegram.addBot({ token }), portal: this.bitrix24.portals[portal]! });
  }

  /** The administrator of every portal opens the installation frame. */
  async install(): Promise<void> {
    for (const [n, portal] of this.bitrix24.portals.entries()) {
      const frame: FramePage = await portal.openInstallFrame(this.apps[n]!);
      if (frame.status !== 200) throw new Error(`Installation failed: ${frame.status} ${frame.html}`);
      await frame.runInstallFinish();
    }
  }

  /** To every portal. */
  access(): Access[] {
    return this.bitrix24.portals.map((portal, n) => {
      const [connector = ''] = portal.lines.connectors.keys();
      return { url: portal.clientEndpoint, token: portal.issueTokens(this.apps[n]!).accessToken, connector };
    });
  }

  /** Every client of `perBot` clients of each bot writes once; resolves when Bitrix24 has all of it. */
  async clientsIntroduceThemselves(perBot: number): Promise<void> {
    for (let n = 0; n < this.bots.length; n++) for (const client of this.clients(n, perBot)) client.sends('Hello');
    await this.untilArrived(() => this.clientMessages(), this.bots.length * perBot, 180_000);
  }

  /** From now on so many messages of the clients of each of the first `bots` bots are always on their way to Bitrix24. */
  clientsWrite(chats: number, underWay: number, bots = 1): void {
    const flows = this.bots.slice(0, bots).map(({ portal }, index) => {
      const clients = this.clients(index, chats);
      const write = (n: number) => void clients[n % chats]!.sends(question(n));
      return { underWay, arrived: () => portal.lines.messages.size, write };
    });
    this.keepFlowing(flows);
  }

  /**
   * So many messages of clients of the first bot are written at once, the chats in turn. Milliseconds until the last
   * one is at Bitrix24; throws when that takes longer than `withinMs`.
   */
  async burst(chats: number, messages: number, withinMs: number): Promise<number> {
    const clients = this.clients(0, chats);
    const before = this.clientMessages();
    const begun = now();
    for (let n = 0; n < messages; n++) clients[n % chats]!.sends(question(n));
    await this.untilArrived(() => this.clientMessages() - before, messages, withinMs);
    return now() - begun;
  }

  /** From now on so many messages of an operator, to all chats in turn, are always on their way to Telegram. */
  operatorWrites(underWay: number): void {
    const operator = this.portal.operator(OPERATOR);
    const chats = this.chats();
    const write = (n: number) => void operator.sends(chats[n % chats.length]!.id, this.answer());
    this.keepFlowing([{ underWay, arrived: () => this.telegram.ledger().length, write }]);
  }

  /**
   * From now on so many messages of clients, bots and their clients in turn, and so many answers, to all chats in turn,
   * are always on their way; with 0 that side is silent.
   */
  bothWrite(clientsOfEach: number, ofClients: number, ofOperators: number): void {
    const clients = this.bots.map((_, index) => this.clients(index, clientsOfEach));
    const ask = (n: number) => {
      const turn = Math.floor(n / clients.length);
      clients[n % clients.length]![turn % clientsOfEach]!.sends(question(n));
    };
    const operator = this.portal.operator(OPERATOR);
    const chats = this.chats();
    const reply = (n: number) => void operator.sends(chats[n % chats.length]!.id, this.answer());
    this.keepFlowing([
      { underWay: ofClients, arrived: () => this.heard, write: ask },
      { underWay: ofOperators, arrived: () => this.telegram.ledger().length, write: reply },
    ]);
  }

  /** From now on clients and operators write so many messages a second each, bots and chats in turn. */
  writeAtPace(clientsOfEach: number, perSecond: number): void {
    const clients = Array.from({ length: clientsOfEach }, (_, turn) =>
      this.bots.map((_bot, index) => this.clients(index, clientsOfEach)[turn]!),
    ).flat();
    const operator = this.portal.operator(OPERATOR);
    const chats = this.chats();
    const begun = now();
    let written = 0;
    this.writing = setInterval(() => {
      for (const due = ((now() - begun) / 1_000) * perSecond; written < due; written++) {
        const asked = question(written);
        this.said.set(firstWords(asked), now());
        clients[written % clients.length]!.sends(asked);
        const answer = this.answer();
        this.said.set(firstWords(answer), now());
        operator.sends(chats[written % chats.length]!.id, answer);
      }
    }, 5);
  }

  /** Of what {@link writeAtPace} wrote from one time to another (Unix ms); what has not arrived yet counts with its age. */
  pacedBetween(from: number, to: number): { clients: Paced; operators: Paced } {
    const heard = this.bitrix24.portals.flatMap(({ lines }) =>
      [...lines.messages.values()].filter(({ author }) => author === 'client'),
    );
    return {
      clients: this.paced('Message', heard, from, to),
      operators: this.paced('Answer', this.telegram.ledger(), from, to),
    };
  }

  private paced(kind: string, arrivals: readonly { text: string; at: number }[], from: number, to: number): Paced {
    const times = new Map(arrivals.map(({ text, at }) => [firstWords(text), at]));
    const written = [...this.said].filter(([words, at]) => words.startsWith(kind) && at >= from && at < to);
    const latencies = written.map(([words, at]) => (times.get(words) ?? now()) - at);
    const arrived = arrivals.filter(({ at }) => at >= from && at < to).length;
    return { latencies, perSecond: arrived / ((to - from) / 1_000) };
  }

  /**
   * The first portal's line writes so many texts by itself (author 0, a newsletter), to all chats but the first
   * `except` in turn. Resolves once all are posted, with how many of them the program took.
   */
  async automaticTexts(count: number, except: number): Promise<number> {
    const { events } = this.portal;
    const chats = this.chats().slice(except);
    const before = events.lost;
    for (let n = 0; n < count; n++) {
      this.portal.systemText(chats[n % chats.length]!.id, `News ${n}: the blue one is back in size 42.`);
      if (n % AT_ONCE === AT_ONCE - 1) await events.idle();
    }
    await events.idle();
    return count - (events.lost - before);
  }

  /**
   * An operator answers `count` times with a pause after each, the first `chats` chats in turn, whatever became of the
   * answers before. Milliseconds until Telegram has each; those that take longer than `withinMs` count with that.
   */
  async liveAnswers(count: number, chats: number, pauseMs: number, withinMs: number): Promise<number[]> {
    const operator = this.portal.operator(OPERATOR);
    const targets = this.chats().slice(0, chats);
    const written = new Map<string, number>();
    for (let n = 0; n < count; n++) {
      const answer = this.answer();
      written.set(firstWords(answer), now());
      operator.sends(targets[n % targets.length]!.id, answer);
      await sleep(pauseMs);
    }
    const arrived = () =>
      new Map(
        this.telegram
          .ledger()
          .flatMap(({ text, at }) => (written.has(firstWords(text)) ? [[firstWords(text), at]] : [])),
      );
    for (const deadline = now() + withinMs; now() < deadline && arrived().size < count;) await sleep(50);
    const times = arrived();
    return [...written].map(([words, at]) => Math.min(withinMs, (times.get(words) ?? Infinity) - at));
  }

  /** Messages to Telegram so far. */
  sent(): number {
    return this.telegram.ledger().length;
  }

  /** The most messages that one bot has sent in any second of all the time so far. */
  mostInASecond(): number {
    const times = new Map<number, number[]>();
    for (const { bot, at } of this.telegram.ledger()) {
      const own = times.get(bot);
      if (own) own.push(at);
      else times.set(bot, [at]);
    }
    return Math.max(0, ...[...times.values()].map((own) => densest(own, 1_000)));
  }

  /** Messages that have arrived so far. */
  arrived(): number {
    return this.arrivedEach().reduce((sum, count) => sum + count, 0);
  }

  /** The same of each kind of them: of clients and of operators after {@link bothWrite}. */
  arrivedEach(): number[] {
    return this.flows.map(({ arrived }) => arrived());
  }

  stopWriting(): void {
    clearInterval(this.writing);
  }

  /** When the next message arrives at the first portal; Unix time in ms. Throws when none does within `withinMs`. */
  async nextArrival(withinMs: number): Promise<number> {
    const before = this.clientMessages();
    await this.untilArrived(() => this.clientMessages() - before, 1, withinMs);
    return [...this.portal.lines.messages.values()][before]!.at;
  }

  /** Requests, batches counted once, that the portals together were sent from one time to another (Unix ms). */
  requests(from: number, to: number): number {
    const made = ({ calls }: Portal) => calls.filter(({ at, inBatch }) => !inBatch && at >= from && at < to).length;
    return this.bitrix24.portals.reduce((sum, portal) => sum + made(portal), 0);
  }

  /** From now on the bucket of every portal takes so many requests; 2 leak out of it each second as before. */
  narrowBuckets(capacity: number): void {
    for (const { limits } of this.bitrix24.portals)
      limits.settings = limits.settings && { ...limits.settings, capacity };
  }

  /** Requests that the portals refused because of their limits. */
  limitErrors(): number {
    return this.bitrix24.portals.reduce(
      (sum, { limits }) => sum + limits.rejectedByBucket + limits.rejectedByOperating,
      0,
    );
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

  /** Every request is performed at once and answered so much later. */
  delayAnswers(delayMs: number): void {
    this.bitrix24.faults.next('*', { delayMs }, Infinity);
  }

  /** Ends {@link refuseBitrix24} and {@link delayAnswers} for the requests to come. */
  healBitrix24(): void {
    this.bitrix24.faults.clear();
  }

  /** From now on Bitrix24 works so long on every message, one after the other within a request. */
  workOnMessages(milliseconds: number): void {
    this.bitrix24.latencyMs = milliseconds;
  }

  /** Throws unless nothing was repeated and everything came in its order. */
  assertSound(): void {
    const spoilt = this.bitrix24.portals
      .flatMap((portal) => portal.ledger().dialogs)
      .filter(({ duplicates, reordered }) => duplicates.length + reordered.length);
    if (spoilt.length > 0) throw new Error(`Repeated or reordered messages: ${JSON.stringify(spoilt)}`);
    const answers = new Map<number, number>();
    for (const { chatId, text } of this.telegram.ledger()) {
      const n = Number(/^Answer (\d+)/.exec(text)?.[1] ?? Number.NaN);
      if (n <= (answers.get(chatId) ?? -1)) throw new Error(`Answer ${n} came twice or late in chat ${chatId}`);
      answers.set(chatId, n);
    }
  }

  private keepFlowing(flows: Omit<Flow, 'before' | 'written'>[]): void {
    this.flows = flows.map((flow) => ({ ...flow, before: flow.arrived(), written: 0 }));
    this.writing = setInterval(() => {
      for (const flow of this.flows) {
        const end = flow.underWay + flow.arrived() - flow.before;
        while (flow.written < end) flow.write(flow.written++);
      }
    }, 10);
  }

  private async untilArrived(arrived: () => number, messages: number, withinMs: number): Promise<void> {
    const deadline = now() + withinMs;
    while (arrived() < messages) {
      if (now() > deadline) throw new Error(`Only ${arrived()} of ${messages} messages arrived within ${withinMs} ms`);
      await sleep(20);
    }
  }

  /** @param index of the bot */
  private clients(index: number, count: number): SimulatedClient[] {
    const { bot } = this.bots[index]!;
    return Array.from({ length: count }, (_, n) =>
      bot.client({ id: 1_000_000 + index * 1_000 + n, first_name: `Client ${n}` }),
    );
  }

  private answer(): string {
    return `Answer ${this.answers++}: yes, two of them, shall I put one by?`;
  }

  /** The portal of the first bot. */
  private get portal(): Portal {
    return this.bitrix24.portals[0]!;
  }

  private clientMessages(): number {
    return this.portal.lines.messages.size;
  }

  private chats(): Chat[] {
    return [...this.portal.lines.chats.values()];
  }
}

function question(n: number): string {
  return `Message ${n}: is the blue one still available in size 42?`;
}

/** `Message 17` and `Answer 4`: no other message of its kind has that number. */
function firstWords(text: string): string {
  return text.slice(0, Math.max(0, text.indexOf(':')));
}

/** How many of these times, in ascending order, lie within so many milliseconds at most. */
function densest(times: readonly number[], withinMs: number): number {
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while (times[last]! - times[first]! >= withinMs) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
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
    networks = Networks.start(...(args as [string, Conditions]));
    await networks;
    return undefined;
  }
  const target = (await networks) as unknown as Record<string, (...args: unknown[]) => unknown>;
  return target[name]!(...args);
}
