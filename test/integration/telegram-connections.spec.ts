import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readEnvironment } from '../../src/config/environment.js';
import { TelegramClient } from '../../src/telegram/api/telegram.client.js';

const BOTS = 400;

/** A Bot API server where nobody writes to any bot: polls hang. */
let server: Server;
let hanging: ServerResponse[];
let connections: number;
let calls: string[];

beforeEach(async () => {
  [hanging, connections, calls] = [[], 0, []];
  server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    calls.push(request.url!.split('/').at(-1)!);
    request.resume().once('end', () => {
      if (request.url!.endsWith('/getUpdates')) hanging.push(response);
      else response.end(JSON.stringify({ ok: true, result: { message_id: 1 } }));
    });
  });
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const clientOf = (more: Record<string, string> = {}) => {
  const { port } = server.address() as AddressInfo;
  return new TelegramClient(readEnvironment({ TG_API_ROOT: `http://127.0.0.1:${port}`, ...more }));
};

it(
  `with ${BOTS} bots that poll, an answer of any of them leaves while all polls hang`,
  { timeout: 60_000 },
  async () => {
    const client = clientOf();
    const bots = Array.from({ length: BOTS }, (_, index) => client.bot(`${1_000 + index}:secret`));
    const polls = bots.map(({ polls }) => polls.getUpdates({ timeout: 25 }).catch(() => []));
    await expect.poll(() => hanging.length, { timeout: 20_000 }).toBe(BOTS);
    // Twice: by a new connection, and by the one that was kept.
    for (const bot of [...bots, ...bots]) {
      await bot.calls.sendMessage({ chat_id: 1, text: 'hello' });
    }
    expect(hanging).toHaveLength(BOTS);
    for (const response of hanging) response.end(JSON.stringify({ ok: true, result: [] }));
    await Promise.all(polls);
  },
);

it('keeps one connection for calls while it is young, also by the clock of a process that stood still', async () => {
  const { calls: bot } = clientOf().bot('1:secret');
  const say = () => bot.sendMessage({ chat_id: 1, text: 'hello' });
  await say();
  await say();
  expect(connections).toBe(1);
  // Nothing of this process runs meanwhile, no timer either.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5_100);
  await say();
  expect(connections).toBe(2);
});

it('sends nothing for a replica that lost the bot while the connection was made', async () => {
  const lease = { held: true };
  const proxy = createServer().listen(0, '127.0.0.1');
  proxy.on('connect', ({ url }, socket) => {
    lease.held = false;
    const [host, port] = url!.split(':');
    const far = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      far.pipe(socket).pipe(far);
    });
    for (const end of [far, socket]) end.on('error', () => socket.destroy());
  });
  await new Promise((resolve) => proxy.once('listening', resolve));
  const api = clientOf({ TG_PROXY_URL: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }).bot('1:secret');
  const by = api.by(lease);
  const lost = { kind: 'not_sent', scope: 'message', code: 'LEASE_LOST' };
  await expect(by.calls.sendMessage({ chat_id: 1, text: 'hello' })).rejects.toMatchObject(lost);
  await expect(by.polls.getUpdates({})).rejects.toMatchObject(lost);
  await expect(by.uploads(1).sendDocument({ chat_id: 1, document: 'id' })).rejects.toMatchObject(lost);
  expect(calls).toEqual([]);
  await api.calls.sendMessage({ chat_id: 1, text: 'of nobody in particular' });
  expect(calls).toEqual(['sendMessage']);
  proxy.closeAllConnections();
  proxy.close();
});
