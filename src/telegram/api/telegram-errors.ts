import { LEASE_LOST, TIMEOUT, TransportError } from '../../common/http-exchange.js';
import { asText } from '../../common/json-fields.js';
import { NO_WAY } from '../../common/proxy-routes.js';
import { redact } from '../../common/redact.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { classifyPage, GatewayAnswer } from './gateway-page.js';
import { refusalCodeOf, statusProblem, telegramError } from './telegram-problems.js';

/** The error body of the Bot API (core.telegram.org/bots/api#making-requests). */
export interface TelegramRefusal {
  error_code: number;
  description: string;
  parameters?: { retry_after?: number; migrate_to_chat_id?: number };
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

/** What an error answer of the Bot API means for the message: see the table in telegram-problems.ts. */
export function classifyRefusal({ error_code: status, description, parameters }: TelegramRefusal): UpstreamError {
  const text = ownWords(description).toLowerCase();
  const byStatus = statusProblem(status, text);
  if (byStatus) {
    const seconds = status === 429 ? parameters?.retry_after : undefined;
    const retryAfterMs = seconds === undefined ? byStatus.retryAfterMs : seconds * 1_000;
    return telegramError(String(status), { ...byStatus, retryAfterMs }, description);
  }
  if (parameters?.migrate_to_chat_id !== undefined) {
    return new GroupMigrated(BigInt(parameters.migrate_to_chat_id), description);
  }
  const scope = status === 403 ? 'chat' : 'message';
  return telegramError(refusalCodeOf(status, text), { kind: 'refused', scope }, description);
}

/**
 * A description without what it quotes: links and names that people wrote, in which any word may stand
 * (`entity URL 'https://a.example/kicked' is invalid: …`). They may hold quotation marks of their own.
 */
function ownWords(description: string): string {
  return description.replace(/(?<![\w'])'.*'(?=[\s:;,.]|$)/s, "''").replace(/"[^"]*"/g, '""');
}

const NOT_SENT = { kind: 'not_sent', scope: 'endpoint' } as const;
const UNKNOWN = { kind: 'unknown', scope: 'endpoint' } as const;

/** What a failed exchange means: anything but an answer of the Bot API. */
export function classifyFailure(error: unknown): UpstreamError {
  const cause = innermost(error);
  if (cause instanceof GatewayAnswer) return classifyPage(cause);
  if (cause instanceof TransportError) return classifyTransport(cause);
  const code = asText((cause as { code?: unknown }).code);
  const detail = cause instanceof Error ? cause.message : String(cause);
  if (NEVER_LEFT.has(code)) return telegramError(code, NOT_SENT, detail);
  const timedOut = /timed out|aborted/i.test(detail);
  return telegramError(timedOut ? TIMEOUT : code || 'NO_ANSWER', UNKNOWN, detail);
}

function classifyTransport({ code, written, message }: TransportError): UpstreamError {
  if (code === LEASE_LOST) {
    return telegramError(code, { kind: 'not_sent', scope: 'message' }, 'Another replica drives this bot now.');
  }
  return telegramError(code, written ? UNKNOWN : NOT_SENT, message);
}

function innermost(error: unknown): unknown {
  const inner =
    (error as { error?: unknown; cause?: unknown } | null)?.error ?? (error as { cause?: unknown } | null)?.cause;
  return inner instanceof Error ? innermost(inner) : error;
}
