import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge } from '../support/bridge.js';
import { freePort } from '../support/program.js';

let bridge: Bridge;
let port: number;

beforeAll(async () => {
  port = await freePort();
  bridge = await Bridge.start({ oneProcess: 'one port', environment: { METRICS_PORT: String(port) } });
});
afterAll(() => bridge?.stop());

it('with METRICS_PORT metrics are answered there, and only there', async () => {
  const scraped = await fetch(`http://127.0.0.1:${port}/metrics?of=any`);
  expect(scraped.status).toBe(200);
  expect(scraped.headers.get('content-type')).toMatch(/^text\/plain; version=/);
  expect(await scraped.text()).toContain('openlines_database_up 1');
  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/admin/bots'],
    ['GET', '/health/live'],
    ['POST', '/metrics'],
  ] as const)
    expect((await fetch(`http://127.0.0.1:${port}${path}`, { method })).status, `${method} ${path}`).toBe(404);

  const { status, json } = await bridge.program.get('/metrics');
  expect({ status, code: json.code }).toEqual({ status: 404, code: 'not_found' });
});

it('what the dashboard and the alerts look at is there from the start', async () => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const families = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]));
  const looked = ['deploy/grafana/dashboard.json', 'deploy/prometheus/alerts.yml', 'docs/metrics.md'].flatMap(
    (file) => readFileSync(file, 'utf8').match(/\b(?:openlines|http|process|nodejs)_[a-z0-9_]+/g) ?? [],
  );
  expect(new Set(looked).size).toBeGreaterThan(30);
  const missing = looked.filter((name) => {
    const base = name.replace(/_(?:count|bucket|sum)$/, '');
    return !families.has(name) && families.get(base) !== 'histogram';
  });
  expect([...new Set(missing)]).toEqual([]);
});

it('a scraper that keeps its connection does not hold up the end', async () => {
  await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const { program } = bridge;
  expect(await program.stop()).toBe(0);
});
