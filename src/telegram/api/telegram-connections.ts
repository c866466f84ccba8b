import { buildConnector, Client, type Dispatcher, Pool } from 'undici';
import { pausable } from '../../common/paused-connections.js';
import type { ProxyRoutes } from '../../common/proxy-routes.js';

/**
 * A connection that was not used for this long is closed. A NAT, proxy or firewall forgets idle connections silently,
 * after 30 s at the earliest, and so does a computer that changes its network; the parts of one message, and messages
 * at the pace of a chat, follow each other within seconds.
 */
const IDLE_MS = 5_000;
const IDLE = { keepAliveTimeout: IDLE_MS, keepAliveMaxTimeout: IDLE_MS };
/** To a connection that stands; by proxies, see ProxyRoutes. */
const CONNECT_MS = 10_000;
const DOWNLOADS = 256;

/** How connections to the Bot API are made: with or without TLS, by proxies or not. */
export class TelegramConnections {
  /** Of all bots: files may be asked for again. */
  readonly downloads: Dispatcher;
  private readonly origin: string;
  private readonly connect: buildConnector.connector;

  constructor(apiRoot: string, routes: ProxyRoutes | null) {
    this.origin = new URL(apiRoot).origin;
    this.connect = routes?.connector() ?? buildConnector({ timeout: CONNECT_MS });
    this.downloads = new Pool(this.origin, { ...IDLE, connections: DOWNLOADS, connect: pausable(this.connect) });
  }

  ofBot(): BotConnections {
    return new BotConnections((options) => new Client(this.origin, { ...options, connect: this.connect }));
  }
}

/** Makes an exchange over a connection; resolves once the answer has been read. */
type Exchange<Answer> = (by: Dispatcher) => Promise<Answer>;

/**
 * One bot's connections. When all that stand go silent at once, because the network changed, what was written into one
 * is in doubt, and nothing shows it beforehand. So calls keep one connection, for one of them at a time, and whatever
 * comes meanwhile gets a new one: at most one message goes into the silence, and its end leaves nothing old behind.
 */
export class BotConnections {
  private readonly kept: KeptConnection;
  private readonly polls: KeptConnection;

  constructor(private readonly make: (options: Client.Options) => Client) {
    this.kept = new KeptConnection(() => make(IDLE));
    this.polls = new KeptConnection(() => make(IDLE));
  }

  /** For calls that are short. */
  call<Answer>(exchange: Exchange<Answer>): Promise<Answer> {
    return this.kept.isBusy ? this.fresh(exchange) : this.kept.lend(exchange);
  }

  /** For long polls, one after the other. */
  poll<Answer>(exchange: Exchange<Answer>): Promise<Answer> {
    return this.polls.isBusy ? this.fresh(exchange) : this.polls.lend(exchange);
  }

  /** For what takes long by itself. */
  upload<Answer>(exchange: Exchange<Answer>): Promise<Answer> {
    return this.fresh(exchange);
  }

  private async fresh<Answer>(exchange: Exchange<Answer>): Promise<Answer> {
    const client = this.make({ pipelining: 0 });
    try {
      return await exchange(client);
    } finally {
      void client.destroy();
    }
  }
}

/** One connection that is used again while it is young. */
class KeptConnection {
  private client: Client | undefined;
  private usedAt = 0;
  isBusy = false;

  constructor(private readonly make: () => Client) {}

  async lend<Answer>(exchange: Exchange<Answer>): Promise<Answer> {
    this.isBusy = true;
    try {
      return await exchange(this.young());
    } finally {
      this.isBusy = false;
      this.usedAt = performance.now();
    }
  }

  /** Checks the clock as well: in a process that was frozen the timers are late. */
  private young(): Client {
    if (this.client && performance.now() - this.usedAt < IDLE_MS) return this.client;
    void this.client?.destroy();
    this.client = this.make();
    return this.client;
  }
}
