import type { UpstreamError } from '../common/upstream-error.js';
import type { ClaimedDelivery } from '../storage/work/claimed-lane.js';
import { retryDelay } from './retry-schedule.js';

/** What is decided about a send that failed. */
export type Decision =
  { outcome: 'retry'; delayMs: number; unknown: boolean } | { outcome: 'failed' | 'uncertain'; note: boolean };

type DeliveryKind = ClaimedDelivery['kind'];

/** What may be done twice without anybody noticing: reports, and changes that lead to the same end. */
const REPEATABLE: ReadonlySet<DeliveryKind> = new Set(['edit', 'delete', 'status', 'reading']);

export interface FailedSend {
  error: UpstreamError;
  kind: DeliveryKind;
  /** Number of the attempt that failed, from 1. */
  attempt: number;
  /** The outcome of an earlier attempt is already unknown. */
  unknownBefore: boolean;
  ageMs: number;
  policy: 'hold' | 'resend';
  random: number;
}

/** An operator's message that Telegram could not take for so long is given up, and the operator told. */
export const OUTBOUND_LIFETIME_MS = 48 * 3_600_000;
/** Before looking whether a message of unknown outcome arrived: Bitrix24 ends every request within 60 s, most in 3. */
const SETTLE_MS = 2_000;
/** UNCERTAIN_POLICY=resend waits this long before the one repetition. */
const RESEND_MS = 10_000;

/**
 * The one place that turns an {@link UpstreamError} into what happens next.
 *
 * Into Bitrix24 a client's words are never given up for anything but a refusal: an unknown outcome is tried again
 * with `unknown` set, and the sender looks into the dialog before it sends. Into Telegram nothing is repeated
 * whose outcome is unknown, except once under UNCERTAIN_POLICY=resend. Statuses, edits and deletions may be repeated
 * freely.
 */
export function decide(send: FailedSend): Decision {
  const { error, attempt } = send;
  const again = (unknown: boolean): Decision => ({
    outcome: 'retry',
    delayMs: Math.max(error.retryAfterMs ?? 0, retryDelay(attempt, send.ageMs, send.random)),
    unknown,
  });
  const toClient = error.network === 'telegram';
  switch (error.kind) {
    case 'refused':
      // Of a client's message the dialog is told as well, unless it is the dialog that is refused.
      return { outcome: 'failed', note: toClient || (send.kind === 'message' && error.scope === 'message') };
    case 'not_sent':
    case 'unauthorised':
      if (toClient && send.ageMs > OUTBOUND_LIFETIME_MS) return { outcome: 'failed', note: true };
      // What the network names is exact: no growth on top of it.
      if (error.retryAfterMs !== undefined) {
        return { outcome: 'retry', delayMs: error.retryAfterMs, unknown: send.unknownBefore };
      }
      return again(send.unknownBefore);
    case 'unknown':
      // An edit of an operator's message may have sent something new, too: whoever repeats it must know.
      if (REPEATABLE.has(send.kind)) return again(toClient && send.kind === 'edit');
      if (!toClient) {
        const { delayMs } = again(true) as { delayMs: number };
        return { outcome: 'retry', delayMs: Math.max(delayMs, SETTLE_MS), unknown: true };
      }
      if (send.policy === 'resend' && !send.unknownBefore) {
        return { outcome: 'retry', delayMs: RESEND_MS, unknown: true };
      }
      return { outcome: 'uncertain', note: true };
  }
}
