import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { Client } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { ProxyRoutes } from '../../src/common/proxy-routes.js';
import { classifyFailure } from '../../src/telegram/api/telegram-errors.js';
import { ConnectProxy, SocksProxy } from '../support/loopback-proxies.js';

const LOGIN = { user: 'me', password: 'pass:word' };
const LIMITS = { cooldownMs: 300, connectMs: 300 };

let server: Server;
let port: number;
let http: ConnectProxy;
let socks: SocksProxy;

beforeAll(async () => {
  server = createServer((_request, response) => response.setHeader('connection', 'close').end('answer'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});

afterAll(() => server.close());

beforeEach(async () => {
  [http, socks] = await Promise.all([ConnectProxy.start(LOGIN), SocksProxy.start(LOGIN)]);
});

afterEach(() => Promise.all([http.die(), socks.die()]));

async function ask(routes: ProxyRoutes): Promise<string> {
  const client = new Client(`http://127.0.0.1:${port}`, { connect: routes.connector() });
  try {
    const { body } = await client.request({ method: 'GET', path: '/' });
    return await body.text();
  } finally {
    await client.close();
  }
}

it('tunnels through either kind, with credentials', async () => {
  for (const proxy of [http, socks]) {
    expect(await ask(new ProxyRoutes('Telegram', [proxy.url], LIMITS))).toBe('answer');
    expect(proxy.tunnels).toEqual([`127.0.0.1:${port}`]);
  }
});

it.each([407, 503])('takes a proxy that answers %d for one that does not work', async (status) => {
  http.refusal = status;
  const routes = new ProxyRoutes('Telegram', [http.url, socks.url], LIMITS);
  expect(await ask(routes)).toBe('answer');
  expect(routes.states).toEqual([
    { name: http.name, failure: `the proxy answers ${status}`, connectMs: null },
    { name: socks.name, failure: null, connectMs: expect.any(Number) },
  ]);
});

it('takes a wrong password, silence and an end without a word for the same', async () => {
  const silent = createTcpServer(() => undefined).listen(0, '127.0.0.1');
  const closing = createTcpServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await Promise.all([silent, closing].map((each) => new Promise((resolve) => each.once('listening', resolve))));
  const at = (each: typeof silent) => `127.0.0.1:${(each.address() as AddressInfo).port}`;
  const wrong = socks.url.replace('pass%3Aword', 'secretly');
  const ways = [
    wrong,
    `socks5://${at(silent)}`,
    `http://${at(silent)}`,
    `http://${at(closing)}`,
    `socks5://${at(closing)}`,
  ];
  const routes = new ProxyRoutes('Telegram', [...ways, 'direct'], LIMITS);
  expect(await ask(routes)).toBe('answer');
  expect(routes.states.map(({ failure }) => failure !== null)).toEqual([true, true, true, true, true, false]);
  expect(JSON.stringify(routes.states)).not.toContain('secretly');
  silent.close();
  closing.close();
});

it('leaves a proxy that failed for a while, unless all did', async () => {
  const limits = { cooldownMs: 3_000, connectMs: 3_000 };
  const routes = new ProxyRoutes('Telegram', [http.url, socks.url], limits);
  await http.die();
  await ask(routes);
  await http.live();
  await ask(routes);
  expect(http.tunnels).toHaveLength(0);
  await new Promise((resolve) => setTimeout(resolve, limits.cooldownMs));
  await ask(routes);
  expect(http.tunnels).toHaveLength(1);
  await Promise.all([http.die(), socks.die()]);
  const failure = classifyFailure(await ask(routes).catch((error: unknown) => error));
  expect(failure).toMatchObject({ kind: 'not_sent', scope: 'endpoint', code: 'NO_WAY' });
  expect(failure.detail).toContain(`${http.name} (ECONNREFUSED)`);
  expect(failure.detail).not.toMatch(/pass|me:/);
  await socks.live();
  expect(await ask(routes)).toBe('answer');
});
