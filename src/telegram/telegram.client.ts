import type { Agent as HttpAgent } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Api, GrammyError } from 'grammy';
import fetch, { type RequestInit } from 'node-fetch';
import { watchCall } from '../common/spans.js';
import { UpstreamError } from '../common/upstream-error.js';
import { Environment } from '../config/environment.js';
import { readPage } from './gateway-page.js';
import { TelegramConnections } from './telegram-connections.js';
import { TelegramFiles } from './telegram-files.js';
import { classifyFailure, classifyRefusal, GatewayAnswer } from './telegram-errors.js';
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

/**
 * The typed Bot API of one bot. Every method resolves with Telegram's result or throws an {@link UpstreamError}
 * that holds no token; nothing is retried here.
 */
export interface BotApi {
  /** For everything but long polls; a call without an answer fails after 30 s. */
  calls: Api['raw'];
  /** For getUpdates. */
  polls: Api['raw'];
  /** For calls that carry so many bytes of files: they get the time for it. */
  uploads: (bytes: number) => Api['raw'];
  /** What people sent to the bot. */
  files: TelegramFiles;
}

/** Speaks with the Bot API at TG_API_ROOT, by the ways of TG_PROXY_URL if set, over connections that are kept alive. */
@Injectable()
export class TelegramClient {
  private readonly ways: TelegramRoutes | null;
  private readonly connections: TelegramConnections;
  /** By how many seconds Telegram's clock is ahead of ours, as its last answer said; null: it never said. */
  secondsAhead: number | null = null;

  constructor(private readonly environment: Environment) {
    this.ways = routesOf(environment.telegramWays);
    this.connections = new TelegramConnections(environment.TG_API_ROOT, this.ways);
  }

  /** The ways of TG_PROXY_URL as this process found them; none when it needs no proxy. */
  get routes(): RouteState[] {
    return this.ways?.states ?? [];
  }

  /** Bytes of the largest file, and of all new files of one call. */
  get uploadLimit(): number {
    return this.ownServer ? UPLOAD_LIMIT.local : UPLOAD_LIMIT.cloud;
  }

  /** @param token the bot's token, in the clear; it leaves the process only in requests to TG_API_ROOT */
  bot(token: string): BotApi {
    const lines = this.connections.ofBot();
    const calls = (seconds: number) => this.raw(token, seconds, (exchange) => lines.call(exchange));
    return {
      calls: calls(CALL_TIMEOUT_SECONDS),
      polls: this.raw(token, POLL_TIMEOUT_SECONDS, (exchange) => lines.poll(exchange)),
      uploads: (bytes) =>
        this.raw(token, UPLOAD_TIMEOUT_SECONDS + Math.ceil(bytes / UPLOAD_BYTES_PER_SECOND), (exchange) =>
          lines.upload(exchange),
        ),
      files: new TelegramFiles({
        token,
        apiRoot: this.apiRoot,
        agent: this.connections.downloads,
        calls: calls(this.ownServer ? FETCH_TIMEOUT_SECONDS : CALL_TIMEOUT_SECONDS),
        ownServer: this.ownServer,
      }),
    };
  }

  private get apiRoot(): string {
    return this.environment.TG_API_ROOT.replace(/\/+$/, '');
  }

  /** A Bot API server of the company's own, which keeps files on its disk. */
  private get ownServer(): boolean {
    return new URL(this.apiRoot).hostname !== 'api.telegram.org';
  }

  private raw(token: string, timeoutSeconds: number, by: Lender): Api['raw'] {
    const api = new Api(token, {
      apiRoot: this.apiRoot,
      timeoutSeconds,
      baseFetchConfig: { compress: true },
      fetch: ((url: string, init: RequestInit) => by((agent) => this.exchange(url, { ...init, agent }))) as never,
    });
    api.config.use((call, method, payload, signal) => {
      return watchCall('telegram', method, async () => {
        try {
          const answer = await call(method, payload, signal);
          if (!answer.ok) throw classifyRefusal(answer);
          return answer;
        } catch (error) {
          if (error instanceof UpstreamError) throw error;
          if (error instanceof GrammyError) throw classifyRefusal(error);
          throw classifyFailure(error);
        }
      });
    });
    return api.raw;
  }

  /**
   * `fetch` as grammY expects it, except that an answer of anything but the Bot API keeps what it says, and that no
   * redirect is followed: the Bot API has none, and the token would go along.
   */
  private async exchange(url: string, init: RequestInit): Promise<{ json(): Promise<unknown> }> {
    const began = performance.now();
    const response = await fetch(url, { ...init, redirect: 'manual' }).catch((error: unknown) => {
      // The library puts the whole address, token and all, into its message; its code says the rest.
      if (error instanceof Error) error.message = error.message.replaceAll(url, 'the Bot API');
      throw error;
    });
    const { status, headers } = response;
    const date = Date.parse(headers.get('date') ?? '');
    if (!Number.isNaN(date)) this.secondsAhead = Math.round((date - Date.now()) / 1_000);
    const body = await response.text();
    const answer = parsed(body);
    if (isAnswer(answer)) return { json: () => Promise.resolve(answer) };
    const afterMs = performance.now() - began;
    const [location, retryAfter] = [headers.get('location'), headers.get('retry-after')];
    throw new GatewayAnswer(readPage({ status, body, location, retryAfter, afterMs }, Date.now()));
  }
}

type Lender = <Answer>(exchange: (agent: HttpAgent) => Promise<Answer>) => Promise<Answer>;

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** In the form that the Bot API promises (core.telegram.org/bots/api#making-requests); a relay may speak JSON, too. */
function isAnswer(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return false;
  const { ok, error_code: code, description } = body as Record<string, unknown>;
  return ok === true || (ok === false && typeof code === 'number' && typeof description === 'string');
}
