import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { OpenSession } from './dialog.reader.js';
import { isUrgent } from './service-lines.js';

/** `aside`: past the sessions; `inside`: as a message of author 0 in the open session; otherwise what the line waits for. */
type Route = 'aside' | 'inside' | 'words' | 'session';

/** What is known of the dialog's session. */
interface Standing {
  /** Null: unknown. */
  open: boolean | null;
  beingClosed: boolean;
  /** What the portal has just answered; null: it was not asked, or does not say. */
  looked: OpenSession | null;
}

/** Whether the portal must be asked about the session before the line can go; `aside`: it may go past the sessions. */
export function needsLook({ chat }: ClaimedLane, delivery: ClaimedDelivery, aside: boolean): boolean {
  if (chat.dialogOpen === false) return false;
  return aside ? chat.dialogOpen === null && !isUrgent(delivery) : true;
}

/** Where the portal does not say, the events do, and the session may be about to close. */
export function standingOf({ chat }: ClaimedLane, looked: OpenSession | null, asked: boolean): Standing {
  if (looked === null) return { open: chat.dialogOpen, beingClosed: asked, looked };
  // The chat may name a session that was ended by force; the event of its end is surer.
  const over = chat.dialogOpen === false && looked.id === chat.bitrixSessionId;
  return { open: looked.id !== null && !over, beingClosed: looked.beingClosed, looked };
}

/** Which way a line goes. */
export function routeOf(delivery: ClaimedDelivery, aside: boolean, { open, beingClosed, looked }: Standing): Route {
  if (aside && (open === true || isUrgent(delivery))) return 'aside';
  // Where nobody can tell, what an operator must read is worth more than a session that it might open.
  if (open === null && looked === null && isUrgent(delivery) && !aside) return 'inside';
  if (open !== true) return 'session';
  const stands = !beingClosed || (looked === null && isUrgent(delivery));
  return !aside && stands ? 'inside' : 'words';
}
