import type { Direction, MessageState, Overview, Summary } from './api.js';

export const STATES: MessageState[] = ['queued', 'sending', 'delivered', 'failed', 'uncertain', 'ignored'];
export const DIRECTIONS: Direction[] = ['inbound', 'outbound'];

const NONE: Summary = { messages: { inbound: {}, outbound: {} }, oldestWaiting: null };

/** What the filter leaves: all, or one portal or bot. */
export function chosenSummary(all: Overview, { portal, bot }: { portal?: string; bot?: string }): Summary {
  if (bot) return all.byBot.find(({ botId }) => botId === bot) ?? NONE;
  if (portal) return all.byPortal.find(({ portalId }) => portalId === portal) ?? NONE;
  return all;
}

/** Messages in a state, of one direction or of both. */
export function countOf(of: Summary | undefined, state: MessageState, direction?: Direction): number {
  return (direction ? [direction] : DIRECTIONS).reduce((sum, way) => sum + (of?.messages[way][state] ?? 0), 0);
}

export function waitingOf(of: Summary | undefined): number {
  return countOf(of, 'queued') + countOf(of, 'sending');
}

/** Messages of one direction, whatever became of them. */
export function allOf(of: Summary, direction: Direction): number {
  return STATES.reduce((sum, state) => sum + countOf(of, state, direction), 0);
}
