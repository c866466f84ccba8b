import { describe, expect, it } from 'vitest';
import type { BroadcastItem } from './api.js';
import { bodyOf, draftOf, EMPTY_DRAFT, progressOf, wordsOf } from './broadcast.js';

const NOW = Date.parse('2026-11-30T12:00:00Z');

describe('a broadcast in the form', () => {
  it('names only what was chosen of the audience', () => {
    expect(bodyOf({ ...EMPTY_DRAFT, name: ' Sale ', text: 'Hi' }, NOW)).toEqual({
      name: 'Sale',
      text: 'Hi',
      buttons: '',
      file: '',
      hasUnsubscribe: true,
      audience: {},
    });
  });

  it('is the same when it is opened again', () => {
    const draft = {
      ...EMPTY_DRAFT,
      name: 'Sale',
      portal: '1',
      bot: '2',
      languages: 'en, ru',
      tags: 'vip, a b',
      days: '30',
    };
    const body = bodyOf({ ...draft, languages: 'EN,ru, ,en', tags: ' vip,a b,' }, NOW);
    expect(body.audience).toEqual({
      botId: '2',
      languages: ['en', 'ru'],
      tags: ['vip', 'a b'],
      lastWordsFrom: '2026-10-31T12:00:00.000Z',
    });
    expect(draftOf({ ...body, portalId: '1' } as unknown as BroadcastItem, NOW)).toEqual(draft);
  });
});

it('is listed by its words', () => {
  expect(wordsOf('[b]Sale[/b] for {name},\n[URL=https://a.example]here[/URL] [1] [SEND=x]Yes[/SEND]')).toBe(
    'Sale for {name}, here [1] Yes',
  );
});

it('counts each client once', () => {
  const counts = {
    waiting: 5,
    sending: 1,
    delivered: 10,
    failed: 1,
    uncertain: 1,
    blocked: 2,
    unsubscribed: 1,
    gone: 1,
  };
  const all = { ...counts, too_long: 0, stopped: 0, pressed: 4, answered: 3, left: 1 };
  expect(progressOf({ counts: all })).toEqual({ all: 22, done: 16 });
});
