import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readEnvironment } from '../../src/config/environment.js';
import { TelegramClient } from '../../src/telegram/telegram.client.js';

const BOTS = 400;
/** In which an answer leaves, whatever the bots of the process are polling for. */
const SEND_P99_MS = 200;

/** A Bot API server where nobody writes to any bot: polls hang. */
let server: Server;
let hanging: ServerResponse[];

beforeEach(async () => {
  hanging = [];
  server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    request.resume().once('end', () => {
      if (request.url!.endsWith('/getUpdates')) hanging.push(response);
      else response.end(JSON.stringify({ ok: true, result: { message_id: 1 } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

it(`with ${BOTS} bots that poll, an answer of any of them leaves at once`, { timeout: 60_000 }, async () => {
  const { port } = server.address() as AddressInfo;
  const client = new TelegramClient(readEnvironment({ TG_API_ROOT: `http://127.0.0.1:${port}` }));
  const bots = Array.from({ length: BOTS }, (_, index) => client.bot(`${1_000 + index}:secret`));
  const polls = bots.map(({ polls }) => polls.getUpdates({ timeout: 25 }).catch(() => []));
  await expect.poll(() => hanging.length, { timeout: 20_000 }).toBe(BOTS);
  const waits: number[] = [];
  // Twice: by a new connection, and by the one that was kept.
  for (const bot of [...bots, ...bots]) {
    const began = performance.now();
    await bot.calls.sendMessage({ chat_id: 1, text: 'hello' });
    waits.push(performance.now() - began);
  }
  waits.sort((a, b) => a - b);
  expect(waits[Math.floor(waits.length * 0.99)]).toBeLessThan(SEND_P99_MS);
  expect(hanging).toHaveLength(BOTS);
  for (const response of hanging) response.end(JSON.stringify({ ok: true, result: [] }));
  await Promise.all(polls);
});
