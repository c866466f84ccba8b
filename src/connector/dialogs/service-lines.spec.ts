import { describe, expect, it } from 'vitest';
import { claimedChat, claimedDelivery } from '../../../test/support/claimed-work.js';
import type { ClaimedDelivery } from '../../storage/work/claimed-lane.js';
import { timeOfLate } from './dialog.message.js';
import { isLine, isUrgent, mayGoAside, nextRun } from './service-lines.js';

let seq = 0n;
const next = (message: Partial<ClaimedDelivery['message']>, more: Partial<ClaimedDelivery> = {}) =>
  claimedDelivery(message, { seq: (seq += 1n), ...more });
const words = (text: string) => next({ text });
const line = (text = 'Reaction: 👍') => next({ text, kind: 'reaction', systemLine: true, canWait: true });
const note = (code: string) => next({ text: 'in vain' }, { kind: 'note', payload: { code } });
const edit = (text: string) => next({ text }, { kind: 'edit' });
const photo = (text: string) => next({ text, attachments: [{} as never] });

const run = (dialogOpen: boolean | null, ...deliveries: ClaimedDelivery[]) =>
  nextRun({ chat: claimedChat(5, { dialogOpen }), deliveries }).map(({ message }) => message.text);

describe('what goes in one request', () => {
  it('is what stands there, as long as a session is open', () => {
    expect(run(true, line('l'), words('a'), line('m'), words('b'))).toEqual(['l', 'a', 'm', 'b']);
    expect(run(null, words('a'), words('b'))).toEqual(['a', 'b']);
  });

  it('begins with words of the client where none is known to be', () => {
    for (const open of [false, null]) {
      expect(run(open, line('l'), words('a'), line('m'), words('b'))).toEqual(['a', 'l', 'm', 'b']);
      expect(run(open, words('a'), line('l'))).toEqual(['a', 'l']);
    }
  });

  it('is a rating alone, which a line before it would take away and a line behind it would open a session with', () => {
    for (const rating of ['1', '0', '1 thank you', '0\n']) {
      expect(run(true, line('l'), words(rating))).toEqual([rating]);
      expect(run(false, words(rating), line('l'), words('a'))).toEqual([rating, 'a']);
    }
    expect(run(true, line('l'), words('10 pieces'))).toEqual(['l', '10 pieces']);
  });

  it('ends before a change of a message, and behind files; lines alone go another way', () => {
    expect(run(false, line('l'), edit('e'), words('a'))).toEqual(['e']);
    expect(run(false, edit('e'), words('a'))).toEqual(['e']);
    expect(run(false, line('l'), photo('p'), words('a'))).toEqual(['p']);
    expect(run(true, words('a'), photo('p'), line('l'))).toEqual(['a', 'p']);
    expect(run(true, words('a'), photo('p'), photo('q'), words('b'))).toEqual(['a', 'p']);
    expect(run(false, line('l'), line('m'))).toEqual([]);
  });
});

it('tells lines, those that must be read at once, and those that may go past the connector', () => {
  const start = next({ text: '/start', canWait: true });
  const owners = next({ systemLine: true, canWait: true, telegramMessageIds: [7n] });
  const joined = next({ kind: 'service', systemLine: true, canWait: true, telegramMessageIds: [8n] });
  const all = [line(), note('bot_blocked'), note('welcome'), start, owners, joined, words('a'), edit('e')];
  expect(all.map(isLine)).toEqual([true, true, true, true, true, true, false, false]);
  expect(all.map(isUrgent)).toEqual([false, true, false, false, false, false, false, false]);
  expect(all.slice(0, 6).map(mayGoAside)).toEqual([true, true, true, false, false, true]);
});

it('says when an old line was said, and nothing of one that is fresh or never waited', () => {
  const at = (minutes: number) => new Date(Date.UTC(2026, 10, 29, 14, minutes));
  const late = (waited: boolean, startedAt: Date, kind: ClaimedDelivery['kind'] = 'message') =>
    timeOfLate(next({ saidAt: at(5) }, { waited, startedAt, queuedAt: at(0), kind }));
  expect(late(true, at(30))).toBe('🕓 2026-11-29 14:05 UTC');
  expect(late(true, at(30), 'note')).toBe('🕓 2026-11-29 14:00 UTC');
  expect(late(true, at(9))).toBe('');
  expect(late(false, at(30))).toBe('');
});
