import type { MessageEntity } from '@grammyjs/types';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plain, type RichText } from '../relay/rich-text.js';
import { fromEntities, splitForTelegram, toEntities } from './telegram-markup.js';

const entityTypes =
  'bold italic underline strikethrough spoiler code pre blockquote expandable_blockquote text_link url mention text_mention custom_emoji date_time made_up'.split(
    ' ',
  );
const entities = fc.array(
  fc.record({
    type: fc.constantFrom(...entityTypes),
    offset: fc.integer({ min: -5, max: 50 }),
    length: fc.integer({ min: -5, max: 50 }),
    url: fc.constantFrom('https://a.example', 'javascript:alert(1)', 'tg://user?id=1'),
  }),
  { maxLength: 150 },
) as unknown as fc.Arbitrary<MessageEntity[]>;

describe('fromEntities', () => {
  it.each<[string, MessageEntity[], RichText['marks']]>([
    ['styles', [{ type: 'bold', offset: 0, length: 3 }], [{ type: 'bold', offset: 0, length: 3 }]],
    [
      'links',
      [{ type: 'text_link', offset: 0, length: 3, url: 'https://x' }],
      [{ type: 'link', offset: 0, length: 3, url: 'https://x' }],
    ],
    [
      'code blocks',
      [{ type: 'pre', offset: 0, length: 3, language: 'ts' }],
      [{ type: 'pre', offset: 0, length: 3, language: 'ts' }],
    ],
    ['quotes', [{ type: 'expandable_blockquote', offset: 0, length: 3 }], [{ type: 'quote', offset: 0, length: 3 }]],
    [
      'nothing for automatic ones',
      [
        { type: 'mention', offset: 0, length: 3 },
        { type: 'url', offset: 4, length: 3 },
      ],
      [],
    ],
  ])('%s', (_, given, marks) => {
    expect(fromEntities('abc def', given)).toEqual({ text: 'abc def', marks });
  });

  it('survives entities of any shape', () => {
    fc.assert(
      fc.property(fc.string(), fc.anything(), (text, junk) => {
        expect(fromEntities(text, junk as MessageEntity[]).text.length).toBe(text.length);
        expect(fromEntities(text, [junk] as MessageEntity[]).text.length).toBe(text.length);
      }),
    );
  });
});

describe('toEntities', () => {
  it('gives back what came in', () => {
    const given: MessageEntity[] = [
      { type: 'blockquote', offset: 0, length: 9 },
      { type: 'bold', offset: 0, length: 4 },
      { type: 'italic', offset: 2, length: 2 },
      { type: 'pre', offset: 10, length: 3, language: 'sql' },
      { type: 'text_link', offset: 14, length: 2, url: 'tg://resolve?domain=x' },
    ];
    const text = 'abcd efgh\nsql\nxy';
    expect(toEntities(fromEntities(text, given))).toEqual({ text, entities: given });
  });

  it('leaves out links Telegram does not open', () => {
    const marks = [{ type: 'link' as const, offset: 0, length: 1, url: 'javascript:alert(1)' }];
    expect(toEntities({ text: 'x', marks }).entities).toEqual([]);
  });

  it('keeps links when there are more than 100 entities', () => {
    const text = 'a b '.repeat(120);
    const marks: RichText['marks'] = Array.from({ length: 120 }, (_, i) => ({
      type: 'bold',
      offset: i * 4,
      length: 1,
    }));
    marks.push({ type: 'link', offset: text.length - 2, length: 1, url: 'https://a.example' });
    const { entities } = toEntities({ text, marks });
    expect(entities).toHaveLength(100);
    expect(entities.at(-1)).toMatchObject({ type: 'text_link' });
  });

  it('is always valid for Telegram', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), entities, (text, given) => {
        const sent = toEntities(fromEntities(text, given));
        expect(sent.entities.length).toBeLessThanOrEqual(100);
        sent.entities.forEach((a, index) => {
          expect(a.offset).toBeGreaterThanOrEqual(0);
          expect(a.length).toBeGreaterThan(0);
          expect(a.offset + a.length).toBeLessThanOrEqual(sent.text.length);
          for (const b of sent.entities.slice(index + 1)) {
            const apart = b.offset >= a.offset + a.length;
            const inside = b.offset >= a.offset && b.offset + b.length <= a.offset + a.length;
            expect(apart || inside).toBe(true);
            if (!apart) {
              expect(['code', 'pre']).not.toContain(a.type);
              expect([a.type, b.type].filter((type) => type === 'blockquote').length).toBeLessThan(2);
              if (b.type === 'code' || b.type === 'pre') expect(a.type).toBe('blockquote');
              expect([a.type, b.type].filter((type) => type === 'text_link').length).toBeLessThan(2);
            }
          }
        });
      }),
    );
  });
});

describe('splitForTelegram', () => {
  it('sends 4096 units in one message and 4097 in two', () => {
    expect(splitForTelegram(plain('a'.repeat(4096)))).toHaveLength(1);
    expect(splitForTelegram(plain('a'.repeat(4097))).map((part) => part.text.length)).toEqual([4096, 1]);
  });
  it('reopens a style in the next message', () => {
    const [first, second] = splitForTelegram({ text: 'aaa bbb', marks: [{ type: 'bold', offset: 0, length: 7 }] }, 4);
    expect(first!.marks).toEqual([{ type: 'bold', offset: 0, length: 3 }]);
    expect(second!.marks).toEqual([{ type: 'bold', offset: 0, length: 3 }]);
  });
  it('has nothing to send for white space', () => {
    expect(splitForTelegram(plain(' \n\u200B '))).toEqual([]);
  });
});
