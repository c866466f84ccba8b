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
 * One GET, answered with whatever came, its body unread. Follows no redirect. Rejects with the socket's error, which
 * never names the address.
 */
export function httpGet(url: URL, options: HttpGetOptions): Promise<IncomingMessage> {
  const { headers, signal, lookup, agent = false } = options;
  return new Promise((resolve, reject) => {
    const { request } = url.protocol === 'https:' ? https : http;
    const exchange = request(url, { headers, signal, agent, ...(lookup && { lookup }) });
    const timer = setTimeout(() => exchange.destroy(timeout()), options.answerMs);
    exchange.once('response', resolve);
    exchange.on('error', reject);
    exchange.once('response', () => clearTimeout(timer));
    exchange.once('close', () => clearTimeout(timer));
    exchange.end();
  });
}

const timeout = () => Object.assign(new Error('No answer in time'), { code: 'TIMEOUT' });
