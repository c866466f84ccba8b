import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import type { HttpModuleOptions, HttpService } from '@nestjs/axios';
import { type HttpAnswer, TIMEOUT, TransportError } from '../common/http-exchange.js';

/** Largest answer that is read; the biggest of Bitrix24 (50 records of a list) stay far below it. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/**
 * Kept connections that were idle for longer are closed by us: writing to one that the far side is just closing
 * would be a call whose outcome nobody knows.
 */
const IDLE_CONNECTION_MS = 10_000;

const AGENT = { keepAlive: true, timeout: IDLE_CONNECTION_MS, maxSockets: 16, maxFreeSockets: 4 };

/** Settings of the HTTP client: kept connections, no redirects, no proxy from the environment, bounded bodies. */
export const HTTP_OPTIONS: HttpModuleOptions = {
  httpAgent: new http.Agent(AGENT),
  httpsAgent: new https.Agent(AGENT),
  proxy: false,
  maxRedirects: 0,
  maxContentLength: MAX_ANSWER_BYTES,
  responseType: 'text',
  // The body is parsed where its meaning is known, whatever the status says.
  transformResponse: (body: unknown) => body,
  validateStatus: () => true,
};

/**
 * POSTs once and answers whatever came back within `timeoutMs`, the whole exchange included.
 * Throws {@link TransportError} when nothing did.
 */
export async function post(
  client: HttpService,
  url: string,
  request: { headers: Record<string, string>; body: string; timeoutMs: number },
): Promise<Pick<HttpAnswer, 'status' | 'text'>> {
  const connection = { stood: false };
  const deadline = AbortSignal.timeout(request.timeoutMs);
  try {
    const answer = await client.axiosRef.request<string>({
      url,
      method: 'POST',
      headers: { Accept: 'application/json', ...request.headers },
      data: request.body,
      signal: deadline,
      transport: watched(connection),
    });
    return { status: answer.status, text: typeof answer.data === 'string' ? answer.data : '' };
  } catch (error) {
    throw new TransportError(deadline.aborted ? TIMEOUT : codeOf(error), connection.stood);
  }
}

function codeOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  if (message?.includes('maxContentLength')) return 'ANSWER_TOO_LARGE';
  return code ?? 'CONNECTION_FAILED';
}

/**
 * Node's own transport, noting when the connection (with TLS, its handshake too) is ready: what fails before
 * that was certainly not sent, what fails after it may have been. Error codes cannot tell: ECONNRESET is both.
 */
function watched(connection: { stood: boolean }) {
  return {
    request(options: RequestOptions, onResponse: (response: IncomingMessage) => void): ClientRequest {
      const secure = options.protocol === 'https:';
      const request = (secure ? https : http).request(options, onResponse);
      request.once('socket', (socket) => {
        if (request.reusedSocket || !socket.connecting) connection.stood = true;
        else
          socket.once(secure ? 'secureConnect' : 'connect', () => {
            connection.stood = true;
          });
      });
      return request;
    },
  };
}
