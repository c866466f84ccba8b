import type { Readable } from 'node:stream';
import { buildConnector, Client, type Dispatcher } from 'undici';
import { connectionCode, TIMEOUT, USER_AGENT } from './http-exchange.js';
import { pausable } from './paused-connections.js';

export interface HttpGetOptions {
  headers: Record<string, string>;
  /** How long the headers of the answer may take, in milliseconds; an error with the code TIMEOUT after that. */
  answerMs: number;
  /** Aborted: the exchange ends, the body included. */
  signal: AbortSignal;
  /** They may have been kept for a while, and are {@link pausable}. Without: a connection of its own. */
  connections?: Dispatcher;
  /** How a connection of its own is made. */
  connect?: buildConnector.connector | buildConnector.BuildOptions;
}

/** An answer of any status. Its body has to be read or destroyed. */
export interface FileAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Readable;
}

/**
 * One GET, answered with whatever came, its body unread. Follows no redirect. A kept connection that the far side had
 * closed already is replaced once. Rejects with the socket's error, which never names the address.
 */
export async function httpGet(url: URL, options: HttpGetOptions): Promise<FileAnswer> {
  const { connections, connect = {} } = options;
  if (connections) {
    return ask(connections, url, options).catch((error: unknown) => {
      if (connectionCode(error) !== 'ECONNRESET' || options.signal.aborted) throw error;
      return ask(connections, url, options);
    });
  }
  const made = typeof connect === 'function' ? connect : buildConnector({ timeout: options.answerMs, ...connect });
  const own = new Client(url.origin, { pipelining: 0, connect: pausable(made) });
  try {
    const answer = await ask(own, url, options);
    answer.body.once('close', () => void own.destroy());
    return answer;
  } catch (error) {
    void own.destroy();
    throw error;
  }
}

async function ask(by: Dispatcher, url: URL, { headers, answerMs, signal }: HttpGetOptions): Promise<FileAnswer> {
  const over = new AbortController();
  const abort = () => over.abort(signal.reason);
  const timer = setTimeout(() => over.abort(Object.assign(new Error(TIMEOUT), { code: TIMEOUT })), answerMs);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  const end = () => signal.removeEventListener('abort', abort);
  try {
    const answer = await by.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { 'user-agent': USER_AGENT, ...headers },
      signal: over.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const { statusCode: status, headers: named, body } = answer;
    // Whoever reads it hears of its errors; one that breaks off unread is nobody's.
    body.once('close', end).on('error', () => undefined);
    return { status, headers: named, body };
  } catch (error) {
    end();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
