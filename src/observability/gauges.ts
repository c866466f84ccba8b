import { Gauge, type Registry } from 'prom-client';
import { within } from '../common/within.js';
import type { EndpointSupervisor } from '../relay/endpoint-supervisor.js';
import type { Census, OverviewRepository } from '../storage/history/overview.repository.js';
import type { WaitingWorkRepository } from '../storage/history/waiting-work.repository.js';
import type { EndpointsRepository } from '../storage/work/endpoints.repository.js';
import { DIRECTIONS } from './counters.js';

const CHANNELS = ['inbound', 'outbound', 'status'] as const;
/** These are reported as 0 where there is none: a rule that compares needs a number. */
const KNOWN_STATES = {
  portals: ['active', 'reauthorise', 'uninstalled'],
  bots: ['active', 'conflict', 'unauthorised', 'disabled'],
  lines: ['active', 'inactive', 'deleted'],
  messages: ['queued', 'sending', 'delivered', 'failed', 'uncertain', 'ignored'],
} as const;
const KINDS_OF_ENDPOINTS = ['bot', 'portal'] as const;
const OBSTACLES = ['circuit', 'limit', 'trouble'] as const;
/** A scrape must not hang on a database that is away; milliseconds. */
const SCRAPE_LIMIT_MS = 1_000;

/** What is read at each scrape: the tables, and the bots and portals of this replica. */
export class Gauges {
  private readonly gauges: ReturnType<typeof createGauges>;

  constructor(
    registry: Registry,
    private readonly overview: OverviewRepository,
    private readonly waiting: WaitingWorkRepository,
    private readonly endpoints: EndpointsRepository,
    private readonly supervisor: EndpointSupervisor,
  ) {
    this.gauges = createGauges(registry);
  }

  async read(): Promise<void> {
    await this.readTables();
    this.readEndpoints();
  }

  private async readTables(): Promise<void> {
    const { portals, bots, lines, messages, idle, queued, waitingChats, oldest: age } = this.gauges;
    for (const gauge of [portals, bots, lines, messages, idle, queued, waitingChats, age]) gauge.reset();
    try {
      const [depths, oldest, census, counts, idleEndpoints] = await within(
        SCRAPE_LIMIT_MS,
        Promise.all([
          this.waiting.queueDepths(),
          this.waiting.oldestWaitingSeconds(),
          this.overview.census(),
          this.overview.messageCounts(),
          this.endpoints.idleEndpoints(),
        ]),
      );
      for (const of of ['portals', 'bots', 'lines'] as const) tell(this.gauges[of], KNOWN_STATES[of], census[of]);
      for (const direction of DIRECTIONS) {
        for (const state of KNOWN_STATES.messages) this.gauges.messages.set({ direction, state }, 0);
      }
      for (const { direction, state, count } of counts) this.gauges.messages.inc({ direction, state }, count);
      this.gauges.idle.set(idleEndpoints.size);
      for (const channel of CHANNELS) {
        const depth = depths.find((row) => row.channel === channel);
        this.gauges.queued.set({ channel }, depth?.deliveries ?? 0);
        this.gauges.waitingChats.set({ channel }, depth?.chats ?? 0);
      }
      this.gauges.oldest.set(oldest ?? 0);
      this.gauges.databaseUp.set(1);
    } catch {
      // openlines_database_up says so, and the process's own numbers matter most just then.
      this.gauges.databaseUp.set(0);
      this.gauges.oldest.remove();
      this.gauges.idle.remove();
    }
  }

  private readEndpoints(): void {
    this.gauges.driven.reset();
    this.gauges.heldBack.reset();
    for (const kind of KINDS_OF_ENDPOINTS) {
      for (const health of ['well', 'ill']) this.gauges.driven.set({ kind, health }, 0);
      for (const obstacle of OBSTACLES) this.gauges.heldBack.set({ kind, obstacle }, 0);
    }
    let pollAgeMs = 0;
    for (const { id, owned, healthy, heldBackBy, polledMsAgo = 0 } of this.supervisor.status()) {
      if (!owned) continue;
      const kind = id.split(':')[0]!;
      this.gauges.driven.inc({ kind, health: healthy ? 'well' : 'ill' });
      if (heldBackBy) this.gauges.heldBack.inc({ kind, obstacle: heldBackBy });
      pollAgeMs = Math.max(pollAgeMs, polledMsAgo);
    }
    this.gauges.pollAge.set(pollAgeMs / 1000);
  }
}

function tell(gauge: Gauge<'state'>, known: readonly string[], counts: Map<string, number>): void {
  for (const state of new Set([...known, ...counts.keys()])) gauge.set({ state }, counts.get(state) ?? 0);
}

function createGauges(registry: Registry) {
  return {
    portals: census(registry, 'portals', 'Portals, by state, in the whole service.'),
    bots: census(registry, 'bots', 'Bots, by state, in the whole service.'),
    lines: census(registry, 'lines', 'Open lines with our connector, by state, in the whole service.'),
    messages: new Gauge({
      name: 'openlines_messages',
      help: 'Messages that are kept, by direction and state, in the whole service.',
      labelNames: ['direction', 'state'],
      registers: [registry],
    }),
    idle: new Gauge({
      name: 'openlines_endpoints_idle',
      help: 'Bots and portals that no replica drives at this moment, in the whole service.',
      registers: [registry],
    }),
    driven: new Gauge({
      name: 'openlines_endpoints_driven',
      help: 'Bots and portals that this replica drives, by kind and by whether they are well.',
      labelNames: ['kind', 'health'],
      registers: [registry],
    }),
    heldBack: new Gauge({
      name: 'openlines_endpoints_held_back',
      help: 'Bots and portals of this replica to which nothing is sent at this moment, by kind and obstacle (circuit, limit, trouble).',
      labelNames: ['kind', 'obstacle'],
      registers: [registry],
    }),
    pollAge: new Gauge({
      name: 'openlines_poll_age_seconds',
      help: 'Time since Telegram last answered a poll, of the bot of this replica for which it is longest; 0 when none is polled.',
      registers: [registry],
    }),
    queued: new Gauge({
      name: 'openlines_queue_deliveries',
      help: 'Deliveries that are still to be done, by channel, in the whole service.',
      labelNames: ['channel'],
      registers: [registry],
    }),
    waitingChats: new Gauge({
      name: 'openlines_queue_chats',
      help: 'Chats that have deliveries still to be done, by channel, in the whole service.',
      labelNames: ['channel'],
      registers: [registry],
    }),
    oldest: new Gauge({
      name: 'openlines_oldest_waiting_seconds',
      help: 'Age of the message that waits longest; 0 when none waits.',
      registers: [registry],
    }),
    databaseUp: new Gauge({
      name: 'openlines_database_up',
      help: '1 while PostgreSQL answers; at 0 the gauges of the queue are missing.',
      registers: [registry],
    }),
  };
}

function census(registry: Registry, of: keyof Census, help: string) {
  return new Gauge({ name: `openlines_${of}`, help, labelNames: ['state'], registers: [registry] });
}
