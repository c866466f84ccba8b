import { LEASE_LOST, TransportError } from '../../common/http-exchange.js';
import { UpstreamError, type UpstreamErrorKind, type UpstreamErrorScope } from '../../common/upstream-error.js';
import { redact } from '../../common/redact.js';
import { NO_WAY } from './telegram-routes.js';

/** The error body of the Bot API (core.telegram.org/bots/api#making-requests). */
export interface TelegramRefusal {
  error_code: number;
  description: string;
  parameters?: { retry_after?: number; migrate_to_chat_id?: number };
}

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

/** The group became a supergroup: nothing was sent, and the same may be sent there. */
export class GroupMigrated extends UpstreamError {
  constructor(
    /** Telegram's id of the supergroup. */
    readonly chatId: bigint,
    detail: string,
  ) {
    super({ network: 'telegram', kind: 'refused', scope: 'chat', code: 'group_migrated', detail: redact(detail) });
  }
}

/** Failures before a byte of the request could be written. */
const NEVER_LEFT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EPROTO',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_INVALID_URL',
  NO_WAY,
]);

const fail = (
  kind: UpstreamErrorKind,
  scope: UpstreamErrorScope,
  code: string,
  detail: string,
  retryAfterMs?: number,
): UpstreamError => new UpstreamError({ network: 'telegram', kind, scope, code, detail: redact(detail), retryAfterMs });

/**
 * What an error answer of the Bot API means for the message. The numbers carry the class, the description (which
 * Telegram may reword) only refines it.
 */
export function classifyRefusal({ error_code: status, description, parameters }: TelegramRefusal): UpstreamError {
  const text = ownWords(description).toLowerCase();
  if (status === 429) {
    const seconds = parameters?.retry_after ?? 1;
    return fail('not_sent', 'chat', '429', description, seconds * 1_000);
  }
  if (status === 401 || (status === 404 && text === 'not found')) {
    return fail('unauthorised', 'endpoint', String(status), description);
  }
  if (status === 409) return fail('not_sent', 'endpoint', '409', description);
  if (status === 500 && text.includes('immediately deleted')) return fail('unknown', 'message', '500', description);
  if (status >= 500)
    return status === 504
      ? fail('unknown', 'endpoint', '504', description)
      : fail('not_sent', 'endpoint', String(status), description);
  if (parameters?.migrate_to_chat_id !== undefined) {
    return new GroupMigrated(BigInt(parameters.migrate_to_chat_id), description);
  }
  if (status === 413) return fail('refused', 'message', 'file_too_large', description);
  if (status === 403) return fail('refused', 'chat', refusalCode(text), description);
  return fail('refused', 'message', refusalCode(text), description);
}

/**
 * A description without what it quotes: links and names that people wrote, in which any word may stand
 * (`entity URL 'https://a.example/kicked' is invalid: …`). They may hold quotation marks of their own.
 */
function ownWords(description: string): string {
  return description.replace(/(?<![\w'])'.*'(?=[\s:;,.]|$)/s, "''").replace(/"[^"]*"/g, '""');
}

/**
 * Stable codes of what the program or an operator must know apart, by parts of the descriptions: literal ones of
 * tdlib/telegram-bot-api, and names of MTProto errors that it passes through. The first that fits counts.
 */
const CODE_OF_DESCRIPTION: readonly (readonly [code: string, ...parts: string[]])[] = [
  // Also what the link of an entity is refused for, such as "Wrong HTTP URL".
  ['entities_refused', 'entity', 'entities', 'custom emoji'],
  ['bot_blocked', 'blocked by the user'],
  ['user_deactivated', 'user is deactivated'],
  ['bot_removed', 'kicked', 'not a member', 'group chat was deleted'],
  ['conversation_not_started', "can't initiate conversation"],
  ['business_window', 'business_peer_usage_missing'],
  ['business_excluded', 'business_peer_invalid'],
  ['business_disconnected', 'business_connection_invalid', 'business connection not found'],
  ['business_rights', 'bot_access_forbidden'],
  ['topic_deleted', 'thread not found', 'topic_deleted', 'topic_id_invalid', 'topic not found'],
  ['topic_closed', 'topic_closed'],
  ['quote_refused', 'quote'],
  ['reply_refused', 'message to be replied', 'reply message', 'reply_message_id_invalid', 'reply_to'],
  ['not_modified', 'message is not modified'],
  ['message_gone', 'message to edit not found', 'message to delete not found', 'message_id_invalid'],
  ['edit_refused', "message can't be edited"],
  ['delete_refused', "message can't be deleted", 'message_delete_forbidden'],
  ['no_text', 'no text in the message'],
  ['no_caption', 'no caption in the message'],
  ['voice_forbidden', 'voice_messages_forbidden'],
  ['chat_not_found', 'chat not found', 'user not found', 'peer_id_invalid'],
  ['no_rights', 'not enough rights', 'have no rights', 'chat_write_forbidden', 'chat_restricted', 'chat_send_'],
  ['caption_too_long', 'caption is too long', 'caption_too_long'],
  ['too_long', 'message is too long', 'text is too long', 'message_too_long'],
  ['group_migrated', 'upgraded to a supergroup'],
  ['file_too_large', 'file is too big'],
  [
    'file_id_refused',
    'wrong remote file identifier',
    'wrong file_id',
    'wrong file identifier',
    'file_reference_',
    "can't use file of type",
  ],
  [
    'media_refused',
    'photo_',
    'image_process_failed',
    'too big for a photo',
    'web page content',
    'webpage_',
    'http url',
    'video_',
    'audio_',
    'media_',
    'file_parts_',
    'the album',
    'as an album',
    "can't be mixed",
    'media group',
    'file must be non-empty',
  ],
];

function refusalCode(text: string): string {
  return CODE_OF_DESCRIPTION.find(([, ...parts]) => parts.some((part) => text.includes(part)))?.[0] ?? 'refused';
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
/** A page is nobody's promise: whatever it says, it is looked again after so long. */
const LONGEST_PAGE_WAIT_MS = 300_000;

/** A page with 3xx or 4xx is of whoever did not let the request through: the Bot API answers in JSON only. */
function cameBefore({ status, afterMs }: Page): boolean {
  if (status >= 300 && status < 500) return true;
  if (status === NO_CONNECTION.status) return afterMs < NO_CONNECTION.withinMs;
  return SERVER_AWAY.has(status);
}

function classifyPage({ page, message }: GatewayAnswer): UpstreamError {
  const { status, retryAfterMs } = page;
  // The way lets nothing so large through; the next message may pass.
  if (status === 413) return fail('refused', 'message', 'file_too_large', message);
  if (!cameBefore(page)) return fail('unknown', 'endpoint', String(status), message);
  const waitMs = retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, LONGEST_PAGE_WAIT_MS);
  return fail('not_sent', 'endpoint', String(status), message, waitMs);
}

/** What a failed exchange means: anything but an answer of the Bot API. */
export function classifyFailure(error: unknown): UpstreamError {
  const cause = innermost(error);
  if (cause instanceof GatewayAnswer) return classifyPage(cause);
  if (cause instanceof TransportError) return classifyTransport(cause);
  const code = String((cause as { code?: unknown }).code ?? '');
  const detail = cause instanceof Error ? cause.message : String(cause);
  if (NEVER_LEFT.has(code)) return fail('not_sent', 'endpoint', code, detail);
  const timedOut = /timed out|aborted/i.test(detail);
  return fail('unknown', 'endpoint', timedOut ? 'TIMEOUT' : code || 'NO_ANSWER', detail);
}

function classifyTransport({ code, written, message }: TransportError): UpstreamError {
  if (code === LEASE_LOST) return fail('not_sent', 'message', code, 'Another replica drives this bot now.');
  return fail(written ? 'unknown' : 'not_sent', 'endpoint', code, message);
}

function innermost(error: unknown): unknown {
  const inner =
    (error as { error?: unknown; cause?: unknown } | null)?.error ?? (error as { cause?: unknown } | null)?.cause;
  return inner instanceof Error ? innermost(inner) : error;
}
