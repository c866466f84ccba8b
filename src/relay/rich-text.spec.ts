import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  concat,
  isBlank,
  join,
  normalise,
  plain,
  slice,
  trim,
  withMark,
  type Mark,
  type MarkType,
  type RichText,
} from './rich-text.js';
import { edited } from './rich-text-edits.js';
import { split, truncate } from './rich-text-split.js';

const types: MarkType[] = ['bold', 'italic', 'underline', 'strikethrough', 'spoiler', 'code', 'pre', 'quote', 'link'];
const mark: fc.Arbitrary<Mark> = fc
  .record({
    type: fc.constantFrom(...types),
    offset: fc.integer({ min: -3, max: 40 }),
    length: fc.integer({ min: -2, max: 40 }),
  })
  .chain((base) =>
    base.type === 'link'
      ? fc.constantFrom('https://a.example', 'tg://b').map((url) => ({ ...base, url }))
      : fc.constant(base),
  );
const words = fc.string({
  unit: fc.constantFrom('a', 'b', ' ', '\n', 'я', '😀', '👩‍👩‍👧', 'e\u0301', '🇷🇺', '❤️', ' https://x.example/y '),
  maxLength: 60,
});
const rich: fc.Arbitrary<RichText> = fc.record({ text: words, marks: fc.array(mark, { maxLength: 12 }) });

describe('normalise', () => {
  it.each<[string, Mark[], Mark[]]>([
    ['clips to the text', [{ type: 'bold', offset: -2, length: 99 }], [{ type: 'bold', offset: 0, length: 10 }]],
    [
      'drops what covers nothing',
      [
        { type: 'bold', offset: 3, length: 0 },
        { type: 'italic', offset: 10, length: 4 },
      ],
      [],
    ],
    [
      'closes and reopens partial overlaps',
      [
        { type: 'bold', offset: 0, length: 4 },
        { type: 'italic', offset: 2, length: 4 },
      ],
      [
        { type: 'bold', offset: 0, length: 4 },
        { type: 'italic', offset: 2, length: 2 },
        { type: 'italic', offset: 4, length: 2 },
      ],
    ],
    [
      'merges equal marks that touch',
      [
        { type: 'bold', offset: 0, length: 2 },
        { type: 'bold', offset: 2, length: 2 },
      ],
      [{ type: 'bold', offset: 0, length: 4 }],
    ],
    [
      'keeps other marks out of code',
      [
        { type: 'bold', offset: 0, length: 10 },
        { type: 'code', offset: 3, length: 2 },
      ],
      [
        { type: 'bold', offset: 0, length: 3 },
        { type: 'code', offset: 3, length: 2 },
        { type: 'bold', offset: 5, length: 5 },
      ],
    ],
    [
      'lets a link win over code',
      [
        { type: 'link', offset: 0, length: 4, url: 'https://a.example' },
        { type: 'code', offset: 1, length: 2 },
      ],
      [{ type: 'link', offset: 0, length: 4, url: 'https://a.example' }],
    ],
    [
      'keeps the first of two overlapping links',
      [
        { type: 'link', offset: 0, length: 4, url: 'tg://a' },
        { type: 'link', offset: 2, length: 4, url: 'tg://b' },
      ],
      [
        { type: 'link', offset: 0, length: 4, url: 'tg://a' },
        { type: 'link', offset: 4, length: 2, url: 'tg://b' },
      ],
    ],
    [
      'ignores offsets that are no integers',
      [
        { type: 'bold', offset: Number.NaN, length: 3 },
        { type: 'bold', offset: 0.5, length: 3 },
      ],
      [],
    ],
  ])('%s', (_, marks, expected) => {
    expect(normalise({ text: '0123456789', marks }).marks).toEqual(expected);
  });

  it('replaces what neither PostgreSQL nor UTF-8 can carry, keeping offsets', () => {
    expect(normalise({ text: 'a\0\ud800b😀', marks: [] }).text).toBe('a\uFFFD\uFFFDb😀');
  });

  it('is sorted, nested, in bounds and idempotent', () => {
    fc.assert(
      fc.property(rich, (input) => {
        const once = normalise(input);
        expect(normalise(once)).toEqual(once);
        once.marks.forEach((a, index) => {
          expect(a.offset).toBeGreaterThanOrEqual(0);
          expect(a.length).toBeGreaterThan(0);
          expect(a.offset + a.length).toBeLessThanOrEqual(once.text.length);
          for (const b of once.marks.slice(index + 1)) {
            expect(a.offset < b.offset || (a.offset === b.offset && a.length >= b.length)).toBe(true);
            expect(b.offset >= a.offset + a.length || b.offset + b.length <= a.offset + a.length).toBe(true);
          }
        });
      }),
    );
  });

  it('loses no style outside code and links', () => {
    const covers = (marks: Mark[], type: MarkType, at: number) =>
      marks.some((m) => m.type === type && m.offset <= at && at < m.offset + m.length);
    fc.assert(
      fc.property(rich, (input) => {
        const { text, marks } = normalise(input);
        for (let at = 0; at < text.length; at++) {
          const inCode = covers(marks, 'code', at) || covers(marks, 'pre', at);
          if (covers(input.marks, 'quote', at) && text[at] !== '\n') expect(covers(marks, 'quote', at)).toBe(true);
          if (covers(input.marks, 'bold', at) && !inCode) expect(covers(marks, 'bold', at)).toBe(true);
        }
      }),
    );
  });
});

describe('small operations', () => {
  it('concat shifts marks and joins equal ones at the seam', () => {
    expect(concat(withMark('ab', 'bold'), withMark('cd', 'bold'), 'e')).toEqual({
      text: 'abcde',
      marks: [{ type: 'bold', offset: 0, length: 4 }],
    });
  });
  it('join skips what is empty', () => {
    expect(join(['', plain('a'), plain(''), 'b'], '\n').text).toBe('a\nb');
  });
  it('slice clips and re-bases', () => {
    expect(slice(withMark('abcdef', 'italic'), 2, 4)).toEqual({
      text: 'cd',
      marks: [{ type: 'italic', offset: 0, length: 2 }],
    });
  });
  it('trim moves marks along', () => {
    expect(trim({ text: ' \n ab ', marks: [{ type: 'bold', offset: 1, length: 4 }] })).toEqual({
      text: 'ab',
      marks: [{ type: 'bold', offset: 0, length: 2 }],
    });
    expect(trim(plain(' \n '))).toEqual(plain(''));
  });
  it.each([
    ['abc', 3, 'abc'],
    ['abcd', 3, 'ab…'],
    ['a👩‍👩‍👧b', 5, 'a…'],
    ['ab cd', 4, 'ab…'],
  ])('truncate %j to %i', (text, limit, expected) => {
    expect(truncate(plain(text), limit).text).toBe(expected);
  });
  it.each(['', ' \n', '\u200B', '\u2800\u3164', '\uFE0F', '\uFFFC '])('isBlank %j', (text) =>
    expect(isBlank(text)).toBe(true),
  );
  it.each(['0', '.', '😀', '\uFFFD'])('is not blank: %j', (text) => expect(isBlank(text)).toBe(false));
});

describe('edited', () => {
  const bold = (offset: number, length: number): Mark => ({ type: 'bold', offset, length });
  const where = (marks: Mark[]) => marks.map(({ offset, length }) => [offset, length]);

  it.each<[string, [number, number], [start: number, end: number, text: string][], string, [number, number][]]>([
    ['a change before a mark moves it', [4, 2], [[0, 1, 'XYZ']], 'XYZ12345678', [[6, 2]]],
    ['a change inside a mark stretches it', [2, 4], [[3, 4, 'XYZ']], '012XYZ45678', [[2, 6]]],
    [
      'a mark that begins or ends inside a change takes all of it',
      [3, 3],
      [
        [2, 4, 'X'],
        [5, 7, 'YZ'],
      ],
      '01X4YZ78',
      [[2, 4]],
    ],
    ['what is put in at the end of a mark belongs to it', [2, 2], [[4, 4, 'XY']], '0123XY45678', [[2, 4]]],
    ['what is put in at the beginning of a mark does not', [2, 2], [[2, 2, 'XY']], '01XY2345678', [[4, 2]]],
    ['a mark whose words go goes with them', [2, 2], [[2, 4, '']], '0145678', []],
  ])('%s', (_, [offset, length], edits, text, marks) => {
    const changed = edited(
      { text: '012345678', marks: [bold(offset, length)] },
      edits.map(([start, end, put]) => ({ start, end, text: put })),
    );
    expect([changed.text, where(changed.marks)]).toEqual([text, marks]);
  });

  it('leaves every mark over the words that it had', () => {
    fc.assert(
      fc.property(rich, fc.array(fc.string({ maxLength: 3 }), { maxLength: 20 }), (input, puts) => {
        const before = normalise(input);
        const spaces = [...before.text.matchAll(/ /g)];
        const edits = spaces
          .slice(0, puts.length)
          .map(({ index }, n) => ({ start: index, end: index + 1, text: ` ${puts[n]} ` }));
        const after = edited(before, edits);
        const bare = (text: string) => text.replace(/\s/g, '');
        const words = ({ text, marks }: RichText) =>
          marks.filter(({ type }) => type === 'link').map((m) => text.slice(m.offset, m.offset + m.length));
        if (puts.every((put) => put.trim() === '')) {
          expect(bare(after.text)).toBe(bare(before.text));
          expect(words(after).map(bare)).toEqual(words(before).map(bare));
        }
        expect(normalise(after)).toEqual(after);
      }),
    );
  });
});

describe('split', () => {
  const texts = (text: string, limit: number) => split(plain(text), limit).map((part) => part.text);

  it.each<[string, string, number, string[]]>([
    ['nothing to cut', 'abc', 10, ['abc']],
    ['a trailing space costs nothing', 'abcd  ', 4, ['abcd']],
    ['paragraph before line', 'aaa\n\nbb\ncc', 8, ['aaa', 'bb\ncc']],
    ['line before space', 'aaa\nb cc', 6, ['aaa', 'b cc']],
    ['space before letter', 'aaa bbbb', 6, ['aaa', 'bbbb']],
    ['no space at all', 'abcdefgh', 3, ['abc', 'def', 'gh']],
    ['an early paragraph rather than a broken word', 'a\n\nbbbbbbbbbbbb', 12, ['a', 'bbbbbbbbbbbb']],
    ['surrogate pairs', 'a😀😀', 2, ['a', '😀', '😀']],
    ['joined emoji', 'aaaa👩‍👩‍👧', 8, ['aaaa', '👩‍👩‍👧']],
    ['combining marks', 'abe\u0301', 3, ['ab', 'e\u0301']],
    ['only white space', ' \n\n ', 2, []],
    ['written-out links', 'xxhttps://a.b/c', 13, ['xx', 'https://a.b/c']],
    ['a character longer than a part', 'e' + '\u0301'.repeat(5), 3, ['e\u0301\u0301', '\u0301\u0301\u0301']],
  ])('%s', (_, text, limit, expected) => {
    expect(texts(text, limit)).toEqual(expected);
  });

  it('keeps a link in one piece when it fits', () => {
    const link = { type: 'link' as const, offset: 4, length: 7, url: 'https://a.example' };
    const parts = split({ text: 'see the docs', marks: [link] }, 9);
    expect(parts.map((part) => part.text)).toEqual(['see', 'the docs']);
    expect(parts[1]!.marks).toEqual([{ ...link, offset: 0 }]);
  });

  it('keeps the indentation of code', () => {
    const text = 'if (a) {\n\n    b();\n}';
    const parts = split({ text, marks: [{ type: 'pre', offset: 0, length: text.length }] }, 12);
    expect(parts.map((part) => part.text)).toEqual(['if (a) {', '    b();\n}']);
  });

  it('stays within the limit and loses nothing but white space', () => {
    fc.assert(
      fc.property(rich, fc.integer({ min: 8, max: 40 }), (input, limit) => {
        const parts = split(input, limit);
        for (const part of parts) {
          expect(part.text.length).toBeLessThanOrEqual(limit);
          expect(part.text).not.toMatch(/^\s*$/);
          expect(part.text).not.toMatch(/^[\udc00-\udfff]|[\ud800-\udbff]$/);
          for (const m of part.marks) expect(m.offset + m.length).toBeLessThanOrEqual(part.text.length);
        }
        const squeeze = (text: string) => text.replace(/\s+/g, '');
        expect(squeeze(parts.map((part) => part.text).join(''))).toBe(squeeze(input.text));
      }),
    );
  });

  it('never cuts inside a character that fits', () => {
    const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
    const count = (text: string) => [...segmenter.segment(text)].filter((s) => s.segment.trim() !== '').length;
    fc.assert(
      fc.property(words, fc.integer({ min: 12, max: 40 }), (text, limit) => {
        const parts = split(plain(text), limit);
        expect(parts.reduce((sum, part) => sum + count(part.text), 0)).toBe(count(text));
      }),
    );
  });

  it('cuts a long text in reasonable time', () => {
    const started = process.cpuUsage();
    expect(split(plain('слово 😀 '.repeat(60_000)), 4096).length).toBeGreaterThan(100);
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(5_000);
  });
});
