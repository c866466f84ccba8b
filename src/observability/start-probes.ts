import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { VERSION } from '../common/version.js';
import { startWaits, type StartWait } from '../common/start-wait.js';

/** When a client may come again; seconds. */
const RETRY_AFTER_S = 5;

/**
 * Answers in place of the program while its start waits for something: `/health/live` 200, `/health/ready` 503 with what
 * is waited for since when, everything else 503. Nobody listens during the rest of a start: a load balancer passes a
 * request that finds no listener on to another replica.
 */
export function answerProbesWhileWaiting(port: number, host: string, log: Logger): void {
  let server: Server | undefined;
  let wait: StartWait | undefined;
  startWaits.on('wait', (found) => {
    wait = found;
    server ??= createServer((request, response) => answer(request, response, wait!))
      // The program itself will say so when it is to listen there.
      .on('error', (error) => log.warn({ err: error, context: 'Start' }, 'Probes cannot be answered yet'))
      .listen(port, host);
  });
  startWaits.on('over', () => {
    server?.close();
    server?.closeAllConnections();
    server = undefined;
  });
}

function answer(request: IncomingMessage, response: ServerResponse, { what, reason, since }: StartWait): void {
  request.resume();
  const path = request.url?.split('?')[0];
  if (path === '/health/live') {
    const up = { program: { status: 'up', version: VERSION } };
    return send(response, 200, { status: 'ok', info: up, error: {}, details: up });
  }
  if (path !== '/health/ready')
    return send(response, 503, {
      type: 'about:blank',
      title: 'Service Unavailable',
      status: 503,
      code: 'storage_unavailable',
      detail: 'The program starts as soon as PostgreSQL is reachable. Try again in a moment.',
    });
  // The probe is open to anyone: it tells the code of the failure, not its words, which name hosts.
  const down = { [what]: { status: 'down', reason, waitingSince: since.toISOString() } };
  send(response, 503, { status: 'error', info: {}, error: down, details: down });
}

function send(response: ServerResponse, status: number, body: object): void {
  if (status === 503) response.setHeader('retry-after', RETRY_AFTER_S);
  response.writeHead(status, {
    'content-type': 'type' in body ? 'application/problem+json; charset=utf-8' : 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(JSON.stringify(body));
}
