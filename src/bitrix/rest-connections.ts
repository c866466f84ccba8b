import { Injectable } from '@nestjs/common';
import { Pool } from 'undici';
import { exchange, type HttpAnswer, type HttpRequest, TIMEOUT, TransportError } from '../common/http-exchange.js';

/** To one portal at the same time; a driver makes ten calls at once, and others (settings, installation) join. */
const CONNECTIONS = 16;
/**
 * Kept connections that were idle for longer are closed by us: writing to one that the far side is just closing
 * would be a call whose outcome nobody knows.
 */
const IDLE_MS = 10_000;
/** To a connection that stands, with TLS its handshake too. */
const CONNECT_MS = 10_000;

/** Connections to portals, kept for a while, those of each portal apart. */
@Injectable()
export class RestConnections {
  private readonly pools = new Map<string, Pool>();

  /** POSTs once. Rejects with a {@link TransportError}. */
  async post(request: Omit<HttpRequest, 'method'>): Promise<HttpAnswer> {
    const { origin } = request.url;
    const pool = this.pool(origin);
    try {
      return await exchange(pool, { ...request, method: 'POST' });
    } catch (error) {
      // One went silent, and so may have all that stand: what comes next gets new ones.
      if (error instanceof TransportError && error.code === TIMEOUT && error.written) this.leave(origin, pool);
      throw error;
    }
  }

  private pool(origin: string): Pool {
    const kept = this.pools.get(origin);
    if (kept) return kept;
    const pool = new Pool(origin, {
      connections: CONNECTIONS,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      connect: { timeout: CONNECT_MS },
    });
    // A portal that rests costs nothing.
    const ended = () => {
      const { connected, size } = pool.stats;
      if (connected === 0 && size === 0) this.leave(origin, pool);
    };
    pool.on('disconnect', ended).on('connectionError', ended);
    this.pools.set(origin, pool);
    return pool;
  }

  /** Calls that are under way end by themselves. */
  private leave(origin: string, pool: Pool): void {
    if (this.pools.get(origin) === pool) this.pools.delete(origin);
    if (!pool.closed) void pool.close();
  }
}
