import type { UpstreamError } from '../common/upstream-error.js';
import type { ClaimedDelivery } from '../storage/work/claimed-lane.js';
import { retryDelay } from './retry-schedule.js';

/** What is decided about a send that failed. */
export type Decision =
  { outcome: 'retry'; delayMs: number; unknown: boolean } | { outcome: 'failed' | 'uncertain'; note: boolean };

type DeliveryKind = ClaimedDelivery['kind'];

/** May be repeated without harm: reports, and changes that have the same result each time. */
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

/** An operator's message that could not be sent for this long is given up, and the operator is told. */
export const OUTBOUND_LIFETIME_MS = 48 * 3_600_000;
/** Wait before looking whether a message of unknown outcome arrived: Bitrix24 ends most requests in 3 s, all in 60. */
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
      // The dialog is told about a client's message, too, unless the dialog itself was refused.
      return { outcome: 'failed', note: toClient || (send.kind === 'message' && error.scope === 'message') };
    case 'not_sent':
    case 'unauthorised':
      if (toClient && send.ageMs > OUTBOUND_LIFETIME_MS) return { outcome: 'failed', note: true };
      // A time named by the network is exact, so it does not grow.
      if (error.retryAfterMs !== undefined) {
        return { outcome: 'retry', delayMs: error.retryAfterMs, unknown: send.unknownBefore };
      }
      return again(send.unknownBefore);
    case 'unknown':
      // An edit of an operator's message may also have sent new parts: its repetition must know.
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
