import {
  Agent,
  createServer,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import qs from 'qs';
import { isArray, type Params } from './php-encoding.js';

/** One request as a server of the simulator sees it. */
export interface Exchange {
  method: string;
  /** Path without query; repeated slashes are merged as nginx does. */
  path: string;
  /** Query without the question mark. */
  search: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  ip: string;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  /** A stream is sent as it comes; when it fails, the connection is cut. */
  body?: string | Buffer | Readable;
}

/** `drop` cuts the connection with a TCP reset instead of an answer. */
export type Answer = Reply | 'drop';

/** An HTTP server on 127.0.0.1 that answers with plain values. */
export class LoopbackServer {
  private constructor(
    private readonly server: Server,
    private readonly scheme: 'http' | 'https',
  ) {}

  /** Listens on `port` (0: any free one); with a certificate, for https. */
  static async listen(
    answer: (exchange: Exchange) => Promise<Answer> | Answer,
    port = 0,
    certificate?: { key: string; cert: string },
  ): Promise<LoopbackServer> {
    const listener = (incoming: IncomingMessage, response: ServerResponse) => void serve(incoming, response, answer);
    const server = certificate === undefined ? createServer(listener) : createSecureServer(certificate, listener);
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return new LoopbackServer(server, certificate === undefined ? 'http' : 'https');
  }

  /** `http://127.0.0.1:PORT`, or https. */
  get origin(): string {
    return `${this.scheme}://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  answer: (exchange: Exchange) => Promise<Answer> | Answer,
): Promise<void> {
  let reply: Answer;
  try {
    reply = await answer(await readExchange(incoming));
  } catch (error) {
    reply = json(500, {
      error: 'INTERNAL_SERVER_ERROR',
      error_description: error instanceof Error ? error.stack : String(error),
    });
  }
  if (response.destroyed) return;
  if (reply === 'drop') {
    response.socket?.resetAndDestroy();
    return;
  }
  if (reply.body instanceof Readable) return stream(incoming, response, reply, reply.body);
  const body = Buffer.from(reply.body ?? '');
  response.writeHead(reply.status, { ...reply.headers, 'Content-Length': body.length });
  response.end(body);
}

async function stream(
  incoming: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  body: Readable,
): Promise<void> {
  response.writeHead(reply.status, reply.headers);
  if (incoming.method === 'HEAD') {
    body.destroy();
    response.end();
    return;
  }
  // Whoever reads may leave, and a stream may be made to break: both end this answer and nothing else.
  await pipeline(body, response).catch(() => response.destroy());
}

async function readExchange(incoming: IncomingMessage): Promise<Exchange> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const target = incoming.url ?? '/';
  const mark = target.indexOf('?');
  return {
    method: incoming.method ?? 'GET',
    path: (mark < 0 ? target : target.slice(0, mark)).replace(/\/{2,}/g, '/'),
    search: mark < 0 ? '' : target.slice(mark + 1),
    headers: incoming.headers,
    body: Buffer.concat(chunks),
    ip: incoming.socket.remoteAddress ?? '',
  };
}

/** A JSON answer without PHP's escapes (the OAuth server, the control API). */
export function json(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(value),
  };
}

/** The error page of the front end: no JSON, whatever the client asked for. */
export function htmlPage(status: number, title: string): Reply {
  const body = `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body><center><h1>${status} ${title}</h1></center></body>\r\n</html>`;
  return { status, headers: { 'Content-Type': 'text/html' }, body };
}

/** A form or a query as PHP parses it: brackets make trees, lists of any length stay lists. */
export function parseForm(raw: string): Params {
  return qs.parse(raw, { depth: 20, arrayLimit: 10_000, parameterLimit: 100_000 });
}

/** Query and body merged, the body wins; JSON that does not parse is ignored, not reported, as PHP's `getRequestData` does. */
export function requestParams(exchange: Exchange): { params: Params; query: Params } {
  const query = exchange.search === '' ? {} : parseForm(exchange.search);
  return { query, params: { ...query, ...bodyParams(exchange) } };
}

function bodyParams(exchange: Exchange): Params {
  if (exchange.body.length === 0) return {};
  const type = exchange.headers['content-type'] ?? '';
  if (type.startsWith('application/json')) return jsonParams(exchange.body.toString('utf8'));
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)/i.exec(type)?.[1];
  return boundary === undefined ? parseForm(exchange.body.toString('utf8')) : multipartParams(exchange.body, boundary);
}

function jsonParams(raw: string): Params {
  try {
    const value: unknown = JSON.parse(raw);
    return isArray(value) ? value : {};
  } catch {
    return {};
  }
}

function multipartParams(body: Buffer, boundary: string): Params {
  const pairs: string[] = [];
  for (const part of body.toString('latin1').split(`--${boundary}`)) {
    const name = /content-disposition:[^\r\n]*\bname="([^"]*)"/i.exec(part)?.[1];
    const start = part.indexOf('\r\n\r\n');
    if (name === undefined || start < 0) continue;
    const value = Buffer.from(part.slice(start + 4, -2), 'latin1').toString('utf8');
    pairs.push(`${encodeURIComponent(Buffer.from(name, 'latin1').toString('utf8'))}=${encodeURIComponent(value)}`);
  }
  return parseForm(pairs.join('&'));
}

/** What an application answered. */
export interface AppAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Sends one request to the application under test; rejects on refused, reset or after `timeoutMs`. Follows no redirect. */
export function sendRequest(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string; timeoutMs?: number; agent?: Agent } = {},
): Promise<AppAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: options.method ?? 'GET',
        agent: options.agent,
        headers: {
          ...options.headers,
          ...(options.body === undefined ? {} : { 'Content-Length': Buffer.byteLength(options.body) }),
        },
        signal: AbortSignal.timeout(options.timeoutMs ?? 30_000),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.once('error', reject);
        incoming.once('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.end(options.body);
  });
}
