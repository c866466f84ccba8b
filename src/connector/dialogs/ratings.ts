import type { RatingLimits } from '../../storage/intake/button-presses.js';
import { VOTE } from '../../storage/intake/button-presses.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';

/** A press of a rating: the portal reads it as one only where nothing stands before it. */
export function isRating({ kind, message }: ClaimedDelivery): boolean {
  return kind === 'message' && message.kind === VOTE;
}

/**
 * It would be the client's words by now: it waited while the portal did not answer, and its time is over, or a newer
 * session has begun.
 */
export function isLateRating(
  { payload }: ClaimedDelivery,
  { bitrixSessionId }: ClaimedLane['chat'],
  now: number,
): boolean {
  const { sessionId, expiresAt } = payload as unknown as RatingLimits;
  const isOver = expiresAt !== null && now > new Date(expiresAt).getTime();
  return isOver || (bitrixSessionId !== null && Number(bitrixSessionId) > Number(sessionId));
}
