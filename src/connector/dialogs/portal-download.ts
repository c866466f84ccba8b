import type { LookupFunction } from 'node:net';
import type { Connect } from '../../bitrix/bitrix-connections.js';
import { isNamedAddress, isPortalAddress, type HostRules } from '../../bitrix/portal-hosts.js';
import { PRIVATE_ADDRESS, publicLookup } from '../../bitrix/public-address.js';
import { bitrixError, bitrixProblem } from '../../bitrix/bitrix-problems.js';
import { connectionCode } from '../../common/http-exchange.js';
import { type FileAnswer, httpGet } from '../../common/http-get.js';
import { limitStream, StreamLimitError } from '../../common/limited-stream.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { OperatorFile } from '../../relay/operator-directory.js';

/** The short link leads to the signed one, and that at most to another spelling of itself. */
const MAX_REDIRECTS = 3;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Characters of a file's name; */
const NAME_LIMIT = 100;
const NOT_NOW = new Set([408, 425, 429]);

/** How long a portal may take; milliseconds and bytes. */
export const PATIENCE = {
  answerMs: 20_000,
  /** Below one kilobyte a second nobody is really sending. */
  pace: { bytes: 30_000, withinMs: 30_000 },
  /** For any file, and then for each of so many bytes a second. */
  startMs: 60_000,
  bytesPerSecond: 100_000,
};

/** What may be fetched, and from where. */
export interface Download {
  /** Only its path and query count. */
  address: string;
  /** Of the portal that the file belongs to: the origin of its REST address. */
  origin: string;
  rules: HostRules;
  /** Connects to the portal; `lookup` resolves its name where no proxy does. Default: without a proxy. */
  connector?: (url: URL, lookup: LookupFunction | undefined) => Promise<Connect>;
  maxBytes: number;
  signal: AbortSignal;
  patience?: typeof PATIENCE;
}

/**
 * Opens a file by a link that an event named. The portal makes its links, redirects too, from the address by which
 * the operator's browser came (im, lib/V2/Link/…; a box behind a proxy: `http://`, a port, an inner name), so path and
 * query are fetched from the origin at which we know the portal, and nobody else is ever asked, over connections whose
 * addresses were checked, without any credential. Throws UpstreamError, and so does the stream:
 *
 * - `refused`, it will never be had: `file_refused_host` (no link of a portal), `file_gone`, `file_forbidden`,
 *   `file_html` (a page for people in its place), `file_too_large` (more than `maxBytes`);
 * - `not_sent`, it cannot be had now: socket codes, `TIMEOUT`, `HTTP_<status>`, `too_slow`.
 */
export async function openPortalFile(download: Download): Promise<OperatorFile> {
  const { maxBytes, patience = PATIENCE } = download;
  const answer = await follow(download, patience).catch((error: Error) => {
    throw asUpstreamError(error);
  });
  const refusal = refusalOf(answer, maxBytes);
  if (refusal) {
    answer.body.destroy();
    throw refusal;
  }
  const size = sizeOf(answer);
  const totalMs = patience.startMs + ((size ?? maxBytes) / patience.bytesPerSecond) * 1000;
  const stream = limitStream(answer.body, { maxBytes, pace: patience.pace, totalMs }, asUpstreamError);
  return { stream, name: nameOf(answer), mime: typeOf(answer) || null, size };
}

async function follow(download: Download, { answerMs }: typeof PATIENCE): Promise<FileAnswer> {
  const { rules, connector = async (_url, lookup) => ({ lookup }) } = download;
  let address = download.address;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const url = onPortal(address, download);
    const answer = await httpGet(url, {
      headers: { accept: '*/*', 'accept-encoding': 'identity' },
      answerMs,
      signal: download.signal,
      connect: await connector(url, isNamedAddress(url, rules) ? undefined : publicLookup),
    });
    const { location } = answer.headers;
    if (!REDIRECTS.has(answer.status) || typeof location !== 'string') return answer;
    answer.body.destroy();
    address = location;
  }
  throw bitrixProblem('file_gone', 'The link leads in circles.');
}

/** The name alone proves nothing about the address behind it: that is looked at when the connection is made. */
function onPortal(address: string, { origin, rules }: Download): URL {
  const named = address !== '' && URL.canParse(address, origin) ? new URL(address, origin) : null;
  if (!named || !/^https?:$/.test(named.protocol)) throw refusedHost();
  const url = new URL(origin);
  url.pathname = named.pathname;
  url.search = named.search;
  if (!isPortalAddress(url, rules)) throw refusedHost();
  return url;
}

function refusalOf(answer: FileAnswer, maxBytes: number): UpstreamError | null {
  const { status } = answer;
  if (status >= 500 || NOT_NOW.has(status)) {
    return bitrixError('not_sent', `HTTP_${status}`, 'The portal does not give the file now.', 'message');
  }
  if (status === 401 || (status === 403 && answer.headers['bx-file-error'] === undefined)) {
    return bitrixProblem('file_forbidden', `The portal does not let the file be fetched (${status}).`);
  }
  if (status !== 200 || answer.headers['bx-file-error'] !== undefined) {
    return bitrixProblem('file_gone', `The portal does not have the file (${status}).`);
  }
  if (typeOf(answer) === 'text/html' && !isAttachedPage(answer)) {
    return bitrixProblem('file_html', 'The portal answered with a page instead of the file.');
  }
  return (sizeOf(answer) ?? 0) > maxBytes ? tooLarge(maxBytes) : null;
}

/**
 * A page that an operator sent as a file. The portal hands files out with Content-Disposition; its log-in, error and
 * licence pages have none.
 */
function isAttachedPage({ headers }: FileAnswer): boolean {
  return /^attachment\b.*filename\*?=.*\.html?["']?\s*(?:;|$)/i.test(String(headers['content-disposition'] ?? ''));
}

/** As Content-Disposition has it (RFC 6266); Bitrix24 encodes it in both forms. */
function nameOf({ headers }: FileAnswer): string | null {
  const said = String(headers['content-disposition'] ?? '');
  const [, extended] = /;\s*filename\*\s*=\s*utf-8''([^;\s]+)/i.exec(said) ?? [];
  const [, quoted, token] = /;\s*filename\s*=\s*(?:"([^"]*)"|([^;\s]+))/i.exec(said) ?? [];
  const name = extended ?? quoted ?? token ?? '';
  try {
    return cleaned(decodeURIComponent(name));
  } catch {
    return cleaned(name);
  }
}

function cleaned(name: string): string | null {
  return (
    name
      .replace(/[\p{Cc}/\\]/gu, '_')
      .trim()
      .slice(0, NAME_LIMIT) || null
  );
}

function typeOf({ headers }: FileAnswer): string {
  return String(headers['content-type'] ?? '')
    .split(';', 1)[0]!
    .trim()
    .toLowerCase();
}

function sizeOf({ headers }: FileAnswer): number | null {
  const { 'content-length': length } = headers;
  return typeof length === 'string' && /^\d+$/.test(length) ? Number(length) : null;
}

function asUpstreamError(error: Error): UpstreamError {
  if (error instanceof UpstreamError) return error;
  if (error instanceof StreamLimitError) {
    if (error.limit === 'too_large') return bitrixProblem('file_too_large', 'The file is larger than it may be.');
    return bitrixProblem(error.limit, 'The portal sends the file too slowly.');
  }
  const code = connectionCode(error);
  if (code === PRIVATE_ADDRESS) return refusedHost();
  return bitrixError('not_sent', code, 'The connection for the file failed.', 'message');
}

const refusedHost = () => bitrixProblem('file_refused_host', 'The link does not lead to the portal.');
const tooLarge = (maxBytes: number) => bitrixProblem('file_too_large', `The file is larger than ${maxBytes} bytes.`);
