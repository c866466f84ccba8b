import { UpstreamError, type UpstreamErrorKind, type UpstreamErrorScope } from '../common/upstream-error.js';
import { redact } from '../common/redact.js';

/** The error body of the Bot API (core.telegram.org/bots/api#making-requests). */
export interface TelegramRefusal {
  error_code: number;
  description: string;
  parameters?: { retry_after?: number; migrate_to_chat_id?: number };
}

/** A gateway in front of the Bot API answered instead of it: an HTTP status without the API's JSON. */
export class GatewayAnswer extends Error {
  override readonly name = 'GatewayAnswer';
  constructor(readonly status: number) {
    super(`HTTP ${status} without an answer of the Bot API`);
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
  const text = description.toLowerCase();
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
  if (status === 403) return fail('refused', 'chat', refusalCode(text), description);
  return fail('refused', 'message', refusalCode(text), description);
}

/** Stable codes for what an operator should be told in his own language; others keep Telegram's number. */
function refusalCode(text: string): string {
  if (text.includes('blocked by the user')) return 'bot_blocked';
  if (text.includes('user is deactivated')) return 'user_deactivated';
  if (text.includes('kicked') || text.includes('not a member') || text.includes('group chat was deleted'))
    return 'bot_removed';
  if (text.includes("can't initiate conversation")) return 'conversation_not_started';
  if (text.includes('chat not found') || text.includes('user not found') || text.includes('peer_id_invalid'))
    return 'chat_not_found';
  if (text.includes('not enough rights') || text.includes('have no rights') || text.includes('chat_write_forbidden'))
    return 'no_rights';
  if (text.includes('message is too long') || text.includes('text is too long')) return 'too_long';
  if (text.includes('upgraded to a supergroup')) return 'group_migrated';
  return 'refused';
}

/** What a failed exchange means: anything but an answer of the Bot API. */
export function classifyFailure(error: unknown): UpstreamError {
  const cause = innermost(error);
  if (cause instanceof GatewayAnswer) {
    if (cause.status === 502 || cause.status === 503)
      return fail('not_sent', 'endpoint', String(cause.status), cause.message);
    return fail('unknown', 'endpoint', String(cause.status), cause.message);
  }
  const code = String((cause as { code?: unknown }).code ?? '');
  const detail = cause instanceof Error ? cause.message : String(cause);
  if (NEVER_LEFT.has(code)) return fail('not_sent', 'endpoint', code, detail);
  const timedOut = /timed out|aborted/i.test(detail);
  return fail('unknown', 'endpoint', timedOut ? 'TIMEOUT' : code || 'NO_ANSWER', detail);
}

function innermost(error: unknown): unknown {
  const inner =
    (error as { error?: unknown; cause?: unknown } | null)?.error ?? (error as { cause?: unknown } | null)?.cause;
  return inner instanceof Error ? innermost(inner) : error;
}
