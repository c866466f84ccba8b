import type { LookupFunction } from 'node:net';
import { Injectable } from '@nestjs/common';
import { type buildConnector, Pool } from 'undici';
import { exchange, type HttpAnswer, type HttpRequest, TIMEOUT, TransportError } from '../common/http-exchange.js';
import { type ProxyRoutes, type RouteState, routesTo } from '../common/proxy-routes.js';
import { Environment } from '../config/environment.js';
import { type Authorities, CertificateAuthorities } from './certificate-authorities.js';

/** To one portal at the same time; a driver makes ten calls at once, and others (settings, installation) join. */
const CONNECTIONS = 16;
/**
 * Kept connections that were idle for longer are closed by us: writing to one that the far side is just closing
 * would be a call whose outcome nobody knows.
 */
const IDLE_MS = 10_000;
/** To a connection that stands, with TLS its handshake too; by proxies, see {@link ProxyRoutes}. */
const CONNECT_MS = 10_000;

/** How undici connects: by a function, or itself with these options. */
export type Connect = buildConnector.connector | buildConnector.BuildOptions;

/**
 * All connections to Bitrix24: to portals and to OAuth servers, by the proxies of B24_PROXY_URL if set. What goes wrong on
 * the way to one server says nothing about the others: each has routes of its own.
 */
@Injectable()
export class BitrixConnections {
  private readonly pools = new Map<string, Pool>();
  private readonly routes = new Map<string, ProxyRoutes>();

  constructor(
    private readonly environment: Environment,
    private readonly authorities: CertificateAuthorities,
  ) {}

  /**
   * POSTs once, by kept connections. Rejects with a {@link TransportError}.
   *
   * @param clientId of the application whose portal it is; null: the OAuth server
   */
  async post(request: Omit<HttpRequest, 'method'>, clientId: string | null): Promise<HttpAnswer> {
    const { origin } = request.url;
    const authorities = await this.authoritiesOf(clientId);
    const key = `${origin} ${authorities.id}`;
    const pool = this.pools.get(key) ?? this.open(key, origin, authorities);
    try {
      return await exchange(pool, { ...request, method: 'POST' });
    } catch (error) {
      // One went silent, and so may have all that stand: what comes next gets new ones.
      if (error instanceof TransportError && error.code === TIMEOUT && error.written) this.leave(key, pool);
      throw error;
    }
  }

  /** For a connection of its own to a portal; `lookup` resolves its name where no proxy does. */
  async connector(url: URL, clientId: string, lookup?: LookupFunction): Promise<Connect> {
    const { secureContext } = await this.authoritiesOf(clientId);
    return this.routesOf(url.origin)?.connector({ secureContext, lookup }) ?? { secureContext, lookup };
  }

  /** The ways to these servers, in the order of preference; none: no proxy is set. */
  routeStates(origins: readonly string[]): RouteState[] {
    return origins.flatMap((origin) => this.routesOf(origin)?.states ?? []);
  }

  /** Connects to each of these servers by each route; {@link routeStates} tells. */
  async measure(origins: readonly string[]): Promise<void> {
    const { secureContext } = this.authorities.ofAll;
    await Promise.all(origins.map(async (origin) => this.routesOf(origin)?.measure(origin, { secureContext })));
  }

  private async authoritiesOf(clientId: string | null): Promise<Authorities> {
    return clientId === null ? this.authorities.ofAll : this.authorities.of(clientId);
  }

  private routesOf(origin: string): ProxyRoutes | null {
    const known = this.routes.get(origin);
    if (known) return known;
    const routes = routesTo(new URL(origin).host, this.environment.bitrixProxies);
    if (routes) this.routes.set(origin, routes);
    return routes;
  }

  private open(key: string, origin: string, { secureContext }: Authorities): Pool {
    const pool = new Pool(origin, {
      connections: CONNECTIONS,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      connect: this.routesOf(origin)?.connector({ secureContext }) ?? { timeout: CONNECT_MS, secureContext },
    });
    // A portal that rests costs nothing.
    const ended = () => {
      const { connected, size } = pool.stats;
      if (connected === 0 && size === 0) this.leave(key, pool);
    };
    pool.on('disconnect', ended).on('connectionError', ended);
    this.pools.set(key, pool);
    return pool;
  }

  /** Calls that are under way end by themselves. */
  private leave(key: string, pool: Pool): void {
    if (this.pools.get(key) === pool) this.pools.delete(key);
    if (!pool.closed) void pool.close();
  }
}
