import type { UpstreamError } from '../common/upstream-error.js';
import type { ClaimedDelivery } from '../storage/work/claimed-lane.js';
import type { Doubt, Settlement } from '../storage/work/settlement.js';
import { BOT_UNAUTHORISED, CLIENT_MESSAGE_REFUSED, FILES_LEFT_OUT, type DeliveryResult } from './endpoint-driver.js';
import { decide } from './outcome.js';

const MORE_PARTS = { code: 'paced', detail: "The other parts follow as soon as the network's limits allow." };

/**
 * What is recorded for a delivery with this result; `delayMs`: how long it waits before the next try.
 *
 * @param now     milliseconds since 1970
 * @param random  from 0 to 1, for the time until the next try
 */
export function settlementOf(
  delivery: ClaimedDelivery,
  result: DeliveryResult,
  { policy, now, random }: { policy: 'hold' | 'resend'; now: number; random: number },
): Settlement & { delayMs?: number } {
  const { seq, telegramMessageIds, telegramParts, removedMessageIds, leftOut } = result;
  const parts = { telegramMessageIds, telegramParts, removedMessageIds };
  const aboutFiles = leftOut && { code: FILES_LEFT_OUT, detail: '', about: delivery.kind, files: leftOut };
  if (result.delivered) {
    const files = leftOut && { files: leftOut };
    const note = result.note ? { ...result.note, about: delivery.kind, ...files } : noteOf(delivery, aboutFiles);
    return { seq, outcome: 'delivered', ...parts, reportDelivery: result.reportDelivery, note };
  }
  if ('postponed' in result) {
    const { begun, waitsFor, known } = result.postponed;
    if (!begun) return { seq, outcome: 'postponed', waitsFor, ...(known ? { doubt: 'none' } : {}) };
    return { seq, outcome: 'retry', ...MORE_PARTS, doubt: 'none', ...parts, note: noteOf(delivery, aboutFiles) };
  }
  const { error } = result;
  const { code, detail } = error;
  const decision = decide({
    error,
    kind: delivery.kind,
    attempt: delivery.attempt,
    unknownBefore: delivery.unknown,
    // What waited for the client must not make their words wait for it.
    ageMs: delivery.waited ? 0 : now - delivery.queuedAt.getTime(),
    policy,
    random,
  });
  if (decision.outcome === 'retry') {
    const note = waitsForToken(delivery, error) ? { code: BOT_UNAUTHORISED, detail, about: delivery.kind } : aboutFiles;
    const doubt = decision.unknown ? doubtOf(error) : 'none';
    const { delayMs } = decision;
    return { seq, outcome: 'retry', code, detail, doubt, ...parts, delayMs, note: noteOf(delivery, note) };
  }
  const known = error.network === 'bitrix24' ? CLIENT_MESSAGE_REFUSED : code;
  const note =
    decision.note && !delivery.message.systemLine
      ? { code: decision.outcome === 'uncertain' ? 'uncertain' : known, detail, about: delivery.kind, files: leftOut }
      : undefined;
  return { seq, outcome: decision.outcome, code, detail, ...parts, note: noteOf(delivery, note) };
}

function doubtOf({ kind, over }: UpstreamError): Doubt {
  if (kind !== 'unknown') return 'earlier';
  return over ? 'over' : 'open';
}

/** Told once, at the first try: the message may wait for two days, and nobody knows when an administrator comes. */
function waitsForToken({ attempt, kind }: ClaimedDelivery, error: UpstreamError): boolean {
  return error.network === 'telegram' && error.kind === 'unauthorised' && kind === 'message' && attempt === 1;
}

/** Nobody is told about an automatic text (author 0): nobody wrote it, and a note would keep its dialog open. */
function noteOf({ message }: ClaimedDelivery, note: Settlement['note']): Settlement['note'] {
  return message.authorId === '0' ? undefined : note;
}
