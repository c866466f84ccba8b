import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { within } from '../common/within.js';
import { RelayEvents } from '../relay/relay-events.js';
import { OverviewRepository } from '../storage/overview.repository.js';

const CHANNELS = ['inbound', 'outbound', 'status', 'reading'] as const;
/** A scrape must not hang on a database that is away; milliseconds. */
const SCRAPE_LIMIT_MS = 1_000;

/** Counts what the process does, in Prometheus' words. One registry per application, so that tests do not mix. */
@Injectable()
export class MetricsService implements OnModuleInit {
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
    help: 'Attempts settled, by network, kind of delivery and outcome; the time is that of the call.',
    labelNames: ['network', 'kind', 'outcome'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
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
  ) {}

  onModuleInit(): void {
    collectDefaultMetrics({ register: this.registry });
    this.events.on('accepted', ({ direction, count, duplicates }) => {
      this.accepted.inc({ direction }, count);
      this.duplicates.inc({ direction }, duplicates);
    });
    this.events.on('settled', ({ network, kind, outcome, ms }) => {
      this.sends.observe({ network, kind, outcome }, ms / 1000);
    });
  }

  /** The route's pattern, not its address, is the label: addresses hold ids without end. */
  observeRequest(request: FastifyRequest, reply: FastifyReply): void {
    const labels = {
      method: request.method,
      route: request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown'),
      status: String(reply.statusCode),
    };
    this.requests.observe(labels, reply.elapsedTime / 1000);
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The text of a scrape. */
  async render(): Promise<string> {
    await this.readQueue();
    return this.registry.metrics();
  }

  private async readQueue(): Promise<void> {
    for (const gauge of [this.queued, this.waitingChats, this.oldest]) gauge.reset();
    try {
      const [depths, oldest] = await within(
        SCRAPE_LIMIT_MS,
        Promise.all([this.overview.queueDepths(), this.overview.oldestWaitingSeconds()]),
      );
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
    }
  }
}
