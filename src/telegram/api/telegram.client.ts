import { Injectable } from '@nestjs/common';
import type { ApiResponse } from '@grammyjs/types';
import type { Dispatcher } from 'undici';
import { exchange, type Fence, type HttpRequest } from '../../common/http-exchange.js';
import { watchCall } from '../../common/spans.js';
import { type ApiKind, apiRootsOf } from '../../config/bot-api-servers.js';
import { Environment } from '../../config/environment.js';
import { type BotCalls, botCalls } from './bot-api.js';
import { GatewayAnswer, readPage } from './gateway-page.js';
import { requestBody } from './request-body.js';
import { type ApiRoot, ApiRoots, type Proof, type RootState } from './api-roots.js';
import type { BotConnections } from './telegram-connections.js';
import { TelegramFiles } from './telegram-files.js';
import { classifyFailure, classifyRefusal } from './telegram-errors.js';

/** Telegram clamps a long poll to 50 s (tdlib/telegram-bot-api, Client.h, LONG_POLL_MAX_TIMEOUT). */
export const POLL_SECONDS = 25;
const CALL_TIMEOUT_SECONDS = 30;
/** For a harmless call that shows whether a root works. */
const PROOF_TIMEOUT_SECONDS = 5;
/** A connection that went silent is given up early enough for clients to be heard again within 45 s. */
const POLL_TIMEOUT_SECONDS = POLL_SECONDS + 10;
/** For getFile: an own server answers when it has the whole file, of up to 2 GB, on its disk. */
const FETCH_TIMEOUT_SECONDS = 300;
const UPLOAD_TIMEOUT_SECONDS = 120;
/** The slowest connection over which an upload still ends in time. */
const UPLOAD_BYTES_PER_SECOND = 256 * 1024;
const MEBIBYTE = 1024 * 1024;
/** "50 MB max size for other files", and with a local Bot API server "up to 2000 MB" (core.telegram.org/bots/api). */
const UPLOAD_LIMIT = { telegram: 50 * MEBIBYTE, local: 2000 * MEBIBYTE };

/** The Bot API of one bot. */
export interface BotApi {
  /** For everything but long polls; a call without an answer fails after 30 s. */
  calls: BotCalls;
  /** For getUpdates. */
  polls: BotCalls;
  /** For calls that carry this many bytes of files: they get more time. */
  uploads: (bytes: number) => BotCalls;
  /** Bytes of the largest file, and of all new files of one call. */
  uploadLimit: number;
  /** What people sent to the bot. */
  files: TelegramFiles;
  /** The same for whoever drives the bot: once the lease is over nothing leaves any more, however long a call waited. */
  by: (lease: Fence) => BotApi;
}

/** A bot's own Bot API server; null: that of the installation. */
export interface OwnServer {
  /** As TG_API_ROOT is written. */
  apiRoot: string | null;
  apiKind: ApiKind | null;
}

const NO_OWN_SERVER: OwnServer = { apiRoot: null, apiKind: null };

/**
 * Calls the Bot API at the first root of TG_API_ROOT, or of the bot's own, that works, through the proxies of TG_PROXY_URL if set, over
 * connections that are kept alive.
 */
@Injectable()
export class TelegramClient {
  private readonly roots: ApiRoots;
  /** Of bots that have roots of their own, by these. */
  private readonly ownRoots = new Map<string, ApiRoots>();
  /** By how many seconds Telegram's clock is ahead of ours, by its latest answer; null: none named a time. */
  secondsAhead: number | null = null;

  constructor(private readonly environment: Environment) {
    this.roots = new ApiRoots(environment.apiRoots, environment.telegramProxies);
  }

  /** The roots of TG_API_ROOT as this process found them. */
  get rootStates(): RootState[] {
    return this.roots.states;
  }

  /** TG_API_KIND says that Telegram's limits hold, but the server is an own one without them. */
  get isLocalUnsaid(): boolean {
    return this.roots.nameDiskPaths && this.environment.TG_API_KIND === 'telegram';
  }

  /** The roots of a bot as this process found them. */
  rootStatesOf({ apiRoot }: Pick<OwnServer, 'apiRoot'>): RootState[] {
    return this.rootsOf(apiRoot).states;
  }

  /** Tries all roots, by all proxies, and measures how long they take; {@link rootStates} tells. */
  async measure(): Promise<void> {
    await Promise.all([this.roots, ...this.ownRoots.values()].map((roots) => roots.measure()));
  }

  /**
   * @param token the bot's token, in the clear; it leaves the process only in requests to the roots
   * @param own   the bot's own server
   */
  bot(token: string, own: OwnServer = NO_OWN_SERVER): BotApi {
    const kind = own.apiKind ?? this.environment.TG_API_KIND;
    const roots = this.rootsOf(own.apiRoot);
    const caller = new BotCaller(token, roots, (dispatcher, request) => this.ask(dispatcher, request));
    const fetchSeconds = kind === 'local' ? FETCH_TIMEOUT_SECONDS : CALL_TIMEOUT_SECONDS;
    const files = new TelegramFiles({
      token,
      roots,
      proof: caller.proof,
      calls: caller.calls(fetchSeconds, (lines, ask) => lines.call(ask)),
    });
    const by = (lease?: Fence): BotApi => ({
      calls: caller.calls(CALL_TIMEOUT_SECONDS, (lines, ask) => lines.call(ask), lease),
      polls: caller.calls(POLL_TIMEOUT_SECONDS, (lines, ask) => lines.poll(ask), lease),
      uploads: (bytes) => {
        const seconds = UPLOAD_TIMEOUT_SECONDS + Math.ceil(bytes / UPLOAD_BYTES_PER_SECOND);
        return caller.calls(seconds, (lines, ask) => lines.upload(ask), lease);
      },
      uploadLimit: UPLOAD_LIMIT[kind],
      files,
      by,
    });
    return by();
  }

  private rootsOf(apiRoot: string | null): ApiRoots {
    if (apiRoot === null) return this.roots;
    let roots = this.ownRoots.get(apiRoot);
    if (!roots) {
      roots = new ApiRoots(apiRootsOf(apiRoot), this.environment.telegramProxies);
      this.ownRoots.set(apiRoot, roots);
    }
    return roots;
  }

  /** An answer of anything but the Bot API keeps what it says. */
  private async ask(dispatcher: Dispatcher, request: HttpRequest): Promise<ApiResponse<unknown>> {
    const began = performance.now();
    const { status, headers, text } = await exchange(dispatcher, request);
    const date = Date.parse(String(headers.date));
    if (!Number.isNaN(date)) this.secondsAhead = Math.round((date - Date.now()) / 1_000);
    const answer = parsed(text);
    if (isAnswer(answer)) return answer;
    const afterMs = performance.now() - began;
    const [location, retryAfter] = [headers.location, headers['retry-after']].map((value) => value?.toString() ?? null);
    const page = { status, body: text, location: absolute(location, request.url), retryAfter: retryAfter!, afterMs };
    throw new GatewayAnswer(readPage(page, Date.now()));
  }
}

type Ask = (by: Dispatcher, request: HttpRequest) => Promise<ApiResponse<unknown>>;
type Exchange = (by: Dispatcher) => Promise<ApiResponse<unknown>>;
type Lender = (lines: BotConnections, exchange: Exchange) => Promise<ApiResponse<unknown>>;

/** One bot's calls: by which root, over which connection. */
class BotCaller {
  private readonly lines = new Map<ApiRoot, BotConnections>();

  constructor(
    private readonly token: string,
    private readonly roots: ApiRoots,
    private readonly ask: Ask,
  ) {}

  /** Who the bot is: any answer of the Bot API will do, a refusal of the token as well. */
  readonly proof: Proof = (root) => {
    const request = this.request(root, 'getMe', {}, PROOF_TIMEOUT_SECONDS * 1_000);
    return this.linesOf(root).upload((dispatcher) => this.ask(dispatcher, request));
  };

  calls(timeoutSeconds: number, lend: Lender, lease?: Fence): BotCalls {
    return botCalls((method, params, signal) =>
      watchCall('telegram', method, async () => {
        const deadline = performance.now() + timeoutSeconds * 1_000;
        const exchange = (root: ApiRoot) => {
          const left = Math.max(0, deadline - performance.now());
          const request = { ...this.request(root, method, params, left), signal, lease };
          return lend(this.linesOf(root), (dispatcher) => this.ask(dispatcher, request));
        };
        const answer = await this.roots.call(this.proof, exchange).catch((error: unknown) => {
          throw classifyFailure(error);
        });
        if (!answer.ok) throw classifyRefusal(answer);
        return answer.result;
      }),
    );
  }

  private request(root: ApiRoot, method: string, params: object, timeoutMs: number): HttpRequest {
    const url = new URL(`${root.url}/bot${this.token}/${method}`);
    return { method: 'POST', url, ...requestBody(params), timeoutMs };
  }

  private linesOf(root: ApiRoot): BotConnections {
    let lines = this.lines.get(root);
    if (!lines) this.lines.set(root, (lines = root.connections.ofBot()));
    return lines;
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** In the form that the Bot API promises (core.telegram.org/bots/api#making-requests); a relay may speak JSON, too. */
function isAnswer(body: unknown): body is ApiResponse<unknown> {
  if (typeof body !== 'object' || body === null) return false;
  const { ok, error_code: code, description } = body as Record<string, unknown>;
  return ok === true || (ok === false && typeof code === 'number' && typeof description === 'string');
}

function absolute(location: string | null | undefined, base: URL): string | null {
  return location && URL.canParse(location, base.href) ? new URL(location, base).href : null;
}
