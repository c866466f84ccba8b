import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventFormat } from './connector-events.js';
import type { Faults } from './faults.js';
import { sendRequest } from './http-exchange.js';
import { OAuthServer } from './oauth-server.js';
import { httpBuildQuery, type Params } from './php-encoding.js';
import type { PortalApp } from './portal-model.js';
import type { Portal } from './portal.js';
import type { TokenStore } from './token-store.js';

/** Events that calls made with an event's own token may still chain (`CRestUtil::HANDLER_SESSION_TTL`). */
const EVENT_SESSION_TTL = 7;
const JOURNAL_SIZE = 5000;

/** One row of `event.bind`. */
export interface EventHandler {
  id: number;
  appId: number;
  /** Upper case. */
  event: string;
  url: string;
  /** `auth_type`: 0, or the user whose token every event carries. */
  userId: number;
  offline: boolean;
}

/** An event kept for `event.offline.get`. */
export interface OfflineEvent {
  id: number;
  appId: number;
  at: number;
  event: string;
  data: unknown;
  /** Of name and data: identical events are kept once. */
  messageId: string;
}

/** What happened to one POST. */
export interface EventDelivery {
  at: number;
  event: string;
  url: string;
  body: string;
  /** `lost`: refused, reset, timed out, not 2xx, or dropped on purpose. Nothing is ever sent again. */
  outcome: 'delivered' | 'lost';
  status?: number;
  /** Round trip of the handler. */
  ms: number;
}

export interface RaiseOptions {
  /** Whose action it was; 0 or absent: nobody's, then the event carries no tokens. */
  userId?: number;
  /** Only handlers of this application. */
  appId?: number;
  /** Remaining chain length when the cause was a REST call made with an event's token. */
  eventTtl?: number;
  /** Deliveries with the same key go out one after another. */
  lane?: string;
  /** Adds `refresh_token`, as ONAPPINSTALL does. */
  withRefresh?: boolean;
  /** No tokens at all, as ONAPPUNINSTALL. */
  tokenless?: boolean;
}

/**
 * The queue that calls event handlers: asynchronous, at most once, never again after a failure. Events of one dialog go
 * out one by one in the order in which they were raised; the real queue promises no order (see `reorderNext`).
 */
export class EventQueue {
  /** Wait before each delivery, ms. */
  delayMs = 0;
  /** The queue server's own patience is not documented. */
  timeoutMs = 10_000;
  wrongApplicationToken = false;
  foreignMemberId: string | null = null;
  /** Merged into the payload, as a future version of Bitrix24 might. */
  extraFields: Params = {};
  readonly format: EventFormat = {
    prefixStyle: 'new',
    updatePrefixStyle: 'old',
    downloadLinks: true,
    fileSizes: true,
    deletedIds: 'scalar',
  };
  readonly journal: EventDelivery[] = [];
  lost = 0;
  /** Events for handlers of type `offline`, oldest first. */
  offline: OfflineEvent[] = [];
  private losing = 0;
  private duplicating = 0;
  private reordering = false;
  private heldBack: (() => void) | null = null;
  private readonly lanes = new Map<string, Promise<void>>();
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 32 });

  constructor(
    private readonly portal: Portal,
    private readonly tokens: TokenStore,
    private readonly faults: Faults,
  ) {}

  /** The next `n` deliveries never leave the queue server. */
  loseNext(n = 1): void {
    this.losing += n;
  }

  /** The next `n` deliveries are made twice. */
  duplicateNext(n = 1): void {
    this.duplicating += n;
  }

  /** The next delivery waits until the one after it has been answered. */
  reorderNext(): void {
    this.reordering = true;
  }

  /** Raises an event: one POST for each online handler row, one kept event for each offline row, of an application that may have it. */
  raise(event: string, data: unknown, options: RaiseOptions = {}): void {
    if (options.eventTtl !== undefined && options.eventTtl <= 0) return;
    for (const handler of this.portal.handlers) {
      if (handler.event !== event.toUpperCase()) continue;
      if (options.appId !== undefined && handler.appId !== options.appId) continue;
      const app = this.portal.apps.find((candidate) => candidate.id === handler.appId);
      if (app === undefined || !app.installed || !app.active || app.paymentExpired || app.deleted) continue;
      if (handler.offline) this.keep(app, event.toUpperCase(), data);
      else this.enqueue(event, handler.url, this.payload(app, event, data, options, handler), options.lane ?? '');
    }
  }

  /** Sends an event to an address that is no handler row (ONAPPINSTALL to the installation path); resolves with its outcome. */
  async sendTo(
    url: string,
    app: PortalApp,
    event: string,
    data: unknown,
    options: RaiseOptions,
  ): Promise<EventDelivery> {
    return this.deliver(event, url, httpBuildQuery(this.payload(app, event, data, options)));
  }

  /**
   * Posts to the handler of a robot or an SMS sender: by the same queue, once, with the fields at the top and no `event`
   * (rest/lib/sqs.php). `withoutAuth`: nothing that says who posts.
   */
  postFields(
    url: string,
    app: PortalApp,
    name: string,
    {
      fields,
      withoutAuth = false,
      ...options
    }: { fields: Params; withoutAuth?: boolean; userId?: number; withRefresh?: boolean },
  ): void {
    if (!app.installed || !app.active || app.deleted) return;
    const auth = withoutAuth ? {} : { auth: this.auth(app, options, 0) };
    this.enqueue(name, url, { ...fields, ts: this.portal.clock.seconds(), ...auth, ...this.extraFields }, name);
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.lanes.size > 0) await Promise.all(this.lanes.values());
  }

  /** Closes the connections to handlers. */
  stop(): void {
    this.heldBack = null;
    this.agent.destroy();
  }

  private keep(app: PortalApp, event: string, data: unknown): void {
    const messageId = createHash('md5')
      .update(`${event}|${JSON.stringify(data)}`)
      .digest('hex');
    if (this.offline.some((kept) => kept.appId === app.id && kept.messageId === messageId)) return;
    this.offline.push({ id: this.portal.nextId(), appId: app.id, at: this.portal.clock.now(), event, data, messageId });
  }

  private payload(app: PortalApp, event: string, data: unknown, options: RaiseOptions, handler?: EventHandler): Params {
    return {
      event: event.toUpperCase(),
      ...(handler === undefined ? {} : { event_handler_id: handler.id }),
      data,
      ts: this.portal.clock.seconds(),
      auth: this.auth(app, options, handler?.userId ?? 0),
      ...this.extraFields,
    };
  }

  private auth(app: PortalApp, options: RaiseOptions, handlerUserId: number): Params {
    const { portal } = this;
    const common: Params = {
      domain: portal.domain,
      client_endpoint: portal.clientEndpoint,
      server_endpoint: portal.serverEndpoint,
      member_id: this.foreignMemberId ?? portal.memberId,
      application_token: this.wrongApplicationToken ? '0'.repeat(32) : app.applicationToken,
    };
    const userId = handlerUserId || (options.userId ?? 0);
    if (userId === 0 || options.tokenless === true) return common;
    const grant = { portal, app, userId };
    const access = this.tokens.issueAccess(grant, (options.eventTtl ?? EVENT_SESSION_TTL + 1) - 1);
    return {
      ...OAuthServer.grantFields(access, portal.serverEndpoint),
      ...(options.withRefresh === true ? { refresh_token: this.tokens.issueRefresh(grant) } : {}),
      ...common,
    };
  }

  private enqueue(event: string, url: string, payload: Params, lane: string): void {
    const body = httpBuildQuery(payload);
    const key = `${url}|${lane}`;
    const before = this.lanes.get(key) ?? Promise.resolve();
    if (this.reordering) {
      this.reordering = false;
      const held = new Promise<void>((resolve) => (this.heldBack = resolve));
      void held.then(() => this.follow(key, this.lanes.get(key) ?? before, event, url, body));
      return;
    }
    const release = this.heldBack;
    this.heldBack = null;
    this.follow(key, before, event, url, body, release ?? undefined);
  }

  private follow(
    key: string,
    before: Promise<void>,
    event: string,
    url: string,
    body: string,
    after?: () => void,
  ): void {
    const task = before.then(async () => {
      await this.deliver(event, url, body);
      after?.();
    });
    const settled = task.finally(() => {
      if (this.lanes.get(key) === settled) this.lanes.delete(key);
    });
    this.lanes.set(key, settled);
  }

  private async deliver(event: string, url: string, body: string): Promise<EventDelivery> {
    const fault = this.faults.takeTransport([['event', { event, body }]], false);
    const wait = this.delayMs + (typeof fault === 'object' && 'delayMs' in fault ? fault.delayMs : 0);
    if (wait > 0) await sleep(wait);
    const losing = this.losing > 0;
    if (losing) this.losing -= 1;
    if (losing || fault === 'dropBefore') {
      return this.record({ at: this.portal.clock.now(), event, url, body, outcome: 'lost', ms: 0 });
    }
    if (this.duplicating > 0) {
      this.duplicating -= 1;
      await this.post(event, url, body);
    }
    return this.post(event, url, body);
  }

  private async post(event: string, url: string, body: string): Promise<EventDelivery> {
    const at = this.portal.clock.now();
    const began = performance.now();
    const headers = {
      'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8',
      'User-Agent': 'Bitrix24 Webhook Engine',
    };
    try {
      const { status } = await sendRequest(url, {
        method: 'POST',
        headers,
        body,
        timeoutMs: this.timeoutMs,
        agent: this.agent,
      });
      const outcome = status >= 200 && status < 300 ? 'delivered' : 'lost';
      return this.record({ at, event, url, body, outcome, status, ms: performance.now() - began });
    } catch {
      // Refused, reset or too slow: the real queue logs it and forgets the event.
      return this.record({ at, event, url, body, outcome: 'lost', ms: performance.now() - began });
    }
  }

  private record(delivery: EventDelivery): EventDelivery {
    if (delivery.outcome === 'lost') this.lost += 1;
    this.journal.push(delivery);
    if (this.journal.length > JOURNAL_SIZE) this.journal.shift();
    return delivery;
  }
}
