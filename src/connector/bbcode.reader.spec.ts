import { describe, expect, it } from 'vitest';
import type { Mark } from '../relay/rich-text.js';
import { fromBBCode, stripOperatorName } from './bbcode.reader.js';

const DASHES = '-'.repeat(54);
const marksOf = (bbcode: string) => fromBBCode(bbcode).marks;
const textOf = (bbcode: string) => fromBBCode(bbcode).text;

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
    ['[url=x.y/a]t[/url]', 't', [{ type: 'link', offset: 0, length: 1, url: 'x.y/a' }]],
    ['[url=https://x.y][/url]', 'https://x.y', [{ type: 'link', offset: 0, length: 11, url: 'https://x.y' }]],
    ['[url]https://x.y[/url]', 'https://x.y', []],
    [
      '[url]tg://resolve?domain=a[/url]',
      'tg://resolve?domain=a',
      [{ type: 'link', offset: 0, length: 21, url: 'tg://resolve?domain=a' }],
    ],
    ['[url=javascript:alert(1)]t[/url]', 't', [{ type: 'link', offset: 0, length: 1, url: 'javascript:alert(1)' }]],
    ['[url=/crm/deal/1/]Deal[/url]', 'Deal', [{ type: 'link', offset: 0, length: 4, url: '/crm/deal/1/' }]],
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
