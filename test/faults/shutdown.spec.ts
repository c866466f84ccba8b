import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Bridge, HANDLER_SECRET } from '../support/bridge.js';
import { hasNginx, Nginx } from '../support/nginx.js';
import { freePort, Program } from '../support/program.js';

/** What a client saw of one request: the status, or the code of the failure. */
interface Seen {
  at: number;
  outcome: number | string;
  connection?: string;
}

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

let events = 0;
function post(url: string, agent: Agent | false): Promise<Seen> {
  const body = JSON.stringify({
    event: 'ONIMCONNECTORMESSAGEADD',
    data: { chat: { id: 'tg:1' }, message: { id: `b24:${++events}`, text: 'Hello' } },
  });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve) => {
    const seen = (outcome: number | string, connection?: string) =>
      resolve({ at: performance.now(), outcome, connection });
    request(`${url}/b24/handler?secret=${HANDLER_SECRET}`, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', () => seen(response.statusCode!, response.headers.connection));
    })
      .on('error', (error: NodeJS.ErrnoException) => seen(error.code ?? error.message))
      .end(body);
  });
}

/** Posts events, each of so many clients one after the other, until `end` or until nobody listens. */
function load(url: string, clients: number, everyMs: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const seen: Seen[] = [];
  const state = { ended: false };
  const work = Promise.all(
    Array.from({ length: clients }, async () => {
      while (!state.ended && seen.at(-1)?.outcome !== 'ECONNREFUSED') {
        seen.push(await post(url, agent));
        await sleep(everyMs);
      }
    }),
  );
  undo.push(() => {
    state.ended = true;
    return work.finally(() => agent.destroy());
  });
  return {
    seen,
    end: async () => {
      state.ended = true;
      await work;
      return seen;
    },
  };
}

async function bridgeWithEvents(): Promise<Bridge> {
  const bridge = await Bridge.start({ oneProcess: 'a single one is told to end', bitrix24: { limits: false } });
  undo.push(() => bridge.stop());
  return bridge;
}

/** A connection on which nothing is ever asked. */
async function silentConnection(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  undo.push(() => socket.destroy());
  return socket;
}

describe('a program that is told to end', () => {
  it('says so first, serves whoever comes on a kept connection, and ends with 0 in time', async () => {
    const bridge = await bridgeWithEvents();
    await bridge.restart({ SHUTDOWN_DELAY: '1' });
    const { program } = bridge;
    await silentConnection(program.url);
    const idle = new Agent({ keepAlive: true });
    undo.push(() => idle.destroy());
    await post(program.url, idle);
    const clients = load(program.url, 8, 10);
    await expect.poll(() => clients.seen.length).toBeGreaterThan(50);

    const told = performance.now();
    program.signal('SIGTERM');
    await expect.poll(() => program.get('/health/ready').then(({ status }) => status, String)).toBe(503);
    const { json } = await program.get('/health/ready');
    expect(json.error.process).toEqual({ status: 'down', reason: 'shutting_down' });
    expect((await program.get('/health/live')).status).toBe(200);
    await expect.poll(() => bridge.program.exitCode, { interval: 20 }).toBe(0);
    expect(performance.now() - told).toBeLessThan(5_000);

    const seen = await clients.end();
    expect(new Set(seen.map(({ outcome }) => outcome))).toEqual(new Set([200, 'ECONNREFUSED']));
    const late = seen.filter(({ at, outcome }) => outcome === 200 && at > told + 500);
    expect(late.length).toBeGreaterThan(10);
    expect(new Set(late.map(({ connection }) => connection))).toEqual(new Set(['close']));
  });

  it('does not wait for a request that never ends', async () => {
    const bridge = await bridgeWithEvents();
    const socket = await silentConnection(bridge.program.url);
    socket.write(
      'POST /b24/handler HTTP/1.1\r\nHost: bridge\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\nx',
    );
    const told = performance.now();
    expect(await bridge.program.stop()).toBe(0);
    expect(performance.now() - told).toBeLessThan(5_000);
  });

  it('ends at once while PostgreSQL takes its connection and says nothing', async () => {
    const taken: Socket[] = [];
    const silent = createServer((socket) => void taken.push(socket.on('error', () => undefined)));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    undo.push(() => {
      for (const socket of taken) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as AddressInfo;
    const program = await Program.start({ DATABASE_URL: `postgresql://u:p@127.0.0.1:${port}/bridge` }, 0);
    undo.push(() => program.kill());
    await expect.poll(() => taken.length).toBeGreaterThan(0);
    const told = performance.now();
    expect(await program.stop()).toBe(0);
    expect(performance.now() - told).toBeLessThan(2_000);
  });
});

describe.skipIf(!hasNginx())('two replicas behind nginx (needs nginx)', () => {
  it('can be restarted in turn under load: no event is answered 5xx', { timeout: 180_000 }, async () => {
    const bridge = await bridgeWithEvents();
    const port = await freePort();
    const environment = { ...bridge.environment, SHUTDOWN_DELAY: '2', PUBLIC_URL: `http://127.0.0.1:${port}` };
    await bridge.program.stop();
    const ports = [String(await freePort()), String(await freePort())];
    const start = (at: string) => Program.start({ ...environment, PORT: at });
    const replicas = await Promise.all(ports.map(start));
    undo.push(() => Promise.all(replicas.map((replica) => replica.kill())));
    const nginx = await Nginx.before(port, ports.map(Number));
    undo.push(() => nginx.stop());

    const clients = load(`http://127.0.0.1:${port}`, 12, 60);
    await expect.poll(() => clients.seen.length).toBeGreaterThan(100);
    const codes: (number | null)[] = [];
    for (const [index, at] of ports.entries()) {
      codes.push(await replicas[index]!.stop());
      replicas[index] = await start(at);
      await sleep(1_000);
    }
    const seen = await clients.end();
    expect(seen.filter(({ outcome }) => outcome !== 200)).toEqual([]);
    expect(codes).toEqual([0, 0]);
  });
});
