import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UpstreamError } from '../common/upstream-error.js';
import { watchCall } from '../common/spans.js';
import { RelayEvents } from '../relay/relay-events.js';
import { MetricsService } from './metrics.service.js';

const TABLES = {
  queueDepths: () => Promise.resolve([{ channel: 'outbound', chats: 2, deliveries: 3 }]),
  oldestWaitingSeconds: () => Promise.resolve(7),
  census: () =>
    Promise.resolve({ portals: new Map([['active', 2]]), bots: new Map([['conflict', 1]]), lines: new Map() }),
  messageCounts: () =>
    Promise.resolve([
      { portalId: 1n, botId: 1n, direction: 'inbound', state: 'failed', count: 2 },
      { portalId: 2n, botId: 1n, direction: 'inbound', state: 'failed', count: 3 },
    ]),
  idleEndpoints: () => Promise.resolve(new Set(['bot:9'])),
};
const SUPERVISOR = {
  status: () => [
    { id: 'bot:1', owned: true, healthy: false, polledMsAgo: 90_000 },
    { id: 'bot:2', owned: true, healthy: true, polledMsAgo: 1_000, heldBackBy: 'limit' },
    { id: 'bot:3', owned: false, healthy: true, polledMsAgo: 500_000, heldBackBy: 'limit' },
    { id: 'portal:1', owned: true, healthy: true, heldBackBy: 'circuit' },
  ],
};
const answered = (method: string, url: string, statusCode: number) =>
  metrics.observeRequest({ method, routeOptions: { url } } as never, { statusCode, elapsedTime: 1 } as never);

/** All that is read from tables comes from one object here. */
const metricsOf = (on: RelayEvents, tables: Partial<typeof TABLES>) =>
  new MetricsService(on, tables as never, tables as never, tables as never, SUPERVISOR as never);

const events = new RelayEvents();
const metrics = metricsOf(events, TABLES);
let text: string;

beforeAll(async () => {
  metrics.onModuleInit();
  events.emit('settled', { network: 'telegram', kind: 'message', outcome: 'delivered', ms: 20 });
  await watchCall('telegram', 'getUpdates', () => Promise.resolve());
  await watchCall('telegram', 'sendMessage', () => Promise.resolve());
  const refusal = new UpstreamError({ network: 'bitrix24', kind: 'refused', code: 'X', detail: '', scope: 'message' });
  await watchCall('bitrix24', 'batch', () => Promise.reject(refusal)).catch(() => undefined);
  answered('POST', '/b24/handler', 503);
  answered('POST', '/b24/handler', 200);
  answered('HEAD', '/b24/handler', 503);
  answered('POST', '/tg/webhook/:botKey', 401);
  answered('POST', '/tg/webhook', 404);
  answered('GET', '/admin/bots', 503);
  events.emit('refused');
  text = await metrics.render();
});

afterAll(() => metrics.onModuleDestroy());

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const names = () =>
  [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name: name!, type: type! }));
const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('a scrape', () => {
  it.each([
    'openlines_portals{state="active"} 2',
    'openlines_portals{state="reauthorise"} 0',
    'openlines_bots{state="conflict"} 1',
    'openlines_lines{state="deleted"} 0',
    'openlines_messages{direction="inbound",state="failed"} 5',
    'openlines_messages{direction="outbound",state="uncertain"} 0',
    'openlines_endpoints_idle 1',
    'openlines_endpoints_driven{kind="bot",health="ill"} 1',
    'openlines_telegram_requests_total{method="getUpdates",outcome="ok"} 1',
    'openlines_bitrix24_requests_total{method="batch",outcome="refused"} 1',
    'openlines_network_request_duration_seconds_count{network="telegram"} 1',
    'openlines_oldest_waiting_seconds 7',
    'openlines_endpoints_driven{kind="portal",health="ill"} 0',
    'openlines_endpoints_held_back{kind="bot",obstacle="limit"} 1',
    'openlines_endpoints_held_back{kind="portal",obstacle="circuit"} 1',
    'openlines_endpoints_held_back{kind="portal",obstacle="trouble"} 0',
    'openlines_poll_age_seconds 90',
    'openlines_intake_refused_total{network="bitrix24",reason="unavailable"} 1',
    'openlines_intake_refused_total{network="bitrix24",reason="forbidden"} 0',
    'openlines_intake_refused_total{network="telegram",reason="forbidden"} 1',
    'openlines_intake_refused_total{network="telegram",reason="malformed"} 1',
    'openlines_intake_refused_total{network="telegram",reason="unavailable"} 1',
    `openlines_build_info{version="${version}"} 1`,
  ])('says %s', (line) => expect(text.split('\n')).toContain(line));

  it('before anything happened has the counters that rules look at, at 0', async () => {
    const fresh = metricsOf(new RelayEvents(), TABLES);
    fresh.onModuleInit();
    const lines = (await fresh.render()).split('\n');
    fresh.onModuleDestroy();
    for (const series of [
      'openlines_send_duration_seconds_count{network="telegram",kind="message",outcome="uncertain"}',
      'openlines_send_duration_seconds_count{network="telegram",kind="message",outcome="failed"}',
      'openlines_send_duration_seconds_count{network="bitrix24",kind="note",outcome="failed"}',
      'openlines_messages_accepted_total{direction="inbound"}',
      'openlines_messages_duplicate_total{direction="outbound"}',
      'openlines_telegram_requests_total{method="getUpdates",outcome="not_sent"}',
      'openlines_bitrix24_requests_total{method="batch",outcome="unknown"}',
      'openlines_intake_refused_total{network="telegram",reason="unavailable"}',
    ])
      expect(lines).toContain(`${series} 0`);
  });

  it('without a database tells what the process knows, and that it is away', async () => {
    const away = { ...TABLES, census: () => Promise.reject(new Error('away')) };
    const alone = metricsOf(events, away);
    const lines = (await alone.render()).split('\n');
    expect(lines).toContain('openlines_database_up 0');
    expect(lines).toContain('openlines_endpoints_driven{kind="bot",health="ill"} 1');
    const gone = /^openlines_(portals|messages|endpoints_idle|oldest_waiting_seconds|queue_deliveries)[ {]/;
    expect(lines.filter((line) => gone.test(line))).toEqual([]);
  });
});

describe('what is said about the metrics', () => {
  /** Every name that a series can have. */
  const series = () =>
    new Set(
      names().flatMap(({ name, type }) =>
        type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
  const PREFIXES = /\b(?:openlines|http|process|nodejs)_[a-z0-9_]+/g;

  it('in docs/metrics.md is complete, and is about nothing else', () => {
    const rows = file('docs/metrics.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => line.split('|')[1]!.match(PREFIXES) ?? []);
    expect(rows.toSorted()).toEqual(
      names()
        .map(({ name }) => name)
        .toSorted(),
    );
    const mentioned = file('docs/metrics.md').match(PREFIXES) ?? [];
    expect(mentioned.filter((name) => !series().has(name))).toEqual([]);
  });

  it('in the alerts exists, and each alert is explained in words', () => {
    const { groups } = load(file('deploy/prometheus/alerts.yml')) as {
      groups: { rules: { alert: string; expr: string; annotations: { summary: string; description: string } }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(9);
    for (const { alert, expr, annotations } of rules) {
      const used = expr.match(PREFIXES) ?? [];
      expect(used.length, alert).toBeGreaterThan(0);
      expect(
        used.filter((name) => !series().has(name)),
        alert,
      ).toEqual([]);
      expect(annotations.summary.length, alert).toBeGreaterThan(10);
      expect(annotations.description.length, alert).toBeGreaterThan(50);
    }
  });

  it('in the alerts is in the dashboard, too: who is woken sees how it came to that', () => {
    const { groups } = load(file('deploy/prometheus/alerts.yml')) as { groups: { rules: { expr: string }[] }[] };
    const bases = (text: string) =>
      (text.match(PREFIXES) ?? []).map((name) => name.replace(/_(?:count|bucket|sum)$/, ''));
    const shown = new Set(bases(file('deploy/grafana/dashboard.json')));
    const alarming = groups.flatMap(({ rules }) => rules).flatMap(({ expr }) => bases(expr));
    expect([...new Set(alarming)].filter((name) => !shown.has(name))).toEqual([]);
  });

  it('in the dashboard exists, and each panel knows its data source', () => {
    const dashboard = JSON.parse(file('deploy/grafana/dashboard.json')) as {
      templating: { list: { name: string; type: string }[] };
      panels: { type: string; title: string; targets?: { expr: string; datasource: { uid: string } }[] }[];
    };
    expect(dashboard.templating.list).toContainEqual(
      expect.objectContaining({ name: 'datasource', type: 'datasource' }),
    );
    for (const { type, title, targets = [] } of dashboard.panels.filter((panel) => panel.type !== 'row')) {
      expect(targets.length, `${type} ${title}`).toBeGreaterThan(0);
      for (const { expr, datasource } of targets) {
        expect(datasource.uid).toBe('${datasource}');
        const used = expr.match(PREFIXES) ?? [];
        expect(used.length, title).toBeGreaterThan(0);
        expect(
          used.filter((name) => !series().has(name)),
          title,
        ).toEqual([]);
      }
    }
  });
});
