import { Counter, Histogram, type Registry } from 'prom-client';
import { SEND_MESSAGES } from '../common/connector-methods.js';
import type { CallOutcome, NetworkCall } from '../common/spans.js';

export const DIRECTIONS = ['inbound', 'outbound'] as const;

/**
 * To Prometheus a counter that appears with the value 1 has not risen, so a rule on its rise does not fire. The series
 * that rules look at therefore begin at 0, as far as they are known.
 */
const KNOWN_SENDS = {
  telegram: ['message', 'edit', 'delete'],
  bitrix24: ['message', 'edit', 'delete', 'note', 'status'],
} as const;
const KNOWN_CALLS = {
  telegram: ['getUpdates', 'sendMessage', 'download'],
  bitrix24: ['batch', SEND_MESSAGES],
} as const;
const CALL_OUTCOMES: CallOutcome[] = ['ok', 'not_sent', 'refused', 'unauthorised', 'unknown', 'broken'];
const NETWORKS = ['telegram', 'bitrix24'] as const;

/** Why an event or update was not accepted: we could not, it does not prove its origin, or it cannot be read. */
const REFUSALS = ['unavailable', 'forbidden', 'malformed'] as const;
export type Refusal = (typeof REFUSALS)[number];

export type Counters = ReturnType<typeof createCounters>;

/** What the process counts, in Prometheus' words. */
export function createCounters(registry: Registry) {
  const counters = {
    requests: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'HTTP requests answered, by route.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [registry],
    }),
    accepted: new Counter({
      name: 'openlines_messages_accepted_total',
      help: 'Messages committed, by direction (inbound: client to operator).',
      labelNames: ['direction'],
      registers: [registry],
    }),
    duplicates: new Counter({
      name: 'openlines_messages_duplicate_total',
      help: 'Messages that had been committed before and came again.',
      labelNames: ['direction'],
      registers: [registry],
    }),
    sends: new Histogram({
      name: 'openlines_send_duration_seconds',
      help: 'Attempts settled, by network, kind of delivery and outcome; the time since the message was stored.',
      labelNames: ['network', 'kind', 'outcome'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers: [registry],
    }),
    refusals: new Counter({
      name: 'openlines_intake_refused_total',
      help: 'Events and updates that were not taken in, by the network that sent them and the reason (unavailable, forbidden, malformed).',
      labelNames: ['network', 'reason'],
      registers: [registry],
    }),
    calls: {
      telegram: requestsTo(registry, 'telegram', 'the Bot API'),
      bitrix24: requestsTo(registry, 'bitrix24', 'Bitrix24 (a batch counts once)'),
    },
    callTimes: new Histogram({
      name: 'openlines_network_request_duration_seconds',
      help: 'Requests to the networks, long polls left out.',
      labelNames: ['network'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers: [registry],
    }),
  };
  beginAtZero(counters);
  return counters;
}

function beginAtZero(counters: Counters): void {
  for (const direction of DIRECTIONS) {
    counters.accepted.inc({ direction }, 0);
    counters.duplicates.inc({ direction }, 0);
  }
  for (const network of NETWORKS) {
    for (const reason of REFUSALS) counters.refusals.inc({ network, reason }, 0);
    for (const method of KNOWN_CALLS[network]) {
      for (const outcome of CALL_OUTCOMES) counters.calls[network].inc({ method, outcome }, 0);
    }
    for (const kind of KNOWN_SENDS[network]) {
      for (const outcome of ['delivered', 'retry', 'failed']) counters.sends.zero({ network, kind, outcome });
    }
  }
  // Only for an operator's message can nobody find out.
  counters.sends.zero({ network: 'telegram', kind: 'message', outcome: 'uncertain' });
}

function requestsTo(registry: Registry, network: NetworkCall['network'], whom: string) {
  return new Counter({
    name: `openlines_${network}_requests_total`,
    help: `Requests to ${whom}, by method and outcome (ok, not_sent, refused, unauthorised, unknown, broken).`,
    labelNames: ['method', 'outcome'],
    registers: [registry],
  });
}
