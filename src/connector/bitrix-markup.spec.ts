import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalise, plain, withMark, type Mark, type MarkType, type RichText } from '../relay/rich-text.js';
import { BITRIX_TEXT_LIMIT, fromBBCode, splitForBitrix, stripOperatorName, toBBCode } from './bitrix-markup.js';

const Z = '\u200B';
const DASHES = '-'.repeat(54);
const marksOf = (bbcode: string) => fromBBCode(bbcode).marks;
const textOf = (bbcode: string) => fromBBCode(bbcode).text;

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
    ['links nobody can open', withMark('x', 'link', { url: 'javascript:alert(1)' }), 'x'],
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

describe('fromBBCode', () => {
  it.each<[string, string, Mark[]]>([
    ['[b]x[/b]', 'x', [{ type: 'bold', offset: 0, length: 1 }]],
    [
      '[B][i]x[/I][/b]',
      'x',
      [
        { type: 'bold', offset: 0, length: 1 },
        { type: 'italic', offset: 0, length: 1 },
      ],
    ],
    [
      '[b][i]x[/b]y[/i]',
      'xy',
      [
        { type: 'italic', offset: 0, length: 2 },
        { type: 'bold', offset: 0, length: 1 },
      ],
    ],
    ['a[u]b', 'ab', [{ type: 'underline', offset: 1, length: 1 }]],
    ['[s]a[br]b[/s]', 'a\nb', [{ type: 'strikethrough', offset: 0, length: 3 }]],
    ['[url=https://x.y/a]t[/url]', 't', [{ type: 'link', offset: 0, length: 1, url: 'https://x.y/a' }]],
    ['[URL="https://x.y"]t[/URL]', 't', [{ type: 'link', offset: 0, length: 1, url: 'https://x.y' }]],
    [
      '[url=https://x.y/?a=1&amp;b=2]t[/url]',
      't',
      [{ type: 'link', offset: 0, length: 1, url: 'https://x.y/?a=1&b=2' }],
    ],
    ['[url=x.y/a]t[/url]', 't', [{ type: 'link', offset: 0, length: 1, url: 'http://x.y/a' }]],
    ['[url=https://x.y][/url]', 'https://x.y', [{ type: 'link', offset: 0, length: 11, url: 'https://x.y' }]],
    ['[url]https://x.y[/url]', 'https://x.y', []],
    [
      '[url]tg://resolve?domain=a[/url]',
      'tg://resolve?domain=a',
      [{ type: 'link', offset: 0, length: 21, url: 'tg://resolve?domain=a' }],
    ],
    ['[url=javascript:alert(1)]t[/url]', 't (javascript:alert(1))', []],
    ['[url=/crm/deal/1/]Deal[/url]', 'Deal (/crm/deal/1/)', []],
    ['[code][b]x[/b] [br][/code]y', '[b]x[/b] [br]y', [{ type: 'code', offset: 0, length: 13 }]],
    ['[code]\na\nb\n[/code]', 'a\nb', [{ type: 'pre', offset: 0, length: 3 }]],
    ['[code]a[b]', 'a[b]', [{ type: 'code', offset: 0, length: 4 }]],
    ['>>a\n>>b\nc', 'a\nb\nc', [{ type: 'quote', offset: 0, length: 3 }]],
    ['x[br]&gt;&gt;a', 'x\na', [{ type: 'quote', offset: 2, length: 1 }]],
    ['a >>b', 'a >>b', []],
    ['[code]\n>>a[/code]', '>>a', [{ type: 'code', offset: 0, length: 3 }]],
    [
      `${DASHES}\nIvan [12:30] #chat12/345\nhello\n${DASHES}\nok`,
      'Ivan [12:30]\nhello\nok',
      [{ type: 'quote', offset: 0, length: 18 }],
    ],
    [`${DASHES}[br]Ivan[br]hi[br]${DASHES}[br]ok`, 'Ivan\nhi\nok', [{ type: 'quote', offset: 0, length: 7 }]],
    [`${DASHES}\nno end`, `${DASHES}\nno end`, []],
    ['a[quote]b[quote]c[/quote][/quote]d', 'a\nb\nc\nd', [{ type: 'quote', offset: 2, length: 3 }]],
  ])('%j', (bbcode, text, marks) => {
    expect(fromBBCode(bbcode)).toEqual({ text, marks });
  });

  it.each([
    ['[1] [x] [ok] [b [/] []', '[1] [x] [ok] [b [/] []'],
    [
      '[user guide] [call me] [list of colors] [img of a cat]',
      '[user guide] [call me] [list of colors] [img of a cat]',
    ],
    ['[user] [color] [call] [send]', '[user] [color] [call] [send]'],
    ['[send]yes[/send] [put]/x[/put]', 'yes /x'],
    ['[/b] a [/url]', '[/b] a [/url]'],
    ['[i 1] [s=2] [bold]x[/bold]', '[i 1] [s=2] [bold]x[/bold]'],
    ['a#BR#b\r\nc[BR]d', 'a\nb\nc\nd'],
    ['[user=1]Ivan[/user], [chat=2]Sales[/chat] [context=1]c[/context] [dialog=x]d[/dialog]', 'Ivan, Sales c d'],
    ['[USER=1 REPLACE]Ivan[/USER][user=all][/user]', 'Ivan'],
    ['[call=+79001112233]call us[/call] [call=+7900][/call]', 'call us +7900'],
    ['[put=/help]help[/put] [send=/yes]yes[/send] [send=/no][/send]', 'help yes /no'],
    ['[size=20]a[/size][color=#f00]b[/color][font=Arial]c[/font]', 'abc'],
    ['[img size=medium]https://x.y/a.png[/img]', 'https://x.y/a.png'],
    ['a[icon=https://x.y/i.png size=20 title="Smile on"]b', 'aSmile onb'],
    ['a[icon=https://x.y/i.png title=Smile]b', 'aSmileb'],
    ['a[icon=https://x.y/i.png]b', 'ab'],
    ['a[disk=1][attach=2][rating=5]b', 'ab'],
    ['[pch=1]call[/pch]', 'call'],
    ['[timestamp=1773267180 format=SHORT]', '2026-03-11 22:13 UTC'],
    ['[timestamp=soon]', ''],
    ['[like][dislike]', '👍👎'],
    ['see:[list][*]a[*]b[/*][/list]end', 'see:\n• a\n• b\nend'],
    ['[list=1][*]a\n[*]b[/list]', '1. a\n2. b'],
    ['[*] footnote', '[*] footnote'],
    [':f09f9880::f09f9881: 12:30303030:', '😀😁 12:30303030:'],
    ['&quot;&#91;b&#93;&quot; &lt;a&gt; &amp;lt; &#x41;', '"[b]" <a> &lt; A'],
    [
      '<img src="s.gif" data-code=":)" alt="smile">|<img data-code=":f09f9880:" class="x">|<img data-code=":-D">',
      'smile|😀|:-D',
    ],
    ['<img src="x">', '<img src="x">'],
  ])('reads %j as %j', (bbcode, text) => {
    expect(textOf(bbcode)).toBe(text);
  });

  it('formats what stands inside an entity without a mark of its own', () => {
    expect(marksOf('[b][user=1]Ivan[/user][/b]')).toEqual([{ type: 'bold', offset: 0, length: 4 }]);
  });

  it("reads Bitrix24's default greeting", () => {
    expect(textOf('Welcome to [b]Acme[/b] Open Channel![br]You will receive a reply shortly, please hold on.')).toBe(
      'Welcome to Acme Open Channel!\nYou will receive a reply shortly, please hold on.',
    );
  });
});

describe('stripOperatorName', () => {
  it.each([
    ['[b]Samantha Johnson:[/b] [br]Good afternoon!', 'Samantha Johnson', 'Good afternoon!'],
    ['[b]Эдди Ким:[/b][br] фывыфв', 'Эдди Ким', 'фывыфв'],
    ['[b]Ivan:[/b] ', 'Ivan', ''],
    ['[b]Ivan [Sales] "VIP": 2nd:[/b] [br]hi', 'Ivan [Sales] "VIP": 2nd', 'hi'],
    ['[b]Ivan &quot;X&quot;:[/b] [br]hi', 'Ivan "X"', 'hi'],
    ['[b]Ivan:[/b] [br][b]Total:[/b] 5', 'Ivan', '[b]Total:[/b] 5'],
    ['hello [b]Total:[/b] 5', undefined, 'hello [b]Total:[/b] 5'],
    ['[b]bold[/b] and [b]Total:[/b] 5', undefined, '[b]bold[/b] and [b]Total:[/b] 5'],
    ['', undefined, ''],
  ])('%j', (text, name, words) => {
    expect(stripOperatorName(text)).toEqual({ ...(name === undefined ? {} : { name }), text: words });
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

const typed = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '[b]',
      '[/b]',
      '[i]',
      '[url=',
      '[url]',
      '[/url]',
      '[code]',
      '[/code]',
      '[quote]',
      '[/quote]',
      '[list]',
      '[*]',
      '[br]',
      '#BR#',
      '>>',
      '>',
      '\n',
      '\n>>',
      ']',
      '[',
      '/',
      '&amp;',
      '&#91;',
      '&',
      '#',
      ':f09f9880:',
      ':',
      '<img data-code="x">',
      DASHES,
      `\n${DASHES}\n`,
      '-',
      'http://x.y',
      '[user=1]',
      '[timestamp=1]',
      '[icon=a title=b]',
      '😀',
      'a',
      ' ',
      'b]',
      'я',
      Z,
    ),
    fc.string({ maxLength: 3 }),
  ),
  maxLength: 14,
});
const types: MarkType[] = ['bold', 'italic', 'underline', 'strikethrough', 'spoiler', 'code', 'pre', 'quote', 'link'];
const marks = fc.array(
  fc
    .record({ type: fc.constantFrom(...types), offset: fc.nat(40), length: fc.nat(20) })
    .map((mark): Mark => (mark.type === 'link' ? { ...mark, url: 'https://a.example/[b]?q="x y"&amp;lt;#BR#' } : mark)),
  { maxLength: 6 },
);
const visible = (text: string) => text.replaceAll(Z, '');

describe('round trips', () => {
  it("show a client's words as he typed them", () => {
    fc.assert(
      fc.property(typed, (text) => {
        const clean = normalise(plain(text.replaceAll('\r', ''))).text;
        expect(visible(fromBBCode(toBBCode(plain(clean))).text)).toBe(visible(clean));
      }),
      { numRuns: 2_000 },
    );
  });

  it('keep the words of formatted text, line breaks around quotes aside', () => {
    const squeeze = (text: string) => visible(text).replace(/\s+/g, '');
    fc.assert(
      fc.property(typed, marks, (text, marks) => {
        const rich = normalise({ text: text.replaceAll('\r', ''), marks });
        expect(squeeze(fromBBCode(toBBCode(rich)).text)).toBe(squeeze(rich.text));
      }),
      { numRuns: 2_000 },
    );
  });

  it('are stable from BBCode to BBCode', () => {
    fc.assert(
      fc.property(typed, (bbcode) => {
        const once = toBBCode(fromBBCode(bbcode));
        expect(toBBCode(fromBBCode(once))).toBe(once);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('hostile texts', () => {
  it.each([
    '[b]',
    '[code]',
    '[url=',
    '[',
    '-',
    ':aa',
    '&',
    '<img data-code=',
    '[quote]',
    '[list][*]',
    '>>[b]a\n',
    '[icon=a title=" ',
  ])('reads, writes and cuts 20,000 characters of %j quickly', (unit) => {
    const text = unit.repeat(BITRIX_TEXT_LIMIT / unit.length);
    const started = performance.now();
    splitForBitrix(fromBBCode(text));
    toBBCode(plain(text));
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
