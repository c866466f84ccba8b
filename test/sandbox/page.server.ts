import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { FileShelf } from './file.shelf.js';
import { findFile, sendFile } from './page.files.js';
import { PageState } from './page.state.js';
import type { Sandbox } from './sandbox.js';

const LOOK_MS = 200;
/** Bytes of an action. */
const BODY_LIMIT = 100_000;
/** Bytes of a file: more than either network takes, so that its refusal can be seen. */
const FILE_LIMIT = 64 << 20;

const FILES: Record<string, { file: string; type: string }> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  ...Object.fromEntries(
    ['bubbles', 'composer', 'dom', 'markup', 'page', 'server', 'texts'].map((name) => [
      `/${name}.js`,
      { file: `${name}.js`, type: 'text/javascript; charset=utf-8' },
    ]),
  ),
};

/** A server on 127.0.0.1 that answers 503 until {@link servePage}; a taken port is an error that says what to do. */
export async function listenForPage(port: number): Promise<Server> {
  const server = createServer();
  server.on('request', (_request, response) => {
    if (server.listenerCount('request') > 1) return;
    response.writeHead(503, { 'content-type': 'text/plain; charset=utf-8', 'retry-after': '3' }).end('Starting …\n');
  });
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Error(`Port ${port} is taken. Choose another: SANDBOX_PORT=${port + 1} npm run sandbox`, {
      cause: error,
    });
  }
  return server;
}

/**
 * Serves the page and what it needs: `GET /state` (server-sent events, each the whole {@link PageState.snapshot}),
 * `POST /actions/:name` with JSON, `POST /uploads` with a file, `GET /files/…`; `GET /settings` leads to our page in the
 * portal's Contact Center. Returns how to end it.
 */
export async function servePage(server: Server, sandbox: Sandbox): Promise<() => void> {
  const page = new Page(sandbox, await FileShelf.stocked());
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    page.answer(request, response).catch((error: unknown) => {
      if (response.headersSent) return response.destroy();
      sendJson(response, 422, { error: error instanceof Error ? error.message : String(error) });
    });
  });
  const timer = setInterval(() => void page.publish(), LOOK_MS);
  return () => clearInterval(timer);
}

class Page {
  private readonly listeners = new Set<ServerResponse>();
  private published = '';
  private looking = false;

  private readonly state: PageState;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly shelf: FileShelf,
  ) {
    this.state = new PageState(sandbox, shelf);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method === 'POST' && pathname === '/uploads') return this.upload(request, response);
    if (request.method === 'POST') return this.act(pathname, request, response);
    if (pathname === '/state') return this.listen(response);
    if (pathname === '/settings') return void response.writeHead(302, { location: this.sandbox.settingsPage }).end();
    if (pathname.startsWith('/files/')) return this.show(pathname, request, response);
    const found = FILES[pathname];
    if (!found) return sendJson(response, 404, { error: 'not found' });
    const content = await readFile(new URL(`page/${found.file}`, import.meta.url));
    response
      .writeHead(200, {
        'content-type': found.type,
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
      })
      .end(content);
  }

  /** Tells every open page what has changed since the last time. */
  async publish(): Promise<void> {
    if (this.looking || this.listeners.size === 0) return;
    this.looking = true;
    try {
      const snapshot = JSON.stringify(await this.state.snapshot());
      if (snapshot === this.published) return;
      this.published = snapshot;
      for (const listener of this.listeners) listener.write(`data: ${snapshot}\n\n`);
    } finally {
      this.looking = false;
    }
  }

  private listen(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.flushHeaders();
    response.on('close', () => this.listeners.delete(response));
    this.listeners.add(response);
    // Whoever comes later must not wait for the next change.
    this.published = '';
    return this.publish();
  }

  private async show(pathname: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const file = await findFile(this.sandbox, pathname);
    if (file) sendFile(response, file, request.headers.range);
    else sendJson(response, 404, { error: 'not found' });
  }

  /** Other sites cannot send the header with the name (percent-encoded) without being asked first. */
  private async upload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = request.headers['x-file-name'];
    if (typeof name !== 'string' || name === '') return sendJson(response, 400, { error: 'name it in x-file-name' });
    const type = request.headers['content-type'] ?? '';
    const mime = /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : 'application/octet-stream';
    const id = this.shelf.add(decodeURIComponent(name), mime, await readBody(request, FILE_LIMIT));
    sendJson(response, 200, { id });
  }

  private async act(pathname: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Other sites cannot send this type without being asked first.
    if (!request.headers['content-type']?.startsWith('application/json')) {
      return sendJson(response, 415, { error: 'send application/json' });
    }
    const body = await readJson(request);
    const name = /^\/actions\/([a-z]+)$/i.exec(pathname)?.[1] ?? '';
    const result = await this.state.act(name, body);
    await this.publish();
    sendJson(response, 200, result);
  }
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const value: unknown = JSON.parse((await readBody(request, BODY_LIMIT)).toString() || '{}');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('send a JSON object');
  return value as Record<string, unknown>;
}

async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
