import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { PageState } from './page.state.js';
import type { Sandbox } from './sandbox.js';

const LOOK_MS = 200;
const BODY_LIMIT = 100_000;

const FILES: Record<string, { file: string; type: string }> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  '/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/markup.js': { file: 'markup.js', type: 'text/javascript; charset=utf-8' },
  '/texts.js': { file: 'texts.js', type: 'text/javascript; charset=utf-8' },
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
 * Serves the page and what it needs: `GET /state` (server-sent events, each the whole {@link PageState.snapshot}) and
 * `POST /actions/:name` with JSON. Returns how to end it.
 */
export function servePage(server: Server, sandbox: Sandbox): () => void {
  const page = new Page(new PageState(sandbox));
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

  constructor(private readonly state: PageState) {}

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method === 'POST') return this.act(pathname, request, response);
    if (pathname === '/state') return this.listen(response);
    const found = FILES[pathname];
    if (!found) return sendJson(response, 404, { error: 'not found' });
    const content = await readFile(new URL(`page/${found.file}`, import.meta.url));
    response
      .writeHead(200, {
        'content-type': found.type,
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
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
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    text += chunk as string;
    if (text.length > BODY_LIMIT) throw new Error('too long');
  }
  const value: unknown = JSON.parse(text || '{}');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('send a JSON object');
  return value as Record<string, unknown>;
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
