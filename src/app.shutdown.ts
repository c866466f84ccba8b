import type { Server } from 'node:http';
import { setImmediate as afterPoll, setTimeout as pause } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ShutdownState } from './observability/shutdown-state.js';
import { EndpointSupervisor } from './relay/endpoint-supervisor.js';

/** How long requests that are under way may take to end, in milliseconds: a file may take minutes. */
const REQUESTS_MS = 2_000;
/** How often connections are looked for that have become idle, in milliseconds. */
const IDLE_LOOK_MS = 50;

/**
 * Ends the application so that nobody who asks is refused: it says that it is leaving, hands its bots and portals over,
 * goes on taking requests for `delayMs`, ends those under way, and closes everything else.
 */
export async function shutDown(app: NestFastifyApplication, delayMs: number): Promise<void> {
  app.get(ShutdownState).begin();
  const requests = pause(delayMs).then(() => endRequests(app.getHttpServer()));
  await Promise.all([requests, app.get(EndpointSupervisor).drain()]);
  await app.close();
}

/** Takes no more connections. Resolves when the last one has ended; after {@link REQUESTS_MS} it is cut. */
async function endRequests(server: Server): Promise<void> {
  // What the kernel has taken in for us is reset by the close: right after the event loop has polled there is nothing.
  await afterPoll();
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  const look = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS);
  const cut = setTimeout(() => server.closeAllConnections(), REQUESTS_MS);
  await ended.finally(() => {
    clearInterval(look);
    clearTimeout(cut);
  });
}
