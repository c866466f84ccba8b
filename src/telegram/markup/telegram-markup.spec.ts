import type { MessageEntity } from '@grammyjs/types';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalise, plain, type Mark, type MarkType, type RichText } from '../../relay/rich-text.js';
import { asTelegramTakes, fromEntities, splitForTelegram, toEntities, withoutEntities } from './telegram-markup.js';

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

const link = (text: string, words: string, url: string): RichText => ({
  text,
  marks: [{ type: 'link', offset: text.indexOf(words), length: words.length, url }],
});

describe('asTelegramTakes', () => {
  it('keeps a link that Telegram takes', () => {
    const rich = link('see this', 'this', 'https://a.example/');
    expect(asTelegramTakes(rich)).toEqual(rich);
  });

  it.each([
    ['the address stands beside its words', link('see this now', 'this', 'tel:+7'), 'see this (tel:+7) now'],
    ['but not behind the space in them', link('see this now', 'this ', 'tel:+7'), 'see this (tel:+7) now'],
    ['and not when they tell it', link('at a@b.example', 'a@b.example', 'mailto:a@b.example'), 'at a@b.example'],
  ])('%s', (_, rich, text) => expect(asTelegramTakes(rich)).toEqual(plain(text)));

  it('writes the address once when other marks cut its words', () => {
    const { text, marks } = link('one two three', 'two three', 'tel:+7');
    const bold: Mark = { type: 'bold', offset: 0, length: 7 };
    expect(asTelegramTakes({ text, marks: [...marks, bold] })).toEqual({
      text: 'one two three (tel:+7)',
      marks: [bold],
    });
  });

  it('lets marks follow the characters', () => {
    const text = 'A\u030A\r\nи\u0306\u2028\u202Bx\u202C \u0333b\t';
    const bold: Mark = { type: 'bold', offset: text.indexOf('b'), length: 1 };
    const taken = asTelegramTakes({ text, marks: [bold] });
    expect(taken).toEqual({ text: 'Å\nй\nx b ', marks: [{ type: 'bold', offset: 6, length: 1 }] });
    expect(asTelegramTakes(taken)).toEqual(taken);
  });

  it('leaves written-out addresses the same', () => {
    const text = 'https://a.example/e\u0301/A\u030A\u202C e\u0301';
    expect(asTelegramTakes(plain(text)).text).toBe('https://a.example/e\u0301/A%CC%8A é');
  });
});

describe('withoutEntities', () => {
  it('writes every address out while there is room', () => {
    const rich: RichText = {
      text: 'one two',
      marks: [
        { type: 'link', offset: 0, length: 3, url: 'https://a.example/' },
        { type: 'link', offset: 4, length: 3, url: 'https://b.example/' },
      ],
    };
    const both = 'one (https://a.example/) two (https://b.example/)';
    expect(withoutEntities(rich, both.length)).toEqual({ text: both, entities: [] });
    expect(withoutEntities(rich, both.length - 1).text).toBe('one (https://a.example/) two');
  });
});

describe('hostile texts of 20,000 characters', () => {
  const LENGTH = 20_000;
  const every = (step: number, length: number, type: MarkType, offset = 0): Mark[] =>
    Array.from({ length: Math.floor((LENGTH - offset) / step) }, (_, index) => ({
      type,
      offset: offset + index * step,
      length,
      ...(type === 'link' && { url: index % 2 === 0 ? `https://a.example/${index}` : `tel:+7${index}` }),
    }));
  const texts: Record<string, RichText> = {
    'nothing but combining marks': plain(`e${'\u0301'.repeat(LENGTH)}`),
    'spaces under combining marks': plain(`a${' \u0301'.repeat(LENGTH / 2)}`),
    'line separators': plain('\u2028'.repeat(LENGTH)),
    'one line of spaces': plain(`a${' '.repeat(LENGTH)}b`),
    'decomposed letters': plain('A\u030A'.repeat(LENGTH / 2)),
    'one address': plain(`https://a.example/${'a'.repeat(LENGTH)}`),
    'beginnings of addresses': plain('https://'.repeat(LENGTH / 8)),
    'a link to nowhere': link('ab', 'ab', `https://${'a.'.repeat(LENGTH)}|`),
    links: { text: 'abc def '.repeat(LENGTH / 8), marks: every(8, 7, 'link') },
    'crossing styles': {
      text: 'abcdefgh'.repeat(LENGTH / 8),
      marks: [...every(8, 6, 'bold'), ...every(8, 6, 'italic', 3), ...every(8, 6, 'underline', 5)],
    },
    'code in bold': {
      text: 'abc def '.repeat(LENGTH / 8),
      marks: [...every(8, 3, 'code'), ...every(LENGTH, LENGTH, 'bold')],
    },
    'a quote a line': {
      text: 'abcdef\n'.repeat(LENGTH / 7),
      marks: [...every(7, 6, 'quote'), ...every(LENGTH, LENGTH, 'bold')],
    },
  };

  it.each(Object.entries(texts))('%s: no time to speak of', (_, rich) => {
    const begun = process.cpuUsage();
    for (const part of splitForTelegram(normalise(rich))) {
      toEntities(part);
      withoutEntities(part, 4096);
    }
    // Of our own processor time, which a busy machine does not change; quadratic ones take minutes.
    expect(process.cpuUsage(begun).user / 1000).toBeLessThan(3_000);
  });
});

describe('splitForTelegram', () => {
  it('begins another message where Telegram would drop a link', () => {
    const text = 'ab '.repeat(250);
    const marks: Mark[] = Array.from({ length: 250 }, (_, index) => ({
      type: 'link',
      offset: index * 3,
      length: 2,
      url: `https://a.example/${index}`,
    }));
    const parts = splitForTelegram({ text, marks }).map(toEntities);
    expect(parts.every(({ entities: { length } }) => length <= 100)).toBe(true);
    expect(parts.flatMap(({ entities: sent }) => sent.map((entity) => 'url' in entity && entity.url))).toEqual(
      marks.map(({ url }) => url),
    );
  });

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
