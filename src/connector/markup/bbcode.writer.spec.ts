import { describe, expect, it } from 'vitest';
import { plain, withMark, type Mark, type RichText } from '../../relay/rich-text.js';
import { BITRIX_TEXT_LIMIT, splitForBitrix, toBBCode } from './bbcode.writer.js';

const Z = '\u200B';
const DASHES = '-'.repeat(54);

describe('toBBCode', () => {
  it.each<[string, RichText, string]>([
    ['plain', plain('Привет 😀\nhi'), 'Привет 😀\nhi'],
    ['bold', withMark('x', 'bold'), '[b]x[/b]'],
    ['italic', withMark('x', 'italic'), '[i]x[/i]'],
    ['underline', withMark('x', 'underline'), '[u]x[/u]'],
    ['strikethrough', withMark('x', 'strikethrough'), '[s]x[/s]'],
    ['code', withMark('x [b]', 'code'), '[code]x [b][/code]'],
    ['a code block', withMark('a\n>>b', 'pre'), '[code]a\n>>b[/code]'],
    ['spoilers as plain text', withMark('x', 'spoiler'), 'x'],
    [
      'links',
      withMark('x', 'link', { url: 'https://a.example/?a[]="b c"&d' }),
      '[url=https://a.example/?a%5B%5D=%22b%20c%22&d]x[/url]',
    ],
    [
      'links that Bitrix24 does not open',
      withMark('x', 'link', { url: 'javascript:alert(1)' }),
      'x (javascript:alert(1))',
    ],
    ['nested', withMark(withMark('x', 'bold'), 'italic'), '[b][i]x[/i][/b]'],
    [
      'overlapping',
      {
        text: 'abc',
        marks: [
          { type: 'bold', offset: 0, length: 2 },
          { type: 'italic', offset: 1, length: 2 },
        ],
      },
      '[b]a[i]b[/i][/b][i]c[/i]',
    ],
    ['quotes', { text: 'a\nb\nc\nd', marks: [{ type: 'quote', offset: 2, length: 3 }] }, 'a\n>>b\n>>c\nd'],
    ['quotes inside a line', { text: 'abc', marks: [{ type: 'quote', offset: 1, length: 1 }] }, 'a\n>>b\nc'],
    [
      'quotes under a style',
      {
        text: 'q\nx',
        marks: [
          { type: 'quote', offset: 0, length: 1 },
          { type: 'bold', offset: 0, length: 3 },
        ],
      },
      '>>[b]q[/b]\n[b]x[/b]',
    ],
    ['a style over two quoted lines', withMark(withMark('a\nb', 'bold'), 'quote'), '>>[b]a[/b]\n>>[b]b[/b]'],
    [
      'an empty line around a quote',
      { text: 'a\n\nq\n\nb\n', marks: [{ type: 'quote', offset: 3, length: 1 }] },
      'a\n\n>>q\n\nb\n',
    ],
    ['a line break at the end', { text: 'q\n', marks: [{ type: 'quote', offset: 0, length: 2 }] }, '>>q\n'],
    ['a quote without words', withMark('\n', 'quote'), '\n'],
  ])('%s', (_, rich, expected) => {
    expect(toBBCode(rich)).toBe(expected);
  });

  it.each([
    ['[b]x[/b]', `[${Z}b]x[${Z}/b]`],
    ['[URL=http://x]', `[${Z}URL=http://x]`],
    ['[br]', `[${Z}br]`],
    ['[user=1]', `[${Z}user=1]`],
    ['[*]', `[${Z}*]`],
    ['#BR#', `#${Z}BR#`],
    ['>>x', `>${Z}>x`],
    ['a >>x', 'a >>x'],
    ['a\n>>x', `a\n>${Z}>x`],
    [DASHES, `${'-'.repeat(53)}${Z}-`],
    [':f09f9880:', `:${Z}f09f9880:`],
    ['&#91;b&#93;', `&${Z}#91;b&${Z}#93;`],
    ['&amp;', `&${Z}amp;`],
    ['<img data-code="x">', `<${Z}img data-code="x">`],
    ['[user guide] [b', '[user guide] [b'],
    ['[1] [ok] [bold] [x]=b] a[0]', '[1] [ok] [bold] [x]=b] a[0]'],
    ['1 < 2 & 3 > 2; 12:30:45', '1 < 2 & 3 > 2; 12:30:45'],
  ])('shows %j as it was typed', (typed, expected) => {
    expect(toBBCode(plain(typed))).toBe(expected);
  });

  it('does not let typed code end a code block', () => {
    expect(toBBCode(withMark('a[/code]b', 'code'))).toBe(`[code]a[${Z}/code]b[/code]`);
  });
});

describe('splitForBitrix', () => {
  it('counts the tags, not only the words', () => {
    const text = 'слово '.repeat(6_000);
    const marks = Array.from({ length: 6_000 }, (_, i): Mark => ({ type: 'bold', offset: i * 6, length: 5 }));
    const parts = splitForBitrix({ text, marks });
    for (const part of parts) expect(toBBCode(part).length).toBeLessThanOrEqual(BITRIX_TEXT_LIMIT);
    expect(parts.map((part) => part.text.replace(/\s+/g, '')).join('')).toBe(text.replace(/\s+/g, ''));
    expect(parts.length).toBeLessThan(8);
  });
  it('leaves a short text whole and sends nothing for white space', () => {
    expect(splitForBitrix(plain('a'))).toEqual([plain('a')]);
    expect(splitForBitrix(plain(' \n'))).toEqual([]);
  });
  it('sends a monstrous link as its text', () => {
    const parts = splitForBitrix(withMark('x', 'link', { url: `https://a.example/${'a'.repeat(30_000)}` }));
    expect(parts.map(toBBCode)).toEqual(['x']);
  });
});
