import { Injectable } from '@nestjs/common';
import type { ApiResponse } from '@grammyjs/types';
import type { Dispatcher } from 'undici';
import { exchange, type Fence, type HttpRequest } from '../../common/http-exchange.js';
import { watchCall } from '../../common/spans.js';
import { Environment } from '../../config/environment.js';
import { type BotCalls, botCalls } from './bot-api.js';
import { GatewayAnswer, readPage } from './gateway-page.js';
import { requestBody } from './request-body.js';
import { TelegramConnections } from './telegram-connections.js';
import { TelegramFiles } from './telegram-files.js';
import { classifyFailure, classifyRefusal } from './telegram-errors.js';
import { routesOf, type RouteState, type TelegramRoutes } from './telegram-routes.js';

/** Telegram clamps a long poll to 50 s (tdlib/telegram-bot-api, Client.h, LONG_POLL_MAX_TIMEOUT). */
export const POLL_SECONDS = 25;
const CALL_TIMEOUT_SECONDS = 30;
/** A connection that went silent is given up early enough for clients to be heard again within 45 s. */
const POLL_TIMEOUT_SECONDS = POLL_SECONDS + 10;
/** For getFile: an own server answers when it has the whole file, of up to 2 GB, on its disk. */
const FETCH_TIMEOUT_SECONDS = 300;
const UPLOAD_TIMEOUT_SECONDS = 120;
/** The slowest line on which an upload still ends in time. */
const UPLOAD_BYTES_PER_SECOND = 256 * 1024;
const MEBIBYTE = 1024 * 1024;
/** "50 MB max size for other files", and with a local Bot API server "up to 2000 MB" (core.telegram.org/bots/api). */
const UPLOAD_LIMIT = { cloud: 50 * MEBIBYTE, local: 2000 * MEBIBYTE };

/** The Bot API of one bot. */
export interface BotApi {
  /** For everything but long polls; a call without an answer fails after 30 s. */
  calls: BotCalls;
  /** For getUpdates. */
  polls: BotCalls;
  /** For calls that carry so many bytes of files: they get the time for it. */
  uploads: (bytes: number) => BotCalls;
  /** What people sent to the bot. */
  files: TelegramFiles;
  /** The same for whoever drives the bot: once the lease is over nothing leaves any more, however long a call waited. */
  by: (lease: Fence) => BotApi;
}

/** Calls the Bot API at TG_API_ROOT, through the proxies of TG_PROXY_URL if set, over connections that are kept alive. */
@Injectable()
export class TelegramClient {
  private readonly proxyRoutes: TelegramRoutes | null;
  private readonly connections: TelegramConnections;
  /** By how many seconds Telegram's clock is ahead of ours, as its last answer said; null: it never said. */
  secondsAhead: number | null = null;

  constructor(private readonly environment: Environment) {
    this.proxyRoutes = routesOf(environment.proxyCandidates);
    this.connections = new TelegramConnections(environment.TG_API_ROOT, this.proxyRoutes);
  }

  /** The routes of TG_PROXY_URL as this process found them; none when it needs no proxy. */
  get routes(): RouteState[] {
    return this.proxyRoutes?.states ?? [];
  }

  /** Bytes of the largest file, and of all new files of one call. */
  get uploadLimit(): number {
    return this.ownServer ? UPLOAD_LIMIT.local : UPLOAD_LIMIT.cloud;
  }

  /** @param token the bot's token, in the clear; it leaves the process only in requests to TG_API_ROOT */
  bot(token: string): BotApi {
    const lines = this.connections.ofBot();
    const files = new TelegramFiles({
      token,
      apiRoot: this.apiRoot,
      connections: this.connections.downloads,
      calls: this.calls(token, this.ownServer ? FETCH_TIMEOUT_SECONDS : CALL_TIMEOUT_SECONDS, (ask) => lines.call(ask)),
      ownServer: this.ownServer,
    });
    const by = (lease?: Fence): BotApi => ({
      calls: this.calls(token, CALL_TIMEOUT_SECONDS, (ask) => lines.call(ask), lease),
      polls: this.calls(token, POLL_TIMEOUT_SECONDS, (ask) => lines.poll(ask), lease),
      uploads: (bytes) => {
        const seconds = UPLOAD_TIMEOUT_SECONDS + Math.ceil(bytes / UPLOAD_BYTES_PER_SECOND);
        return this.calls(token, seconds, (ask) => lines.upload(ask), lease);
      },
      files,
      by,
    });
    return by();
  }

  private get apiRoot(): string {
    return this.environment.TG_API_ROOT.replace(/\/+$/, '');
  }

  /** A Bot API server of the company's own, which keeps files on its disk. */
  private get ownServer(): boolean {
    return new URL(this.apiRoot).hostname !== 'api.telegram.org';
  }

  private calls(token: string, timeoutSeconds: number, borrow: Lender, lease?: Fence): BotCalls {
    const timeoutMs = timeoutSeconds * 1_000;
    return botCalls((method, params, signal) =>
      watchCall('telegram', method, async () => {
        const url = new URL(`${this.apiRoot}/bot${token}/${method}`);
        const request: HttpRequest = { method: 'POST', url, ...requestBody(params), timeoutMs, signal, lease };
        const answer = await borrow((dispatcher) => this.ask(dispatcher, request)).catch((error: unknown) => {
          throw classifyFailure(error);
        });
        if (!answer.ok) throw classifyRefusal(answer);
        return answer.result;
      }),
    );
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

type Lender = <Answer>(exchange: (by: Dispatcher) => Promise<Answer>) => Promise<Answer>;

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
