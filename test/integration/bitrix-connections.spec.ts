import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BitrixConnections } from '../../src/bitrix/bitrix-connections.js';
import { bitrixConnections } from '../support/bitrix-connections.js';

const TOGETHER = 4;

/** A portal that answers, except on connections that a router has forgotten. */
let server: Server;
let forgotten: Set<Socket>;
let standing: Set<Socket>;
let connections: BitrixConnections;

beforeEach(async () => {
  [forgotten, standing, connections] = [new Set(), new Set(), bitrixConnections()];
  server = createServer((request, response) => {
    request.resume().once('end', () => {
      if (!forgotten.has(request.socket)) setTimeout(() => response.end('{}'), 50);
    });
  });
  server.on('connection', (socket) => {
    standing.add(socket);
    socket.once('close', () => standing.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function call(timeoutMs: number) {
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/rest/profile`);
  return connections.post({ url, headers: {}, body: '{}', timeoutMs }, null);
}

it('leaves all connections that stand when one of them went silent', async () => {
  await Promise.all(Array.from({ length: TOGETHER }, () => call(5_000)));
  expect(standing.size).toBe(TOGETHER);
  await sleep(50);
  forgotten = new Set(standing);
  await expect(call(200)).rejects.toMatchObject({ code: 'TIMEOUT', written: true });
  for (let n = 0; n < TOGETHER; n++) expect((await call(1_000)).status).toBe(200);
});

it('keeps connections for the calls that follow', async () => {
  for (let n = 0; n < 10; n++) await call(5_000);
  // One is given back a moment after its answer is read.
  expect(standing.size).toBeLessThanOrEqual(2);
});
