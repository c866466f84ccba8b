import { randomBytes } from 'node:crypto';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { extensionOf, saysNothing, typeOfContent, typeOfName, UNKNOWN_TYPE } from './mime-types.js';
import { isArray, text, type Params } from './php-encoding.js';

const USER_AGENT = 'Bitrix Connector Client';
/** `HttpClient::redirectMax` */
const MAX_REDIRECTS = 5;
/** `HttpClient` waits so long for a whole answer (`streamTimeout`). */
const TIMEOUT_MS = 60_000;
/** The last characters of a name are kept. */
const NAME_LIMIT = 50;
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

/** One attempt to fetch what a connector pointed at. */
export interface Download {
  /** Unix ms. */
  at: number;
  purpose: 'file' | 'avatar';
  url: string;
  /** Addresses it was led to, in order. */
  redirects: string[];
  /** Of the last answer; null: there was none. */
  status: number | null;
  bytes: number;
  ms: number;
  /** `stored`, or why nothing was: nobody is told. */
  outcome: 'stored' | 'forbidden' | 'status' | 'tooLarge' | 'timedOut' | 'failed';
}

/** What came of it. */
export interface DownloadedFile {
  name: string;
  mime: string;
  content: Buffer;
  source: string;
}

/**
 * Fetches clients' files and avatars from the addresses a connector gives, as `imconnector` does inside the call: with
 * its User-Agent and the connector's headers, through redirects, whatever the TLS certificate, and only a final 200
 * counts. Everything else is dropped without a word.
 */
export class ClientDownloads {
  /** True: the portal reaches nobody. */
  forbidden = false;
  /** Hosts (`name` or `name:port`) it may reach; null: any. A simulator has no business outside of this machine. */
  allowedHosts: string[] | null = LOOPBACK;
  /** Wait before each download. */
  delayMs = 0;
  timeoutMs = TIMEOUT_MS;
  /** The largest file the portal keeps. */
  maxBytes = Infinity;
  readonly records: Download[] = [];

  constructor(private readonly now: () => number) {}

  /** `file`: `url`, `name`, `type`, `headers: [{ name, value }]`, in lower case. Null when it was dropped. */
  async fetch(purpose: Download['purpose'], file: Params): Promise<DownloadedFile | null> {
    const url = text(file['url']);
    if (url === '') return null;
    const began = performance.now();
    const record: Download = {
      at: this.now(),
      purpose,
      url,
      redirects: [],
      status: null,
      bytes: 0,
      ms: 0,
      outcome: 'failed',
    };
    this.records.push(record);
    const signal = AbortSignal.timeout(this.timeoutMs);
    try {
      return await this.receive(file, record, signal);
    } catch {
      record.outcome = signal.aborted ? 'timedOut' : 'failed';
      return null;
    } finally {
      record.ms = performance.now() - began;
    }
  }

  private async receive(file: Params, record: Download, signal: AbortSignal): Promise<DownloadedFile | null> {
    if (this.delayMs > 0) await sleep(this.delayMs, undefined, { signal });
    let address = record.url;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
      if (!this.mayReach(address)) {
        record.outcome = 'forbidden';
        return null;
      }
      const incoming = await get(address, headersOf(file), signal);
      record.status = incoming.statusCode ?? null;
      const { location } = incoming.headers;
      if (location !== undefined && isRedirect(record.status)) {
        incoming.resume();
        address = new URL(location, address).href;
        record.redirects.push(address);
        continue;
      }
      return this.keep(incoming, file, address, record);
    }
    return null;
  }

  private async keep(
    incoming: IncomingMessage,
    file: Params,
    address: string,
    record: Download,
  ): Promise<DownloadedFile | null> {
    if (record.status !== 200) {
      incoming.destroy();
      record.outcome = 'status';
      return null;
    }
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        record.bytes += chunk.length;
        if (record.bytes > this.maxBytes) {
          record.outcome = 'tooLarge';
          return null;
        }
        chunks.push(chunk);
      }
    } catch (error) {
      // Main\Web\HttpClient takes a body that is shorter than its Content-Length for whole (main, lib/web/httpclient.php).
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET' || chunks.length === 0) throw error;
    }
    record.outcome = 'stored';
    return describe(Buffer.concat(chunks), incoming, file, address);
  }

  private mayReach(address: string): boolean {
    if (this.forbidden || !URL.canParse(address)) return false;
    const { protocol, host, hostname } = new URL(address);
    if (protocol !== 'http:' && protocol !== 'https:') return false;
    return this.allowedHosts === null || this.allowedHosts.includes(hostname) || this.allowedHosts.includes(host);
  }
}

function isRedirect(status: number | null): boolean {
  return status !== null && [301, 302, 303, 307, 308].includes(status);
}

function headersOf(file: Params): Record<string, string> {
  const own = isArray(file['headers']) ? Object.values(file['headers']).filter(isArray) : [];
  const pairs = own.map((header) => [text(header['name']), text(header['value'])] as const);
  return { 'User-Agent': USER_AGENT, ...Object.fromEntries(pairs.filter(([name]) => name !== '')) };
}

function get(address: string, headers: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = address.startsWith('https:')
      ? requestHttps(address, { headers, signal, rejectUnauthorized: false })
      : requestHttp(address, { headers, signal });
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end();
  });
}

/** Name and type, with the portal's own order of preference. */
function describe(content: Buffer, incoming: IncomingMessage, file: Params, address: string): DownloadedFile {
  const given = text(file['name']);
  let type = text(file['type']) || (incoming.headers['content-type'] ?? '');
  let name = given === '' ? foundName(incoming, text(file['url']), address) : lastCharacters(baseName(given));
  if (given === '' && type.startsWith('image/') && !typeOfName(name).startsWith('image/')) {
    name += extensionOf(type) === '' ? '' : `.${extensionOf(type)}`;
  }
  if (saysNothing(type)) type = typeOfContent(content);
  if (!name.includes('.') && extensionOf(type) !== '') name += `.${extensionOf(type)}`;
  return { name, mime: type || UNKNOWN_TYPE, content, source: text(file['url']) };
}

function foundName(incoming: IncomingMessage, url: string, address: string): string {
  const disposition = incoming.headers['content-disposition'] ?? '';
  if (disposition !== '') return baseName(nameInDisposition(disposition)) || nameInUrl(url);
  return address === url ? nameInUrl(url) : nameInUrl(address);
}

function nameInDisposition(header: string): string {
  const decoded = rawUrlDecode(header);
  const extended = /filename\*=([^;]+)/i.exec(decoded)?.[1];
  if (extended !== undefined) return trimQuotes(extended).split(/'[^']*'/)[1] ?? '';
  return trimQuotes(/filename=([^;]+)/i.exec(decoded)?.[1] ?? '');
}

/** The end of the address is cut out first, its query is taken away afterwards: a long query leaves a strange name. */
function nameInUrl(url: string): string {
  const end = lastCharacters(baseName(url));
  const mark = end.lastIndexOf('?');
  return (mark < 0 ? end : end.slice(0, mark)) || randomBytes(7).toString('hex').slice(0, 13);
}

function baseName(path: string): string {
  return (
    path
      .replace(/[/\\]+$/, '')
      .split(/[/\\]/)
      .at(-1) ?? ''
  );
}

function lastCharacters(name: string): string {
  return [...name].slice(-NAME_LIMIT).join('');
}

function trimQuotes(value: string): string {
  return value.trim().replace(/^"+|"+$/g, '');
}

/** PHP's `rawurldecode`: what is no escape stays. */
function rawUrlDecode(value: string): string {
  return value.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
    Buffer.from(escapes.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}
