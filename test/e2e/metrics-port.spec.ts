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

it('a scraper that keeps its connection does not hold up the end', async () => {
  await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const { program } = bridge;
  expect(await program.stop()).toBe(0);
});
