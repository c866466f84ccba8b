import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiError } from '@grammyjs/types';
import { BOT_API_METHODS } from './telegram-simulator/bot-api.methods.js';
import { BotApiError } from './telegram-simulator/bot-api.error.js';
import { CallParams, readCallParams } from './telegram-simulator/call.params.js';
import { ControlApi } from './telegram-simulator/control.api.js';
import { DeliveryJournal, type ChangeEntry, type LedgerEntry } from './telegram-simulator/delivery.journal.js';
import { FaultPlan, type Fault } from './telegram-simulator/fault.plan.js';
import { sendFile, type DownloadFault } from './telegram-simulator/file.download.js';
import { FileStore } from './telegram-simulator/file.store.js';
import type { FetchUrl } from './telegram-simulator/input.media.js';
import { ManagedBots } from './telegram-simulator/managed.bots.js';
import { PUBLISHED_LIMITS, type SendLimits } from './telegram-simulator/send.limits.js';
import type { HttpWebhooks } from './telegram-simulator/webhook.settings.js';
import { Described, SimulatedBot, type BotConditions, type BotProfile } from './telegram-simulator/simulated.bot.js';

export interface TelegramSimulatorOptions {
  /** A free port when absent. */
  readonly port?: number;
  /** `127.0.0.1` when absent. */
  readonly host?: string;
  /** Milliseconds since 1970; the machine's clock when absent. Timers always run in real time. */
  readonly now?: () => number;
  /** How many calls `calls` remembers: the last 10,000 when absent, none with 0. */
  readonly rememberedCalls?: number;
  /** Answers 429 above the published limits (`true`) or others; off when absent. */
  readonly limits?: boolean | SendLimits;
  /**
   * Telegram's waiting times: a poll repeated with the same offset within 3 s waits 3 s, within 0.5 s it gets one
   * update; a second 409 within 3 s comes 3 s late; setWebhook once a second. On when absent.
   */
  readonly brakes?: boolean;
  /** What the seconds between retries of a webhook are multiplied by; 1 when absent. */
  readonly webhookRetryScale?: number;
  /** `loopback` when absent. */
  readonly httpWebhooks?: HttpWebhooks;
  /**
   * As a local Bot API server (`--local`): uploads up to 2000 MB, getFile without a limit and with a path on the disk,
   * no downloads over HTTP.
   */
  readonly local?: boolean;
  /** Downloads answer `Range` requests; the real server answers the whole file, as this one does when absent. */
  readonly rangeRequests?: boolean;
  /** What Telegram finds under the URLs that files are sent by; nothing can be reached when absent. */
  readonly fetchUrl?: FetchUrl;
}

export type { ChangeEntry, LedgerEntry };

/** One call as it went. `status` and `answer` are what was sent, or would have been before a socket was dropped. */
export interface RecordedCall {
  /** Milliseconds since 1970, when the call came. */
  readonly at: number;
  /** Id of the bot. */
  readonly bot: number;
  /** As the caller spelled it. */
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly status: number;
  readonly answer: unknown;
  readonly fault?: Fault;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
}

interface Call {
  readonly at: number;
  readonly bot: SimulatedBot;
  readonly method: string;
  readonly params: CallParams;
}

/**
 * Telegram's Bot API server on this machine, as strict as the real one: the queue of updates with confirmation by
 * offset, long polling, webhooks with retries, the texts of its refusals. Tests and people play the clients, through
 * {@link SimulatedBot.client} or over HTTP under `/control` ({@link ControlApi}).
 *
 * The behaviour follows core.telegram.org/bots/api and the source of the server (tdlib/telegram-bot-api, tdlib/td).
 * Methods that are not simulated answer 404 `Not Found: method not found`, as methods Telegram does not have; a
 * `parse_mode` is refused with 400, since it is not parsed: send entities.
 */
export class TelegramSimulator {
  /** What goes wrong next. */
  readonly faults = new FaultPlan();
  /** What goes wrong with the next downloads; the params to match on are `{ file_path }`, the method is `*`. */
  readonly downloadFaults = new FaultPlan<DownloadFault>();
  /** What people do who make bots through a manager bot. */
  readonly managedBots = new ManagedBots({
    all: () => [...this.bots.values()],
    add: (profile) => this.addBot(profile),
    replaceToken: (bot, token) => this.replaceToken(bot, token),
  });
  private readonly bots = new Map<string, SimulatedBot>();
  private readonly store = new FileStore();
  private readonly journal: DeliveryJournal;
  private readonly control = new ControlApi(() => [...this.bots.values()]);
  private readonly server: Server;
  private readonly now: () => number;
  private recorded: RecordedCall[] = [];
  private origin = '';

  private constructor(private readonly options: TelegramSimulatorOptions) {
    this.now = options.now ?? Date.now;
    this.journal = new DeliveryJournal(this.now);
    this.server = createServer((request, response) => {
      this.serve(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    });
    this.server.keepAliveTimeout = 65_000;
  }

  static async start(options: TelegramSimulatorOptions = {}): Promise<TelegramSimulator> {
    const simulator = new TelegramSimulator(options);
    const host = options.host ?? '127.0.0.1';
    await new Promise<void>((resolve, reject) => {
      simulator.server.once('error', reject);
      simulator.server.listen(options.port ?? 0, host, resolve);
    });
    simulator.origin = `http://${host}:${(simulator.server.address() as AddressInfo).port}`;
    return simulator;
  }

  /** Closes every connection, waiting polls included. */
  async stop(): Promise<void> {
    for (const bot of this.bots.values()) bot.stop();
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
    this.store.close();
  }

  /** The root of the API: `<url>/bot<token>/<method>`. */
  get url(): string {
    return this.origin;
  }

  /** The calls so far, oldest first; those that still wait for an answer are not among them. */
  get calls(): readonly RecordedCall[] {
    return this.recorded.slice(-this.rememberedCalls);
  }

  forgetCalls(): void {
    this.recorded = [];
  }

  /** Registers a bot as BotFather would. Without a profile of its own it gets one made from its id. */
  addBot(profile: { token: string } & Partial<BotProfile>): SimulatedBot {
    const id = /^([1-9]\d*):[\w-]+$/.exec(profile.token)?.[1];
    if (!id) throw new TypeError('a token reads <bot id>:<letters, digits, _ or ->');
    if (this.bots.has(profile.token)) throw new Error(`there is a bot with the token of bot ${id} already`);
    const bot = new SimulatedBot({ username: `bot${id}_bot`, firstName: `Bot ${id}`, ...profile }, this.conditions());
    this.bots.set(profile.token, bot);
    return bot;
  }

  /** Every call with this bot's token answers 401 from now on, as after /revoke in BotFather. */
  revoke(bot: SimulatedBot): void {
    bot.stop();
    this.bots.delete(bot.profile.token);
  }

  private replaceToken(bot: SimulatedBot, token: string): void {
    this.bots.delete(bot.profile.token);
    bot.profile = { ...bot.profile, token };
    this.bots.set(token, bot);
  }

  /** What the chats really received, in the order in which it arrived: the truth for lost, repeated and reordered. */
  ledger(): readonly LedgerEntry[] {
    return [...this.journal.messages];
  }

  /** What the bots did to messages that were there: edits, deletions, reactions, marks of having been read. */
  changes(): readonly ChangeEntry[] {
    return [...this.journal.changes];
  }

  private conditions(): BotConditions {
    const { limits, brakes = true, webhookRetryScale = 1, httpWebhooks = 'loopback' } = this.options;
    return {
      now: this.now,
      limits: limits === true ? PUBLISHED_LIMITS : limits || undefined,
      brakes,
      webhookRetryScale,
      httpWebhooks,
      local: this.isLocal,
      store: this.store,
      fetchUrl: this.options.fetchUrl ?? (() => Promise.resolve(undefined)),
      journal: this.journal,
      managedBots: this.managedBots,
      perform: (bot, method, params) => {
        const call = { at: this.now(), bot, method, params: new CallParams(params) };
        void this.perform(call).then((answer) => this.record(call, answer, undefined));
      },
    };
  }

  private get isLocal(): boolean {
    return this.options.local ?? false;
  }

  // --- HTTP

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = this.now();
    const url = request.url ?? '/';
    if (/^\/control(\/|$)/.test(url)) return this.control.handle(request, response, url);

    const [path = '', query = ''] = url.split('?', 2);
    if (path.startsWith('/file/')) return this.serveFile(request, response, path);
    const target = this.route(request, path);
    if (target instanceof BotApiError) {
      request.resume();
      return send(response, refusal(target));
    }
    const uploads = { store: this.store, local: this.isLocal };
    const params = await readCallParams(request, query, uploads).catch((error: unknown) => asRefusal(error));
    if (params instanceof BotApiError) {
      request.resume();
      return send(response, refusal(params));
    }
    return this.answer({ at, ...target, params }, response);
  }

  private route(request: IncomingMessage, path: string): { bot: SimulatedBot; method: string } | BotApiError {
    const [, token, method] = /^\/bot([^/]+)\/(\w+)\/?$/.exec(path) ?? [];
    const plain = token && decodeURIComponent(token);
    if (!plain || !method || !/^\d+:[\w-]+$/.test(plain)) return new BotApiError(404, 'Not Found');
    if (request.method !== 'GET' && request.method !== 'POST') return new BotApiError(405, 'Method Not Allowed');
    const bot = this.bots.get(plain);
    return bot ? { bot, method } : new BotApiError(401, 'Unauthorized');
  }

  /** `/file/bot<token>/<file_path>`, a path that getFile has named within the last hour. */
  private async serveFile(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    request.resume();
    const [, token = '', file_path = ''] = /^\/file\/bot([^/]+)\/(.+)$/.exec(decodeURIComponent(path)) ?? [];
    const bot = this.bots.get(token);
    const file = bot?.files.open(file_path);
    if (!bot || !file) return send(response, refusal(new BotApiError(404, 'Not Found')));
    const fault = this.downloadFaults.take('download', { file_path }, bot);
    if (fault === 'dropBefore') return void response.destroy();
    if (fault && 'status' in fault) return send(response, statusAnswer(fault));
    const range = this.options.rangeRequests ? request.headers.range : undefined;
    return sendFile(response, this.store, file.content, { range, fault });
  }

  private async answer(call: Call, response: ServerResponse): Promise<void> {
    const fault = this.faults.take(call.method.toLowerCase(), call.params.values, call.bot);
    const answer = await this.answerWith(call, fault);
    this.record(call, answer, fault);
    if (fault === 'dropBefore' || fault === 'dropAfter') response.destroy();
    else send(response, answer);
  }

  private async answerWith(call: Call, fault: Fault | undefined): Promise<Answer> {
    if (fault === undefined || fault === 'dropAfter') return this.perform(call);
    if (fault === 'dropBefore') return { status: 0, body: undefined };
    if ('tooManyRequests' in fault) {
      const seconds = fault.tooManyRequests;
      const parameters = { retry_after: seconds };
      return refusal(new BotApiError(429, `Too Many Requests: retry after ${seconds}`, parameters));
    }
    if ('delayMs' in fault) {
      const answer = await this.perform(call);
      await sleep(fault.delayMs);
      return answer;
    }
    if ('gateway' in fault) {
      if (fault.performed) await this.perform(call);
      return gatewayPage(fault);
    }
    return statusAnswer(fault);
  }

  private async perform({ bot, method, params }: Call): Promise<Answer> {
    const run = BOT_API_METHODS.get(method.toLowerCase());
    if (!run) return refusal(new BotApiError(404, 'Not Found: method not found'));
    try {
      const result = await run(bot, params);
      return result instanceof Described
        ? { status: 200, body: { ok: true, result: result.result, description: result.description } }
        : { status: 200, body: { ok: true, result } };
    } catch (error) {
      return refusal(asRefusal(error));
    }
  }

  private get rememberedCalls(): number {
    return this.options.rememberedCalls ?? 10_000;
  }

  private record({ at, bot, method, params }: Call, { status, body }: Answer, fault: Fault | undefined): void {
    if (this.rememberedCalls === 0) return;
    this.recorded.push({
      at,
      bot: bot.id,
      method,
      params: params.values,
      status,
      answer: body,
      ...(fault && { fault }),
    });
    if (this.recorded.length >= this.rememberedCalls * 2) this.recorded = this.recorded.slice(-this.rememberedCalls);
  }
}

/** What is no refusal of Telegram's is a mistake of the simulator and says so. */
function asRefusal(error: unknown): BotApiError {
  if (error instanceof BotApiError) return error;
  return new BotApiError(500, `Internal Server Error: the simulator failed: ${String(error)}`);
}

function refusal({ code, description, parameters }: BotApiError): Answer {
  const body: ApiError = { ok: false, error_code: code, description, ...(parameters && { parameters }) };
  const retryAfter = parameters?.retry_after;
  return { status: code, body, ...(retryAfter !== undefined && { headers: { 'retry-after': String(retryAfter) } }) };
}

function statusAnswer({ status, headers, body }: Extract<Fault, { status: number }>): Answer {
  const answered = body ?? { ok: false, error_code: status, description: STATUS_CODES[status] };
  return { status, body: answered, ...(headers && { headers }) };
}

/**
 * The page of whatever stands before the Bot API. Cloudflare, which many relays run on, has statuses of its own
 * (developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors): 521 the origin refuses
 * the connection, 522 it answers no SYN within 19 s (or, 90 s after it connected, acknowledged nothing), 523 there is no
 * route to it, 525 and 526 TLS with it does not come about, 530 its name cannot be resolved; all of them before the
 * request went there. 520 (it answered nothing, or something unintelligible), 524 (it answered nothing within 125 s)
 * and 527 come after it.
 */
function gatewayPage({ gateway: status, title: named, headers }: Extract<Fault, { gateway: number }>): Answer {
  const title = named ?? `${status} ${STATUS_CODES[status] ?? ''}`.trim();
  const body =
    `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n` +
    '<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n';
  return { status, body, headers: { 'content-type': 'text/html', ...headers } };
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}
