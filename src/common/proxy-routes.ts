import type { Socket } from 'node:net';
import { callbackify } from 'node:util';
import { Logger } from '@nestjs/common';
import type { buildConnector } from 'undici';
import { certificateFault } from './certificate-faults.js';
import { type Dial, dialBy, type Target } from './dial.js';
import { asText } from './json-fields.js';

/** The route without a proxy, as one element of TG_PROXY_URL or B24_PROXY_URL. */
export const DIRECT = 'direct';
/** A route that failed is not tried again for so long; calls meanwhile do not wait for it. */
const COOLDOWN_MS = 30_000;
/** Time for one route to connect, TLS with the far side included. */
const CONNECT_MS = 5_000;
/** Time for all routes together: the rest of a call's 30 s belongs to the answer. */
const ALL_ROUTES_MS = 20_000;
const LIMITS = { cooldownMs: COOLDOWN_MS, connectMs: CONNECT_MS, allRoutesMs: ALL_ROUTES_MS };
/** Code of the failure when no route works: nothing was sent. */
export const NO_WAY = 'NO_WAY';

/** The state of one route. */
export interface RouteState {
  /** `socks5://10.0.0.1:1080`, without credentials, or `direct`. */
  name: string;
  /** Why it failed the last time; null: it worked, or was not needed yet. */
  failure: string | null;
  /** Milliseconds that the last connection took, TLS included; null: none stood yet. */
  connectMs: number | null;
}

interface Route extends RouteState {
  dial: Dial;
  /** Not to be tried before, by `performance.now()`. */
  cooldownUntil: number;
}

/** Whose certificates are believed, and how names are resolved where no proxy does it; see {@link Target}. */
export type Trust = Pick<Target, 'secureContext' | 'lookup'>;

/**
 * Connects to one server by the first route that works: a proxy, or none. What fails before the connection stands was
 * certainly not sent, so the same call tries the next route; after that nothing is tried again. A route that failed
 * cools down for 30 s, unless all of them do.
 *
 * Our own connector: undici's SOCKS support is experimental, and its proxy agents do not fall back to another proxy.
 */
export class ProxyRoutes {
  private readonly logger = new Logger(ProxyRoutes.name);
  private readonly routes: Route[];
  private readonly limits: typeof LIMITS;

  /**
   * @param farSide         for people: who is to be reached
   * @param proxyCandidates URLs of proxies, or `direct`, in order of preference
   */
  constructor(
    private readonly farSide: string,
    proxyCandidates: readonly string[],
    limits: Partial<typeof LIMITS> = {},
  ) {
    this.routes = proxyCandidates.map(routeOf);
    this.limits = { ...LIMITS, ...limits };
  }

  /** In the order of preference. */
  get states(): RouteState[] {
    return this.routes.map(({ name, failure, connectMs }) => ({ name, failure, connectMs }));
  }

  /** For every pool of connections; what it learns of the routes, all of them know. */
  connector(trust: Trust = {}): buildConnector.connector {
    return callbackify(async (options: buildConnector.Options) => {
      return (await this.connect({ ...addressOf(options), ...trust })).setNoDelay(true);
    }) as unknown as buildConnector.connector;
  }

  /** Connects once by each route, for people; the states say what came of it. */
  async measure(url: string, trust: Trust = {}): Promise<void> {
    const target = { ...addressOf(new URL(url)), ...trust };
    const attempts = this.routes.map((route) => this.attempt(route, target, this.limits.connectMs));
    for (const attempt of await Promise.allSettled(attempts)) {
      if (attempt.status === 'fulfilled') attempt.value.destroy();
    }
  }

  private async connect(target: Target): Promise<Socket> {
    const deadline = performance.now() + this.limits.allRoutesMs;
    let distrust: string | undefined;
    for (const route of this.inOrder()) {
      const left = deadline - performance.now();
      if (left <= 0) break;
      const socket = await this.attempt(route, target, Math.min(this.limits.connectMs, left)).catch(
        (error: unknown) => {
          distrust = certificateFault(error) ? (error as { code: string }).code : distrust;
          return null;
        },
      );
      if (socket) return socket;
    }
    const tried = this.routes.map(({ name, failure }) => `${name} (${failure ?? 'not tried'})`);
    // What the far side showed says more than that no way works.
    throw Object.assign(new Error(`No way to ${this.farSide} works: ${tried.join(', ')}`), {
      code: distrust ?? NO_WAY,
    });
  }

  private async attempt(route: Route, target: Target, timeoutMs: number): Promise<Socket> {
    const began = performance.now();
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const socket = await route.dial(target, signal);
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
    if (route.failure !== null) this.logger.log(`${this.farSide} can be reached by ${route.name} again`);
    route.failure = null;
    route.cooldownUntil = 0;
  }

  private fails(route: Route, reason: string): void {
    if (route.failure === null) this.logger.warn(`${this.farSide} cannot be reached by ${route.name}: ${reason}`);
    route.failure = reason;
    route.cooldownUntil = performance.now() + this.limits.cooldownMs;
  }
}

/** Null: no candidate is a proxy, so none is needed. */
export function routesTo(farSide: string, proxyCandidates: readonly string[]): ProxyRoutes | null {
  const isNeeded = proxyCandidates.some((candidate) => candidate !== DIRECT);
  return isNeeded ? new ProxyRoutes(farSide, proxyCandidates) : null;
}

function addressOf({
  hostname,
  port,
  protocol,
}: Pick<buildConnector.Options, 'hostname' | 'port' | 'protocol'>): Target {
  const secure = protocol === 'https:';
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (secure ? 443 : 80), secure };
}

function routeOf(candidate: string): Route {
  const route = { failure: null, connectMs: null, cooldownUntil: 0 };
  if (candidate === DIRECT) return { ...route, name: DIRECT, dial: dialBy(null) };
  const proxy = new URL(candidate);
  return { ...route, name: `${proxy.protocol}//${proxy.host}`, dial: dialBy(proxy) };
}

/** A code, or a few words; the libraries' errors carry the proxy's password along, so nothing else of them is kept. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : (asText(message) || 'failed').slice(0, 100);
}
