import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { networkCalls, type CallOutcome, type NetworkCall } from '../common/spans.js';
import { VERSION } from '../common/version.js';
import { within } from '../common/within.js';
import { EndpointSupervisor } from '../relay/endpoint-supervisor.js';
import { RelayEvents } from '../relay/relay-events.js';
import { OverviewRepository, type Census } from '../storage/history/overview.repository.js';

const CHANNELS = ['inbound', 'outbound', 'status'] as const;
const DIRECTIONS = ['inbound', 'outbound'] as const;
/** Of what there may be none, 0 is told all the same: a rule that compares needs a number. */
const KNOWN_STATES = {
  portals: ['active', 'reauthorise', 'uninstalled'],
  bots: ['active', 'conflict', 'unauthorised', 'disabled'],
  lines: ['active', 'inactive', 'deleted'],
  messages: ['queued', 'sending', 'delivered', 'failed', 'uncertain', 'ignored'],
} as const;
/**
 * A counter that appears with its first 1 never rose, as Prometheus sees it, and no rule on its rise fires. So the series
 * that rules look at begin at 0, as far as they are known.
 */
const KNOWN_SENDS = {
  telegram: ['message', 'edit', 'delete'],
  bitrix24: ['message', 'edit', 'delete', 'note', 'status'],
} as const;
const KNOWN_CALLS = {
  telegram: ['getUpdates', 'sendMessage', 'download'],
  bitrix24: ['batch', 'imconnector.send.messages'],
} as const;
const CALL_OUTCOMES: CallOutcome[] = ['ok', 'not_sent', 'refused', 'unauthorised', 'unknown', 'broken'];
const NETWORKS = ['telegram', 'bitrix24'] as const;

/** Why something that came was not taken in: we could not, it does not prove where it comes from, it is nothing known. */
const REFUSALS = ['unavailable', 'forbidden', 'malformed'] as const;
/** Addresses to which the networks send what there is to take in. */
const INTAKE_ROUTES: Partial<Record<string, NetworkCall['network']>> = {
  '/b24/handler': 'bitrix24',
  '/b24/robots/:secret': 'bitrix24',
  '/b24/sms/:secret': 'bitrix24',
  '/tg/webhook': 'telegram',
  '/tg/webhook/:botKey': 'telegram',
};

const KINDS_OF_ENDPOINTS = ['bot', 'portal'] as const;
const OBSTACLES = ['circuit', 'limit', 'trouble'] as const;
const LONG_POLL = 'getUpdates';
/** A scrape must not hang on a database that is away; milliseconds. */
const SCRAPE_LIMIT_MS = 1_000;

/** Counts what the process does, in Prometheus' words. One registry per application, so that tests do not mix. */
@Injectable()
export class MetricsService implements OnModuleInit, OnModuleDestroy {
  private readonly registry = new Registry();
  private readonly requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'HTTP requests answered, by route.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.registry],
  });
  private readonly accepted = new Counter({
    name: 'openlines_messages_accepted_total',
    help: 'Messages committed, by direction (inbound: client to operator).',
    labelNames: ['direction'],
    registers: [this.registry],
  });
  private readonly duplicates = new Counter({
    name: 'openlines_messages_duplicate_total',
    help: 'Messages that had been committed before and came again.',
    labelNames: ['direction'],
    registers: [this.registry],
  });
  private readonly sends = new Histogram({
    name: 'openlines_send_duration_seconds',
    help: 'Attempts settled, by network, kind of delivery and outcome; the time since the message was stored.',
    labelNames: ['network', 'kind', 'outcome'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [this.registry],
  });
  private readonly refusals = new Counter({
    name: 'openlines_intake_refused_total',
    help: 'Events and updates that were not taken in, by the network that sent them and the reason (unavailable, forbidden, malformed).',
    labelNames: ['network', 'reason'],
    registers: [this.registry],
  });
  private readonly calls = {
    telegram: this.callsOf('telegram', 'the Bot API'),
    bitrix24: this.callsOf('bitrix24', 'Bitrix24 (a batch counts once)'),
  };
  private readonly callTimes = new Histogram({
    name: 'openlines_network_request_duration_seconds',
    help: 'Requests to the networks, long polls left out.',
    labelNames: ['network'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [this.registry],
  });
  private readonly portals = this.census('portals', 'Portals, by state, in the whole service.');
  private readonly bots = this.census('bots', 'Bots, by state, in the whole service.');
  private readonly lines = this.census('lines', 'Open lines with our connector, by state, in the whole service.');
  private readonly messages = new Gauge({
    name: 'openlines_messages',
    help: 'Messages that are kept, by direction and state, in the whole service.',
    labelNames: ['direction', 'state'],
    registers: [this.registry],
  });
  private readonly idle = new Gauge({
    name: 'openlines_endpoints_idle',
    help: 'Bots and portals that no replica drives at this moment, in the whole service.',
    registers: [this.registry],
  });
  private readonly driven = new Gauge({
    name: 'openlines_endpoints_driven',
    help: 'Bots and portals that this replica drives, by kind and by whether they are well.',
    labelNames: ['kind', 'health'],
    registers: [this.registry],
  });
  private readonly heldBack = new Gauge({
    name: 'openlines_endpoints_held_back',
    help: 'Bots and portals of this replica to which nothing is sent at this moment, by kind and obstacle (circuit, limit, trouble).',
    labelNames: ['kind', 'obstacle'],
    registers: [this.registry],
  });
  private readonly pollAge = new Gauge({
    name: 'openlines_poll_age_seconds',
    help: 'Time since Telegram last answered a poll, of the bot of this replica for which it is longest; 0 when none is polled.',
    registers: [this.registry],
  });
  private readonly queued = new Gauge({
    name: 'openlines_queue_deliveries',
    help: 'Deliveries that are still to be done, by channel, in the whole service.',
    labelNames: ['channel'],
    registers: [this.registry],
  });
  private readonly waitingChats = new Gauge({
    name: 'openlines_queue_chats',
    help: 'Chats that have deliveries still to be done, by channel, in the whole service.',
    labelNames: ['channel'],
    registers: [this.registry],
  });
  private readonly oldest = new Gauge({
    name: 'openlines_oldest_waiting_seconds',
    help: 'Age of the message that waits longest; 0 when none waits.',
    registers: [this.registry],
  });
  private readonly databaseUp = new Gauge({
    name: 'openlines_database_up',
    help: '1 while PostgreSQL answers; at 0 the gauges of the queue are missing.',
    registers: [this.registry],
  });

  constructor(
    private readonly events: RelayEvents,
    private readonly overview: OverviewRepository,
    private readonly supervisor: EndpointSupervisor,
  ) {}

  onModuleInit(): void {
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: 'openlines_build_info',
      help: 'Version of the program; always 1.',
      labelNames: ['version'],
      registers: [this.registry],
    }).set({ version: VERSION }, 1);
    this.beginAtZero();
    this.events.on('refused', () => this.refusals.inc({ network: 'telegram', reason: 'unavailable' }));
    this.events.on('accepted', ({ direction, count, duplicates }) => {
      this.accepted.inc({ direction }, count);
      this.duplicates.inc({ direction }, duplicates);
    });
    this.events.on('settled', ({ network, kind, outcome, ms }) => {
      this.sends.observe({ network, kind, outcome }, ms / 1000);
    });
    networkCalls.subscribe(this.countCall);
  }

  onModuleDestroy(): void {
    networkCalls.unsubscribe(this.countCall);
  }

  private readonly countCall = (call: unknown): void => {
    const { network, method, outcome, ms } = call as NetworkCall;
    this.calls[network].inc({ method, outcome });
    if (method !== LONG_POLL) this.callTimes.observe({ network }, ms / 1000);
  };

  /** The route's pattern, not its address, is the label: addresses hold ids without end. */
  observeRequest(request: FastifyRequest, reply: FastifyReply): void {
    const labels = {
      method: request.method,
      route: request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown'),
      status: String(reply.statusCode),
    };
    this.requests.observe(labels, reply.elapsedTime / 1000);
    const network = request.method === 'POST' ? INTAKE_ROUTES[labels.route] : undefined;
    const reason = refusalOf(reply.statusCode);
    if (network && reason) this.refusals.inc({ network, reason });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The text of a scrape. */
  async render(): Promise<string> {
    await this.readTables();
    this.readEndpoints();
    return this.registry.metrics();
  }

  private async readTables(): Promise<void> {
    const { portals, bots, lines, messages, idle } = this;
    for (const gauge of [this.queued, this.waitingChats, this.oldest, portals, bots, lines, messages, idle]) {
      gauge.reset();
    }
    try {
      const [depths, oldest, census, counts, idleEndpoints] = await within(
        SCRAPE_LIMIT_MS,
        Promise.all([
          this.overview.queueDepths(),
          this.overview.oldestWaitingSeconds(),
          this.overview.census(),
          this.overview.messageCounts(),
          this.overview.idleEndpoints(),
        ]),
      );
      for (const of of ['portals', 'bots', 'lines'] as const) tell(this[of], KNOWN_STATES[of], census[of]);
      for (const direction of DIRECTIONS) {
        for (const state of KNOWN_STATES.messages) this.messages.set({ direction, state }, 0);
      }
      for (const { direction, state, count } of counts) this.messages.inc({ direction, state }, count);
      this.idle.set(idleEndpoints.size);
      for (const channel of CHANNELS) {
        const depth = depths.find((row) => row.channel === channel);
        this.queued.set({ channel }, depth?.deliveries ?? 0);
        this.waitingChats.set({ channel }, depth?.chats ?? 0);
      }
      this.oldest.set(oldest ?? 0);
      this.databaseUp.set(1);
    } catch {
      // The scrape says so itself, and the process' own numbers matter most just then.
      this.databaseUp.set(0);
      this.oldest.remove();
      this.idle.remove();
    }
  }

  private readEndpoints(): void {
    this.driven.reset();
    this.heldBack.reset();
    for (const kind of KINDS_OF_ENDPOINTS) {
      for (const health of ['well', 'ill']) this.driven.set({ kind, health }, 0);
      for (const obstacle of OBSTACLES) this.heldBack.set({ kind, obstacle }, 0);
    }
    let pollAgeMs = 0;
    for (const { id, owned, healthy, heldBackBy, polledMsAgo = 0 } of this.supervisor.status()) {
      if (!owned) continue;
      const kind = id.split(':')[0]!;
      this.driven.inc({ kind, health: healthy ? 'well' : 'ill' });
      if (heldBackBy) this.heldBack.inc({ kind, obstacle: heldBackBy });
      pollAgeMs = Math.max(pollAgeMs, polledMsAgo);
    }
    this.pollAge.set(pollAgeMs / 1000);
  }

  private beginAtZero(): void {
    for (const direction of DIRECTIONS) {
      this.accepted.inc({ direction }, 0);
      this.duplicates.inc({ direction }, 0);
    }
    for (const network of NETWORKS) {
      for (const reason of REFUSALS) this.refusals.inc({ network, reason }, 0);
      for (const method of KNOWN_CALLS[network]) {
        for (const outcome of CALL_OUTCOMES) this.calls[network].inc({ method, outcome }, 0);
      }
      for (const kind of KNOWN_SENDS[network]) {
        for (const outcome of ['delivered', 'retry', 'failed']) this.sends.zero({ network, kind, outcome });
      }
    }
    // Only of an operator's message nobody can find out.
    this.sends.zero({ network: 'telegram', kind: 'message', outcome: 'uncertain' });
  }

  private callsOf(network: NetworkCall['network'], whom: string) {
    return new Counter({
      name: `openlines_${network}_requests_total`,
      help: `Requests to ${whom}, by method and outcome (ok, not_sent, refused, unauthorised, unknown, broken).`,
      labelNames: ['method', 'outcome'],
      registers: [this.registry],
    });
  }

  private census(of: keyof Census, help: string) {
    return new Gauge({ name: `openlines_${of}`, help, labelNames: ['state'], registers: [this.registry] });
  }
}

function refusalOf(status: number): (typeof REFUSALS)[number] | undefined {
  if (status >= 500) return 'unavailable';
  if (status === 401 || status === 403) return 'forbidden';
  return status >= 400 ? 'malformed' : undefined;
}

function tell(gauge: Gauge<'state'>, known: readonly string[], counts: Map<string, number>): void {
  for (const state of new Set([...known, ...counts.keys()])) gauge.set({ state }, counts.get(state) ?? 0);
}
