import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { buildConnector, Client, type Dispatcher } from 'undici';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { exchange, type HttpRequest, TransportError } from './http-exchange.js';

let server: Server;
let serve: (request: IncomingMessage, response: ServerResponse) => void;
let seen: number;
let clients: Dispatcher[];

beforeEach(async () => {
  [seen, clients] = [0, []];
  serve = (_request, response) => response.end('answer');
  server = createHttpServer((request, response) => {
    seen++;
    request.resume().once('end', () => serve(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.destroy()));
  server.closeAllConnections();
  server.close();
});

const url = () => new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/path?query`);

/** @param connectMs how long it takes until a connection stands */
function client(connectMs = 0): Client {
  const connect = buildConnector({});
  const made = new Client(url().origin, {
    connect: (options, callback) => void setTimeout(() => connect(options, callback), connectMs),
  });
  clients.push(made);
  return made;
}

const ask = (by: Dispatcher, more: Partial<HttpRequest> = {}) =>
  exchange(by, { method: 'POST', url: url(), headers: {}, body: 'words', timeoutMs: 5_000, ...more });

async function failure(work: Promise<unknown>): Promise<Pick<TransportError, 'code' | 'written'>> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TransportError);
  const { code, written } = error as TransportError;
  return { code, written };
}

it('answers whatever came back, also what was compressed unasked', async () => {
  serve = (_request, response) => response.writeHead(404, { 'x-a': 'b' }).end('no');
  expect(await ask(client())).toMatchObject({ status: 404, text: 'no', headers: { 'x-a': 'b' } });
  serve = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('words'));
  expect((await ask(client())).text).toBe('words');
});

it('writes nothing for whoever lost the lease while the connection was made', async () => {
  const lease = { held: true };
  const call = ask(client(100), { lease });
  lease.held = false;
  expect(await failure(call)).toEqual({ code: 'LEASE_LOST', written: false });
  expect(seen).toBe(0);
});

it('writes nothing for whoever lost the lease while others had the connection', async () => {
  const by = client();
  const lease = { held: true };
  serve = (_request, response) => {
    lease.held = false;
    setTimeout(() => response.end('answer'), 50);
  };
  const first = ask(by);
  expect(await failure(ask(by, { lease }))).toEqual({ code: 'LEASE_LOST', written: false });
  expect((await first).text).toBe('answer');
  expect(seen).toBe(1);
});

it('knows whether anything was written when the time is over or nobody waits any more', async () => {
  expect(await failure(ask(client(300), { timeoutMs: 100 }))).toEqual({ code: 'TIMEOUT', written: false });
  expect(await failure(ask(client(300), { signal: AbortSignal.timeout(100) }))).toEqual({
    code: 'ABORT_ERR',
    written: false,
  });
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(seen).toBe(0);
  serve = () => undefined;
  expect(await failure(ask(client(), { timeoutMs: 100 }))).toEqual({ code: 'TIMEOUT', written: true });
  expect(await failure(ask(client(), { signal: AbortSignal.timeout(100) }))).toEqual({
    code: 'ABORT_ERR',
    written: true,
  });
  expect(await failure(ask(client(), { signal: AbortSignal.abort() }))).toEqual({ code: 'ABORT_ERR', written: false });
});

it('repeats nothing when the connection ends without an answer', async () => {
  const by = client();
  expect((await ask(by)).text).toBe('answer');
  serve = (request) => request.socket.destroy();
  expect(await failure(ask(by))).toEqual({ code: 'ECONNRESET', written: true });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(seen).toBe(2);
});

it('names no address and no words in its errors', async () => {
  serve = (request) => request.socket.destroy();
  const error: unknown = await ask(client(), { body: 'a secret' }).catch((thrown: unknown) => thrown);
  expect(String((error as Error).stack) + JSON.stringify(error)).not.toMatch(/secret|query/);
});
