import { redact } from '../../common/redact.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { DeliveryProblem, ProblemTable } from '../../common/delivery-problem.js';
import { REFUSALS, type RefusalCode, type TelegramProblem } from './telegram-refusals.js';

/** Statuses that carry the whole meaning; their code is the number itself. The first row that fits counts. */
const STATUSES: readonly (DeliveryProblem & { from: number; to?: number; says?: RegExp })[] = [
  { from: 429, kind: 'not_sent', scope: 'chat', retryAfterMs: 1_000 },
  { from: 401, kind: 'unauthorised', scope: 'endpoint' },
  // Of an unknown token. Other 404s say what was not found.
  { from: 404, says: /^not found$/, kind: 'unauthorised', scope: 'endpoint' },
  { from: 409, kind: 'not_sent', scope: 'endpoint' },
  { from: 500, says: /immediately deleted/, kind: 'unknown', scope: 'message' },
  { from: 504, kind: 'unknown', scope: 'endpoint' },
  { from: 500, to: Infinity, kind: 'not_sent', scope: 'endpoint' },
];

/** For {@link DeliveryProblems}. */
export const TELEGRAM_PROBLEMS: ProblemTable = REFUSALS;

/** What the status alone means; undefined: the description tells. */
export function statusProblem(status: number, description: string): DeliveryProblem | undefined {
  return STATUSES.find(
    ({ from, to = from, says }) => status >= from && status <= to && (says?.test(description) ?? true),
  );
}

/** The refusal that an answer means; `refused` for one that nobody has met yet. */
export function refusalCodeOf(status: number, description: string): RefusalCode | 'refused' {
  const rows = Object.entries<TelegramProblem>(REFUSALS) as [RefusalCode, TelegramProblem][];
  const found =
    rows.find(([, row]) => row.status === status) ??
    rows.find(([, { says }]) => says?.some((part) => description.includes(part)));
  return found?.[0] ?? 'refused';
}

/** An error of Telegram's network; credentials are removed from its detail. */
export function telegramError(
  code: string,
  { kind, scope, retryAfterMs }: DeliveryProblem,
  detail: string,
  options?: { cause?: unknown },
): UpstreamError {
  return new UpstreamError({ network: 'telegram', code, kind, scope, retryAfterMs, detail: redact(detail) }, options);
}

/** What the program itself refuses, because Telegram would. */
export function refusal(code: RefusalCode, detail: string): UpstreamError {
  return telegramError(code, REFUSALS[code], detail);
}

/** Whether Telegram, or the program before it asks, refused something with one of these codes. */
export function isRefusal(error: unknown, ...codes: RefusalCode[]): error is UpstreamError {
  return rowOf(error) !== undefined && codes.includes((error as UpstreamError).code as RefusalCode);
}

/** What of the message was refused; undefined: it was another error, or none of these is at fault. */
export function faultOf(error: unknown): TelegramProblem['fault'] {
  return rowOf(error)?.fault;
}

/** Telegram refused a file, or the form in which it was sent, and not the chat. */
export function isFileRefused(error: unknown): error is UpstreamError {
  const fault = faultOf(error);
  return fault === 'file' || fault === 'form';
}

/** Why the client can no longer be reached in this chat; undefined: the error does not say so. */
export function unreachableReason(error: unknown): string | undefined {
  return rowOf(error)?.unreachable;
}

function rowOf(error: unknown): TelegramProblem | undefined {
  const isRefused = error instanceof UpstreamError && error.network === 'telegram' && error.kind === 'refused';
  return isRefused && Object.hasOwn(REFUSALS, error.code) ? REFUSALS[error.code as RefusalCode] : undefined;
}
