import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { networkCalls, type NetworkCall } from '../common/spans.js';
import { VERSION } from '../common/version.js';
import { EndpointSupervisor } from '../relay/endpoint-supervisor.js';
import { RelayEvents } from '../relay/relay-events.js';
import { OverviewRepository } from '../storage/history/overview.repository.js';
import { WaitingWorkRepository } from '../storage/history/waiting-work.repository.js';
import { EndpointsRepository } from '../storage/work/endpoints.repository.js';
import { createCounters, type Refusal } from './counters.js';
import { Gauges } from './gauges.js';

/** Addresses to which the networks send what there is to take in. */
const INTAKE_ROUTES: Partial<Record<string, NetworkCall['network']>> = {
  '/b24/handler': 'bitrix24',
  '/b24/robots/:secret': 'bitrix24',
  '/b24/sms/:secret': 'bitrix24',
  '/tg/webhook': 'telegram',
  '/tg/webhook/:botKey': 'telegram',
};

/** Its answer takes as long as nobody writes, which says nothing about the network. */
const LONG_POLL = 'getUpdates';

/** What Prometheus scrapes. One registry per application, so that tests do not mix. */
@Injectable()
export class MetricsService implements OnModuleInit, OnModuleDestroy {
  private readonly registry = new Registry();
  private readonly counters = createCounters(this.registry);
  private readonly gauges: Gauges;

  constructor(
    private readonly events: RelayEvents,
    overview: OverviewRepository,
    waiting: WaitingWorkRepository,
    endpoints: EndpointsRepository,
    supervisor: EndpointSupervisor,
  ) {
    this.gauges = new Gauges(this.registry, overview, waiting, endpoints, supervisor);
  }

  onModuleInit(): void {
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: 'openlines_build_info',
      help: 'Version of the program; always 1.',
      labelNames: ['version'],
      registers: [this.registry],
    }).set({ version: VERSION }, 1);
    this.events.on('refused', () => this.counters.refusals.inc({ network: 'telegram', reason: 'unavailable' }));
    this.events.on('accepted', ({ direction, count, duplicates }) => {
      this.counters.accepted.inc({ direction }, count);
      this.counters.duplicates.inc({ direction }, duplicates);
    });
    this.events.on('settled', ({ network, kind, outcome, ms }) => {
      this.counters.sends.observe({ network, kind, outcome }, ms / 1000);
    });
    networkCalls.subscribe(this.countCall);
  }

  onModuleDestroy(): void {
    networkCalls.unsubscribe(this.countCall);
  }

  private readonly countCall = (call: unknown): void => {
    const { network, method, outcome, ms } = call as NetworkCall;
    this.counters.calls[network].inc({ method, outcome });
    if (method !== LONG_POLL) this.counters.callTimes.observe({ network }, ms / 1000);
  };

  /** The label is the pattern of the route, as addresses hold any number of ids. */
  observeRequest(request: FastifyRequest, reply: FastifyReply): void {
    const labels = {
      method: request.method,
      route: request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown'),
      status: String(reply.statusCode),
    };
    this.counters.requests.observe(labels, reply.elapsedTime / 1000);
    const network = request.method === 'POST' ? INTAKE_ROUTES[labels.route] : undefined;
    const reason = refusalOf(reply.statusCode);
    if (network && reason) this.counters.refusals.inc({ network, reason });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The text of a scrape. */
  async render(): Promise<string> {
    await this.gauges.read();
    return this.registry.metrics();
  }
}

function refusalOf(status: number): Refusal | undefined {
  if (status >= 500) return 'unavailable';
  if (status === 401 || status === 403) return 'forbidden';
  return status >= 400 ? 'malformed' : undefined;
}
