import type { Page } from './telegram-errors.js';

const TITLE_LENGTH = 120;
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: ' ' };

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
