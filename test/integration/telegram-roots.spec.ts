import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readEnvironment } from '../../src/config/environment.js';
import { TelegramClient, type BotApi } from '../../src/telegram/api/telegram.client.js';
import { ConnectProxy, SocksProxy } from '../support/loopback-proxies.js';

/** A relay with a secret path, or a server that people take for one. */
class Relay {
  /** What came, but for the calls that show whether it works. */
  readonly calls: string[] = [];
  serve: (response: ServerResponse, method: string) => void = answer;
  private server: Server | undefined;
  private port = 0;

  async live(): Promise<this> {
    this.server = createServer((request, response) => {
      const method = request.url!.split('/').at(-1)!;
      expect(request.url).toMatch(/^\/secret\//);
      if (method !== 'getMe') this.calls.push(method);
      request.resume().once('end', () => this.serve(response, method));
    });
    await new Promise<void>((resolve) => this.server!.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  async die(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve(undefined)));
    this.server = undefined;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/secret`;
  }
}

function answer(response: ServerResponse): void {
  const result = { message_id: 1, file_id: 'f', file_unique_id: 'u', file_path: 'documents/1.pdf' };
  // No connection is kept: what dies here dies between two calls.
  response
    .setHeader('connection', 'close')
    .setHeader('content-type', 'application/json')
    .end(JSON.stringify({ ok: true, result }));
}

let first: Relay;
let second: Relay;
let client: TelegramClient;
let bot: BotApi;

beforeEach(async () => {
  [first, second] = await Promise.all([new Relay().live(), new Relay().live()]);
  begin();
});

afterEach(() => Promise.all([first.die(), second.die()]));

function begin(more: Record<string, string> = {}): void {
  client = new TelegramClient(readEnvironment({ TG_API_ROOT: `${first.url}/, ${second.url}`, ...more }));
  bot = client.bot('1:hidden');
}

const say = (text = 'hello') => bot.calls.sendMessage({ chat_id: 1, text });
const inUse = () => client.rootStates.map((root) => root.inUse);

it('uses the first that works, and goes to the next when a connection cannot be made', async () => {
  await say();
  await say();
  expect([first.calls.length, second.calls.length]).toEqual([2, 0]);
  await first.die();
  await say();
  expect(second.calls).toEqual(['sendMessage']);
  expect(inUse()).toEqual([false, true]);
  expect(client.rootStates[0]?.failure).toContain('ECONN');
  await Promise.all([first.live(), second.die()]);
  // The first cools down, and is better than none.
  await say();
  expect(first.calls).toHaveLength(3);
});

it.each([
  ['a connection that breaks', (response: ServerResponse) => response.destroy()],
  ['a page of a gateway', (response: ServerResponse) => response.writeHead(504).end('<title>504</title>')],
  ['another page', (response: ServerResponse) => response.writeHead(502).end('<title>502</title>')],
])('repeats nothing after %s, and the next call goes elsewhere', async (_what, serve) => {
  await say();
  first.serve = serve;
  await expect(say('one')).rejects.toMatchObject({ scope: 'endpoint' });
  expect([first.calls.length, second.calls.length]).toEqual([2, 0]);
  await say('two');
  expect(second.calls).toEqual(['sendMessage']);
});

it(
  'entrusts no message to a root that is silent: not at the start, not after it failed',
  { timeout: 20_000 },
  async () => {
    first.serve = () => undefined;
    await say('one');
    await say('two');
    expect([first.calls, second.calls.length]).toEqual([[], 2]);
    second.serve = () => undefined;
    const gone = new AbortController();
    setTimeout(() => gone.abort(), 200);
    // Nobody waits any more: no fault of the root.
    await expect(bot.calls.sendMessage({ chat_id: 1, text: 'x' }, gone.signal)).rejects.toMatchObject({
      code: 'ABORT_ERR',
    });
    expect(inUse()).toEqual([false, true]);
    second.serve = (response) => response.destroy();
    await expect(say('three')).rejects.toMatchObject({ kind: 'unknown' });
    await expect(say('four')).rejects.toMatchObject({ kind: 'not_sent', scope: 'endpoint', code: 'NO_WAY' });
    expect([first.calls.length, second.calls.length]).toEqual([0, 4]);
  },
);

it('fetches a file again from the next root, whatever went wrong', async () => {
  const wrong: Relay['serve'][] = [
    (response) => response.destroy(),
    (response) => response.writeHead(404, { 'content-type': 'text/html' }).end('nginx'),
  ];
  for (const serve of wrong) {
    begin();
    first.serve = (response, method) => (method === '1.pdf' ? serve(response, method) : answer(response));
    second.serve = (response, method) => (method === '1.pdf' ? response.end('words') : answer(response));
    const { signal } = new AbortController();
    const { handle, size } = await bot.files.open(await bot.files.locate('f', signal), signal);
    await handle.close();
    expect(size).toBe(5);
  }
});

it('reaches any root by any proxy, and measures each way, without a path or a password', async () => {
  const [http, socks] = await Promise.all([ConnectProxy.start(), SocksProxy.start({ user: 'me', password: 'pass' })]);
  begin({ TG_PROXY_URL: `${http.url},${socks.url}` });
  await say();
  await Promise.all([http.die(), first.die()]);
  await say();
  expect(second.calls).toEqual(['sendMessage']);
  await client.measure();
  expect(client.rootStates).toMatchObject([
    {
      failure: expect.any(String),
      inUse: false,
      routes: [{ failure: 'ECONNREFUSED' }, { failure: expect.any(String) }],
    },
    {
      failure: null,
      inUse: true,
      answerMs: expect.any(Number),
      routes: [{ failure: 'ECONNREFUSED' }, { failure: null, connectMs: expect.any(Number) }],
    },
  ]);
  expect(JSON.stringify(client.rootStates)).not.toMatch(/secret|pass|hidden/);
  await socks.die();
});
