import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { callbackify } from 'node:util';
import { Logger } from '@nestjs/common';
import { SocksClient } from 'socks';
import type { buildConnector } from 'undici';

/** The route without a proxy, as one element of TG_PROXY_URL. */
export const DIRECT = 'direct';
/** How long a route that failed is not tried again; calls do not wait for it meanwhile. */
const COOLDOWN_MS = 30_000;
/** Time for one route to connect, TLS with Telegram included. */
const CONNECT_MS = 5_000;
/** Time for all routes together: the rest of a call's 30 s belongs to the answer. */
const ALL_ROUTES_MS = 20_000;
const LIMITS = { cooldownMs: COOLDOWN_MS, connectMs: CONNECT_MS, allRoutesMs: ALL_ROUTES_MS };
/** Code of the failure when no route works: nothing was sent. */
export const NO_WAY = 'NO_WAY';

/** The state of one route to Telegram. */
export interface RouteState {
  /** `socks5://10.0.0.1:1080`, without credentials, or `direct`. */
  name: string;
  /** Why it last failed; null: it works, or has not been used yet. */
  failure: string | null;
  /** Milliseconds that the latest connection took, TLS included; null: there was none yet. */
  connectMs: number | null;
}

/** Where a connection leads; `host` without the brackets of IPv6. */
interface Target {
  host: string;
  port: number;
  secure: boolean;
}

interface Route extends RouteState {
  connect: (target: Target, signal: AbortSignal) => Promise<Socket>;
  /** Not to be tried before, by `performance.now()`. */
  cooldownUntil: number;
}

/**
 * Connects to the Bot API by the first route that works: a proxy, or none. What fails before the connection stands was
 * certainly not sent, so the same call tries the next route; after that nothing is tried again. A route that failed
 * cools down for 30 s, unless all of them do.
 *
 * Our own connector: undici's SOCKS support is experimental, and its proxy agents do not fall back to another proxy.
 */
export class TelegramRoutes {
  private readonly logger = new Logger('TelegramRoutes');
  private readonly routes: Route[];
  private readonly limits: typeof LIMITS;

  /** @param proxyCandidates URLs of proxies, or `direct`, in order of preference */
  constructor(proxyCandidates: readonly string[], limits: Partial<typeof LIMITS> = {}) {
    this.routes = proxyCandidates.map(routeOf);
    this.limits = { ...LIMITS, ...limits };
  }

  /** In the order of preference. */
  get states(): RouteState[] {
    return this.routes.map(({ name, failure, connectMs }) => ({ name, failure, connectMs }));
  }

  /** For every pool of connections; what it learns of the routes, all of them know. */
  readonly connector = callbackify(async ({ hostname, port, protocol }: buildConnector.Options) => {
    return (await this.connect(targetOf({ hostname, port, protocol }))).setNoDelay(true);
  }) as unknown as buildConnector.connector;

  /** Connects once by each route, for people; the states say what came of it. */
  async measure(url: string): Promise<void> {
    const target = targetOf(new URL(url));
    const attempts = this.routes.map((route) => this.attempt(route, target, this.limits.connectMs));
    for (const attempt of await Promise.allSettled(attempts)) {
      if (attempt.status === 'fulfilled') attempt.value.destroy();
    }
  }

  private async connect(target: Target): Promise<Socket> {
    const deadline = performance.now() + this.limits.allRoutesMs;
    for (const route of this.inOrder()) {
      const left = deadline - performance.now();
      if (left <= 0) break;
      const socket = await this.attempt(route, target, Math.min(this.limits.connectMs, left)).catch(() => null);
      if (socket) return socket;
    }
    const tried = this.routes.map(({ name, failure }) => `${name} (${failure ?? 'not tried'})`);
    throw Object.assign(new Error(`No way to Telegram works: ${tried.join(', ')}`), { code: NO_WAY });
  }

  private async attempt(route: Route, target: Target, timeoutMs: number): Promise<Socket> {
    const began = performance.now();
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const socket = await route.connect(target, signal);
      route.connectMs = Math.round(performance.now() - began);
      this.works(route);
      return socket;
    } catch (error) {
      this.fails(route, signal.aborted ? 'no connection in time' : reasonOf(error));
      throw error;
    }
  }

  /** Routes that cool down are tried only while all of them do, the first to be ready first. */
  private inOrder(): Route[] {
    const now = performance.now();
    const ready = this.routes.filter(({ cooldownUntil }) => cooldownUntil <= now);
    return ready.length > 0 ? ready : [...this.routes].sort((a, b) => a.cooldownUntil - b.cooldownUntil);
  }

  private works(route: Route): void {
    if (route.failure !== null) this.logger.log(`Telegram can be reached by ${route.name} again`);
    route.failure = null;
    route.cooldownUntil = 0;
  }

  private fails(route: Route, reason: string): void {
    if (route.failure === null) this.logger.warn(`Telegram cannot be reached by ${route.name}: ${reason}`);
    route.failure = reason;
    route.cooldownUntil = performance.now() + this.limits.cooldownMs;
  }
}

/** Null: no candidate is a proxy, so none is needed. */
export function routesOf(proxyCandidates: readonly string[]): TelegramRoutes | null {
  return proxyCandidates.some((candidate) => candidate !== DIRECT) ? new TelegramRoutes(proxyCandidates) : null;
}

function targetOf({
  hostname,
  port,
  protocol,
}: Pick<buildConnector.Options, 'hostname' | 'port' | 'protocol'>): Target {
  const secure = protocol === 'https:';
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (secure ? 443 : 80), secure };
}

function routeOf(candidate: string): Route {
  const route = { failure: null, connectMs: null, cooldownUntil: 0 };
  if (candidate === DIRECT) return { ...route, name: DIRECT, connect: direct };
  const proxy = new URL(candidate);
  const dial = proxy.protocol.startsWith('socks') ? throughSocks : throughHttp;
  return {
    ...route,
    name: `${proxy.protocol}//${proxy.host}`,
    connect: async (target, signal) => secured(await dial(proxy, target, signal), target, signal),
  };
}

async function direct(target: Target, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host: target.host, port: target.port });
  return secured(await ready(socket, 'connect', signal), target, signal);
}

/** A tunnel by CONNECT (RFC 9110, 9.3.6). Any answer but 2xx is a refusal, and no answer of Telegram. */
function throughHttp(proxy: URL, target: Target, signal: AbortSignal): Promise<Socket> {
  const { host, port } = target;
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const request = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    method: 'CONNECT',
    path: authority,
    agent: false,
    signal,
    headers: {
      host: authority,
      ...(proxy.username || proxy.password
        ? { 'proxy-authorization': `Basic ${Buffer.from(credentialsOf(proxy).join(':')).toString('base64')}` }
        : {}),
    },
  });
  return new Promise((resolve, reject) => {
    const refuse = (status: number | undefined) => reject(new Error(`the proxy answers ${status}`));
    request.once('connect', ({ statusCode = 0 }, socket: Socket) => {
      if (statusCode >= 200 && statusCode < 300) return resolve(socket);
      socket.destroy();
      refuse(statusCode);
    });
    request.once('response', (answer) => {
      answer.destroy();
      refuse(answer.statusCode);
    });
    request.on('error', reject);
    request.end();
  });
}

async function throughSocks(proxy: URL, target: Target, signal: AbortSignal): Promise<Socket> {
  const [userId, password] = credentialsOf(proxy);
  const connection = SocksClient.createConnection({
    proxy: {
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: Number(proxy.port) || 1080,
      type: 5,
      ...(userId ? { userId, password } : {}),
    },
    // The proxy resolves the name: where Telegram is blocked, local name servers lie as well.
    destination: { host: target.host, port: target.port },
    command: 'connect',
    timeout: CONNECT_MS,
  });
  const { socket } = await Promise.race([connection, rejection(signal)]).catch((error: unknown) => {
    void connection.then(
      (late) => late.socket.destroy(),
      () => undefined,
    );
    throw error;
  });
  return socket;
}

/** The TLS handshake belongs to the route: whoever blocks Telegram likes to let the connection stand and no more. */
function secured(socket: Socket, { host, secure }: Target, signal: AbortSignal): Socket | Promise<Socket> {
  if (!secure) return socket;
  const servername = isIP(host) ? {} : { servername: host };
  return ready(connectTls({ ...servername, host, socket, ALPNProtocols: ['http/1.1'] }), 'secureConnect', signal);
}

function ready(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const end = (error?: Error) => {
      socket.off(event, done).off('error', fail).off('close', fail);
      signal.removeEventListener('abort', abort);
      if (!error) return resolve(socket);
      // Errors that follow are of no interest.
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const done = () => end();
    const fail = (error?: unknown) => end(error instanceof Error ? error : new Error('closed before it stood'));
    const abort = () => end(signal.reason as Error);
    socket.once(event, done).once('error', fail).once('close', fail);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

const credentialsOf = ({ username, password }: URL) => [decodeURIComponent(username), decodeURIComponent(password)];

/** A code, or a few words; the libraries' errors carry the proxy's password along, so nothing else of them is kept. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : String(message ?? 'failed').slice(0, 100);
}
