import http, { type Agent, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';

export interface HttpGetOptions {
  headers: Record<string, string>;
  /** How long the headers of the answer may take, in milliseconds; an error with the code TIMEOUT after that. */
  answerMs: number;
  /** Aborted: the exchange ends, the body included. */
  signal: AbortSignal;
  /** Without: a connection of its own. */
  agent?: Agent;
  lookup?: LookupFunction;
}

/**
 * One GET, answered with whatever came, its body unread. Follows no redirect. A kept connection that the far side had
 * closed already is replaced once. Rejects with the socket's error, which never names the address.
 */
export async function httpGet(url: URL, options: HttpGetOptions): Promise<IncomingMessage> {
  const first = await exchange(url, options);
  return first === 'stale' ? answered(await exchange(url, options)) : first;
}

function exchange(url: URL, options: HttpGetOptions): Promise<IncomingMessage | 'stale'> {
  const { headers, signal, lookup, agent = false } = options;
  return new Promise((resolve, reject) => {
    const { request } = url.protocol === 'https:' ? https : http;
    const asked = request(url, { headers, signal, agent, ...(lookup && { lookup }) });
    const timer = setTimeout(() => asked.destroy(failure('TIMEOUT')), options.answerMs);
    asked.once('response', resolve);
    asked.once('response', () => clearTimeout(timer));
    asked.once('close', () => clearTimeout(timer));
    // Also fails with a body that breaks off, long after the answer: by then nobody listens any more.
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (asked.reusedSocket && error.code === 'ECONNRESET') resolve('stale');
      else reject(error);
    });
    asked.end();
  });
}

function answered(answer: IncomingMessage | 'stale'): IncomingMessage {
  if (answer === 'stale') throw failure('ECONNRESET');
  return answer;
}

const failure = (code: string) => Object.assign(new Error(code), { code });
