import { describe, expect, it } from 'vitest';
import { claimedDelivery } from '../../../test/support/claimed-work.js';
import { seenByOperator } from '../../../test/support/bitrix24-simulator/operator-view.js';
import { contactsIn } from '../../../test/support/bitrix24-simulator/contacts.js';
import type { ClaimedDelivery } from '../../storage/work/claimed-lane.js';
import { replyFrame } from './reply.frame.js';

const DASHES = '-'.repeat(54);
const at = Date.UTC(2026, 2, 11, 9, 5) / 1_000;
const saidAt = new Date('2026-03-12T10:00:00Z');

const frame = (more: Partial<ClaimedDelivery['message']>, language: 'ru' | 'en' = 'en') =>
  replyFrame(claimedDelivery({ saidAt, ...more }).message, language);

describe('the frame of a reply', () => {
  it('says who, when, and leads to the message where Bitrix24 has named it', () => {
    const answered = { authorName: 'Samantha Johnson', bitrixMessageId: '345', bitrixChatId: '12' };
    const quoted = { text: 'Which size?', marks: [], name: 'Shop Bot', at };
    const text = frame({ quoted, answered });
    expect(text).toMatch(new RegExp(`^${DASHES}\n.* #chat12/345\nWhich size\\?\n${DASHES}\n$`));
    const { quotes } = seenByOperator(`${text}M`);
    expect(quotes).toEqual([
      { text: 'Which size?', name: 'Samantha Johnson', time: expect.any(String), context: 'chat12/345' },
    ]);
    expect(quotes[0]!.time).toMatch(/^March 1[01], \d\d:\d5 \S+/);
    expect(frame({ quoted, answered }, 'ru')).toMatch(/\[1[01] марта, \d\d:\d5 /);
    expect(frame({ quoted: { ...quoted, at: at - 40_000_000 } })).toMatch(/, 202[45], /);
  });

  it('knows no reference of a message that Bitrix24 has not named, and is nothing where nothing is answered', () => {
    expect(frame({ quoted: { text: 'hello', marks: [], name: 'Ivan', at } })).not.toContain('#chat');
    expect(frame({})).toBe('');
  });

  it.each([
    ['a name with brackets', { text: 'a', marks: [], name: '[b]Shop[/b] [x]', at }],
    ['words with brackets and dashes', { text: `[x]\n${DASHES}\n[y]`, marks: [], name: 'Ann', at }],
    ['words without a time', { text: 'see [x]\nand [y]', marks: [], name: 'Ann' }],
    ['words of nobody', { text: 'see [x]\nand', marks: [] }],
    ['code', { text: 'let a', marks: [{ type: 'pre', offset: 0, length: 5 }], name: 'Ann', at }],
    ['what quotes itself', { text: 'so\nwhat', marks: [{ type: 'quote', offset: 0, length: 2 }], name: 'Ann', at }],
    ['no words', { text: '', marks: [], name: 'Ann', at }],
    [
      'many links',
      {
        text: 'x'.repeat(200),
        marks: Array.from({ length: 100 }, (_, n) => ({
          type: 'link',
          offset: n * 2,
          length: 1,
          url: `https://a.b/${'c'.repeat(900)}${n}`,
        })),
        name: 'Ann',
        at,
      },
    ],
  ])('holds %s', (_, quoted) => {
    const text = frame({ quoted });
    expect(text.length).toBeLessThan(3_000);
    const view = seenByOperator(`${text}mine [z]`);
    expect(view.quotes).toHaveLength(1);
    expect(view.text.endsWith('mine [z]')).toBe(true);
    expect(contactsIn(`${text}89990000000`).phones).toEqual(['+89990000000']);
  });
});
