import { expect, it } from 'vitest';
import type { Overview } from './api.js';
import { allOf, chosenSummary, countOf, waitingOf } from './traffic.js';

const ofBot = { messages: { inbound: { delivered: 2, queued: 1 }, outbound: { sending: 3 } }, oldestWaiting: null };
const all = {
  at: '2026-11-21T10:00:00Z',
  messages: { inbound: { delivered: 5 }, outbound: { failed: 1 } },
  oldestWaiting: null,
  byPortal: [{ portalId: '7', messages: { inbound: {}, outbound: { failed: 1 } }, oldestWaiting: null }],
  byBot: [{ botId: '9', ...ofBot }],
} as unknown as Overview;

it('counts one direction or both, and what is on its way as waiting', () => {
  expect(countOf(ofBot, 'delivered')).toBe(2);
  expect(countOf(ofBot, 'sending', 'inbound')).toBe(0);
  expect(waitingOf(ofBot)).toBe(4);
  expect(allOf(ofBot, 'inbound')).toBe(3);
  expect(countOf(undefined, 'failed')).toBe(0);
});

it('leaves of everything what the filter chooses, the bot before its portal', () => {
  expect(chosenSummary(all, {})).toBe(all);
  expect(countOf(chosenSummary(all, { portal: '7' }), 'failed')).toBe(1);
  expect(waitingOf(chosenSummary(all, { portal: '7', bot: '9' }))).toBe(4);
  expect(allOf(chosenSummary(all, { bot: '404' }), 'inbound')).toBe(0);
});
