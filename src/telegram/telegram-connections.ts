import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { TelegramRoutes } from './telegram-routes.js';

/**
 * A connection that was not used for so long is closed. Whoever forgets connections (NAT, a proxy, a firewall) does so
 * without a word, after 30 s at the soonest, and so does a computer that changes its network; the parts of one message,
 * and messages at the pace of a chat, follow each other within seconds.
 */
const IDLE_MS = 5_000;
const KEPT: AgentOptions = { keepAlive: true, timeout: IDLE_MS, maxFreeSockets: 1 };
const DOWNLOADS: AgentOptions = { keepAlive: true, timeout: IDLE_MS, maxSockets: 256, scheduling: 'lifo' };

/** How connections to the Bot API are made: with or without TLS, by proxies or not. */
export class TelegramConnections {
  /** Of all bots: files may be asked for again. */
  readonly downloads: HttpAgent;

  constructor(
    private readonly apiRoot: string,
    private readonly routes: TelegramRoutes | null,
  ) {
    this.downloads = this.agent(DOWNLOADS);
  }

  ofBot(): BotConnections {
    return new BotConnections((options) => this.agent(options));
  }

  private agent(options: AgentOptions): HttpAgent {
    if (this.routes) return this.routes.agent(options);
    return this.apiRoot.startsWith('https:') ? new HttpsAgent(options) : new HttpAgent(options);
  }
}

/** Makes an exchange by the connections of an agent; resolves when the answer is read. */
type Exchange<Answer> = (agent: HttpAgent) => Promise<Answer>;

/**
 * One bot's connections. When all that stand go silent at once, because the network changed, what was written into one
 * is in doubt, and nothing shows it beforehand. So calls keep one connection, for one of them at a time, and whatever
 * comes meanwhile gets a new one: at most one message goes into the silence, and its end leaves nothing old behind.
 */
export class BotConnections {
  private readonly kept: HttpAgent;
  private readonly fresh: HttpAgent;
  private readonly polls: HttpAgent;
  private keptIsBusy = false;

  constructor(agent: (options: AgentOptions) => HttpAgent) {
    this.kept = agent(KEPT);
    this.fresh = agent({ keepAlive: false });
    this.polls = agent(KEPT);
  }

  /** For calls that are short. */
  async call<Answer>(exchange: Exchange<Answer>): Promise<Answer> {
    if (this.keptIsBusy) return exchange(this.fresh);
    this.keptIsBusy = true;
    try {
      return await exchange(this.kept);
    } finally {
      this.keptIsBusy = false;
    }
  }

  /** For long polls, one after the other. */
  poll<Answer>(exchange: Exchange<Answer>): Promise<Answer> {
    return exchange(this.polls);
  }

  /** For what takes long by itself. */
  upload<Answer>(exchange: Exchange<Answer>): Promise<Answer> {
    return exchange(this.fresh);
  }
}
