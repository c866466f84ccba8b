import { describe, expect, it } from 'vitest';
import { claimedChat, claimedDelivery } from '../../../test/support/claimed-work.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import {
  chatOf,
  correctionsOf,
  externalIdOf,
  externalIdsOf,
  messagesOf,
  noteIdOf,
  playedFiles,
  userOf,
} from './dialog.message.js';

type Chat = ClaimedLane['chat'];

const alone = { files: [], labels: [], named: [], photo: null, repeated: null, language: 'en' as const };

const chat = (more: Partial<Chat> = {}): Chat =>
  claimedChat(777, { title: 'Ivan Petrov', lastName: 'Petrov', username: 'ivan', language: 'ru', ...more });

const delivery = (more: Partial<ClaimedDelivery['message']> = {}, seq = 1n): ClaimedDelivery =>
  claimedDelivery(
    {
      id: 42n,
      text: 'Hello',
      authorId: '777',
      authorName: 'Ivan Petrov',
      saidAt: new Date('2026-03-11T21:53:13Z'),
      telegramMessageIds: [11n],
      createdAt: new Date('2026-03-11T21:53:20Z'),
      ...more,
    },
    { seq },
  );

describe('a message that a link brought', () => {
  const first = (more: Partial<ClaimedDelivery['message']>) => messagesOf(chat(), delivery(more), alone)[0]!;

  it('has a ref only with a code of the tracker, and no contact is looked for in it', () => {
    const code = 'btrx0a1b2c3d4e';
    expect(first({ kind: 'start', source: code })).toMatchObject({
      ref: { source: code },
      message: { disable_crm: 'Y' },
    });
    for (const source of ['ads_may', '41', 'btrx', 'Btrx0a1b2c3d4e', `${code}f`, null]) {
      expect(first({ kind: 'start', source }), String(source)).not.toHaveProperty('ref');
    }
    expect(first({}).message).not.toHaveProperty('disable_crm');
  });
});

describe('the client as Bitrix24 is told of him', () => {
  it('has the frozen id, both names and his address', () => {
    expect(userOf(chat())).toEqual({ id: 'tg:777', name: 'Ivan', last_name: 'Petrov', url: 'https://t.me/ivan' });
    expect(chatOf(chat())).toEqual({ id: 'tg:777', name: 'Ivan Petrov' });
  });

  it.each([
    ['emoji are left out', { firstName: '🔥Ivan🔥', lastName: '✨' }, { name: 'Ivan' }],
    ['a last name alone is the name', { firstName: null }, { name: 'Petrov' }],
    ['nothing readable: the user name', { firstName: '🔥', lastName: null }, { name: 'ivan' }],
    ['nothing at all: the number', { firstName: null, lastName: null, username: null }, { name: 'Telegram 777' }],
    ['names of fillers are none', { firstName: '\u3164', lastName: '\u115F\u1160' }, { name: 'ivan' }],
    ['fillers inside a name are left out', { firstName: '\u3164Iv\u200Ban', lastName: null }, { name: 'Ivan' }],
    [
      'marks alone are no name',
      { firstName: '\u0301\u0301', lastName: null, username: null },
      { name: 'Telegram 777' },
    ],
    ['long names are cut', { firstName: 'x'.repeat(60), lastName: null }, { name: 'x'.repeat(25) }],
    [
      'a group is called by its title',
      { type: 'group', title: 'Buyers', firstName: null, username: null },
      { name: 'Buyers' },
    ],
    [
      'in a topic by the title of the group',
      { type: 'supergroup', title: 'Delivery', firstName: 'Buyers', threadId: 5n, username: null },
      { name: 'Buyers' },
    ],
    [
      'who writes to a channel is a person',
      { type: 'direct_messages', firstName: 'Anna', lastName: 'Orlova', username: null },
      { name: 'Anna', last_name: 'Orlova' },
    ],
  ])('%s', (_what, fields, expected) => {
    const { id: _id, url: _url, ...names } = userOf(chat(fields));
    expect(names).toEqual(expected);
  });
});

describe('external ids', () => {
  it('are the chat and the Telegram message, or our own number where Telegram has none', () => {
    expect(externalIdOf(chat(), delivery().message)).toBe('tg:777:11');
    expect(externalIdOf(chat(), delivery({ telegramMessageIds: [] }).message)).toBe('tg:777:m42');
    expect(externalIdsOf(chat(), delivery({ telegramMessageIds: [11n, 12n] }).message)).toEqual([
      'tg:777:11',
      'tg:777:12',
    ]);
  });

  it('are never those of an older message', () => {
    expect(externalIdOf(chat(), delivery({ sameTelegramId: true }).message)).toBe('tg:777:11:m42');
  });

  it('of a note differ when the same message fails again', () => {
    expect(noteIdOf(chat(), delivery({}, 1n))).not.toBe(noteIdOf(chat(), delivery({}, 2n)));
    expect(noteIdOf(chat(), delivery({}, 1n))).toBe(noteIdOf(chat(), delivery({}, 1n)));
  });

  it('stay within 100 characters and apart', () => {
    const long = chat({ externalId: `tg:777:b${'k'.repeat(120)}` });
    const ids = [11n, 12n].map((id) => externalIdOf(long, delivery({ telegramMessageIds: [id] }).message));
    for (const id of ids) expect(id.length).toBeLessThanOrEqual(100);
    expect(ids[0]).not.toBe(ids[1]);
  });
});

describe('what the client said', () => {
  it('is one element with the time by Telegram’s clock', () => {
    expect(messagesOf(chat(), delivery(), alone)).toEqual([
      { user: userOf(chat()), chat: chatOf(chat()), message: { id: 'tg:777:11', date: 1_773_265_993, text: 'Hello' } },
    ]);
  });

  it('is several when it outgrows the limit, each with an id of its own', () => {
    const text = Array.from({ length: 6_000 }, (_, n) => `word${n}`).join(' ');
    const parts = messagesOf(chat(), delivery({ text }), alone).map(({ message }) => message);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.slice(0, 2).map(({ id }) => id)).toEqual(['tg:777:11', 'tg:777:11:2']);
  });

  it('names files that are played behind the words, and those that cannot go before them', () => {
    const file = (kind: string, label: string) =>
      ({ kind, label }) as ClaimedDelivery['message']['attachments'][number];
    const voice = file('voice', '🎤 Voice message, 0:12');
    expect(playedFiles([voice, file('photo', '📷 Photo'), file('audio', '🎵 Audio')])).toEqual([
      voice.label,
      '🎵 Audio',
    ]);
    const told = { ...alone, labels: ['🎵 Audio: too large'], named: [voice.label] };
    const [element] = messagesOf(chat(), delivery({ text: 'listen' }), told);
    expect(element!.message.text).toBe('🎵 Audio: too large\nlisten\n🎤 Voice message, 0:12');
    const edited = { ...delivery({ attachments: [voice] }), payload: { text: 'hear', marks: [] } };
    expect(correctionsOf(chat(), edited, alone)[0]!.message.text).toBe('hear\n🎤 Voice message, 0:12');
  });

  it('says that it may be a repetition in its first element only', () => {
    const [first] = messagesOf(chat(), delivery(), { ...alone, repeated: '(possibly repeated)' });
    expect(first!.message.text).toBe('(possibly repeated)\nHello');
  });
});
