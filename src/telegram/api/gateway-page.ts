import type { UpstreamError } from '../../common/upstream-error.js';
import { refusal, telegramError } from './telegram-problems.js';

const TITLE_LENGTH = 120;
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: ' ' };

/** What came in place of an answer of the Bot API. */
export interface Page {
  status: number;
  /** Milliseconds from the first byte of the request to it. */
  afterMs: number;
  /** What its `<title>` says; null: it has none, or is no page. */
  title: string | null;
  /** Where it sends on to: an origin. */
  location: string | null;
  /** Its Retry-After, in milliseconds. */
  retryAfterMs: number | undefined;
}

/** A relay, proxy or gateway in front of the Bot API answered instead of it: an HTTP status without the API's JSON. */
export class GatewayAnswer extends Error {
  override readonly name = 'GatewayAnswer';
  constructor(readonly page: Page) {
    const { status, title, location } = page;
    const what = title === null ? '' : `: ${title}`;
    super(`A relay or proxy answered with a page${what} (HTTP ${status}${location ? `, leads to ${location}` : ''})`);
  }
}

/**
 * Statuses from 500 on of pages that come while the server behind cannot be had: 502 and 503 of gateways, and those of
 * Cloudflare (developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors): it refuses
 * the connection, has no route, fails at TLS (twice), has no address. 520, 524 and 527 come when it was reached.
 */
const SERVER_AWAY: ReadonlySet<number> = new Set([502, 503, 521, 523, 525, 526, 530]);
/**
 * Cloudflare's 522 is two: no connection within 19 s, or a request that was not acknowledged for 90 s, of which nobody
 * knows what became.
 */
const NO_CONNECTION = { status: 522, withinMs: 60_000 };
/** The longest Retry-After that a page is believed. */
const LONGEST_PAGE_WAIT_MS = 300_000;

/** A page with 3xx or 4xx is of whoever did not let the request through: the Bot API answers in JSON only. */
function cameBefore({ status, afterMs }: Page): boolean {
  if (status >= 300 && status < 500) return true;
  if (status === NO_CONNECTION.status) return afterMs < NO_CONNECTION.withinMs;
  return SERVER_AWAY.has(status);
}

/** What a page in place of an answer means for the message. */
export function classifyPage({ page, message }: GatewayAnswer): UpstreamError {
  const { status, retryAfterMs } = page;
  // The route lets nothing so large through; the next message may pass.
  if (status === 413) return refusal('file_too_large', message);
  if (!cameBefore(page)) return telegramError(String(status), { kind: 'unknown', scope: 'endpoint' }, message);
  const waitMs = retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, LONGEST_PAGE_WAIT_MS);
  return telegramError(String(status), { kind: 'not_sent', scope: 'endpoint', retryAfterMs: waitMs }, message);
}

/** An answer as it came: what is no JSON of the Bot API. */
export interface ForeignAnswer {
  status: number;
  body: string;
  /** The headers `Location` (absolute) and `Retry-After`. */
  location: string | null;
  retryAfter: string | null;
  afterMs: number;
}

/** @param now milliseconds since 1970, for a Retry-After that names a date */
export function readPage({ status, body, location, retryAfter, afterMs }: ForeignAnswer, now: number): Page {
  return {
    status,
    afterMs,
    title: titleOf(body),
    location: originOf(location),
    retryAfterMs: retryAfter === null ? undefined : waitOf(retryAfter, now),
  };
}

/** As a browser would show it above the page, cut to 120 characters. */
function titleOf(body: string): string | null {
  const [, title = ''] = /<title[^<>]*>([^<]*)</i.exec(body) ?? [];
  const text = title
    .replace(/&(#39|[a-z]+);/gi, (entity, name: string) => ENTITIES[name.toLowerCase()] ?? entity)
    .replace(/\s+/g, ' ')
    .trim();
  return text === '' ? null : [...text].slice(0, TITLE_LENGTH).join('');
}

/** The path may repeat the token. */
function originOf(location: string | null): string | null {
  return location !== null && URL.canParse(location) ? new URL(location).origin : null;
}

/** Seconds, or a date (RFC 9110, 10.2.3); undefined: neither. */
function waitOf(retryAfter: string, now: number): number | undefined {
  if (/^\d+$/.test(retryAfter.trim())) return Number(retryAfter) * 1_000;
  const date = Date.parse(retryAfter);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
