import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildConnector, Pool } from 'undici';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { httpGet } from './http-get.js';
import { pausable } from './paused-connections.js';

const BODY = Buffer.alloc(64 * 1024, 'a');
/** As vitest counts an uncaught exception itself, it is looked for here, where it can be named. */
const uncaught = vi.fn();
const kept = process.listeners('uncaughtException');

beforeEach(() => {
  uncaught.mockReset();
  process.removeAllListeners('uncaughtException').on('uncaughtException', uncaught);
});
afterEach(() => {
  process.removeAllListeners('uncaughtException');
  for (const listener of kept) process.on('uncaughtException', listener);
});

/** Answers every request with the head and the body, and ends the connection in its way. */
async function serve(head: string, body: Buffer, end: (socket: Socket) => void): Promise<URL> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`);
      socket.write(body);
      end(socket);
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  server.unref();
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/file`);
}

const fin = (socket: Socket) => void socket.end();
const reset = (socket: Socket) => void setTimeout(() => socket.resetAndDestroy(), 50);
const chunked = Buffer.from(`${BODY.length.toString(16)}\r\n${BODY.toString()}\r\n0\r\n\r\n`);

async function readLate(url: URL, connections?: Pool): Promise<number> {
  const answer = await httpGet(url, {
    headers: {},
    answerMs: 5_000,
    signal: AbortSignal.timeout(5_000),
    ...(connections ? { connections } : {}),
  });
  await sleep(200);
  let bytes = 0;
  for await (const chunk of answer.body) bytes += (chunk as Buffer).length;
  return bytes;
}

describe('a body that is read late, by a connection that ends meanwhile', () => {
  const pool = (url: URL) => new Pool(url.origin, { connect: pausable(buildConnector({})) });

  it.each([
    ['of a named length', `Content-Length: ${BODY.length}\r\nConnection: close`, BODY],
    ['in chunks', 'Transfer-Encoding: chunked\r\nConnection: close', chunked],
    ['up to the end', 'Connection: close', BODY],
  ])('%s, is whole', async (_, head, body) => {
    const url = await serve(head, body, fin);
    expect(await readLate(url)).toBe(BODY.length);
    expect(await readLate(url, pool(url))).toBe(BODY.length);
    expect(uncaught).not.toHaveBeenCalled();
  });

  it.each([
    ['that ends early', fin],
    ['that is reset', reset],
  ])('%s, is an error of whoever reads', async (_, end) => {
    const url = await serve(`Content-Length: ${BODY.length + 1}\r\nConnection: close`, BODY, end);
    await expect(readLate(url)).rejects.toThrow();
    await expect(readLate(url, pool(url))).rejects.toThrow();
    expect(uncaught).not.toHaveBeenCalled();
  });
});
