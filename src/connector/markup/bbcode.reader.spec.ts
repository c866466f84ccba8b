import { describe, expect, it } from 'vitest';
import type { Mark } from '../../relay/rich-text.js';
import { fromBBCode } from './bbcode.reader.js';

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
    ['[url=x.y/a]t[/url]', 't', [{ type: 'link', offset: 0, length: 1, url: 'http://x.y/a' }]],
    ['[url=https://x.y][/url]', 'https://x.y', [{ type: 'link', offset: 0, length: 11, url: 'https://x.y' }]],
    ['[url]https://x.y[/url]', 'https://x.y', []],
    [
      '[url]tg://resolve?domain=a[/url]',
      'tg://resolve?domain=a',
      [{ type: 'link', offset: 0, length: 21, url: 'tg://resolve?domain=a' }],
    ],
    ['[url=tel:+7900]t[/url]', 't', [{ type: 'link', offset: 0, length: 1, url: 'tel:+7900' }]],
    ['[url=javascript:alert(1)]t[/url]', 't', [{ type: 'link', offset: 0, length: 1, url: 'javascript:alert(1)' }]],
    ['[url=/crm/deal/1/]Deal[/url]', 'Deal', [{ type: 'link', offset: 0, length: 4, url: '/crm/deal/1/' }]],
    ['[url=портал]p[/url]', 'p', [{ type: 'link', offset: 0, length: 1, url: 'портал' }]],
    ['[url=/a] [/url]', ' /a', [{ type: 'link', offset: 0, length: 3, url: '/a' }]],
    ['[url=][/url]a[url]b[/url]', 'ab', []],
    [
      '[url=https://x.y/?a[]=1&b[c]=[2]]t[/url]',
      't',
      [{ type: 'link', offset: 0, length: 1, url: 'https://x.y/?a[]=1&b[c]=[2]' }],
    ],
    ['[url=https://x.y/?a[=1]t[/url]', 't', [{ type: 'link', offset: 0, length: 1, url: 'https://x.y/?a[=1' }]],
    ['[url]https://x.y/?a[]=1&a[b]=2[/url] c', 'https://x.y/?a[]=1&a[b]=2 c', []],
    ['[url]mailto:a@x.y[/url]', 'mailto:a@x.y', [{ type: 'link', offset: 0, length: 12, url: 'mailto:a@x.y' }]],
    ['[url][b]https://x.y[/b][/url]', 'https://x.y', [{ type: 'bold', offset: 0, length: 11 }]],
    ['a[spoiler]b[/spoiler]', 'ab', [{ type: 'spoiler', offset: 1, length: 1 }]],
    ['a [cut="The [answer]"]b[/cut]', 'a \nThe [answer]\nb', [{ type: 'spoiler', offset: 16, length: 1 }]],
    [
      `${DASHES}\nIvan [12:30]\n#chat12/345\nhello\n${DASHES}`,
      'Ivan [12:30]\nhello',
      [{ type: 'quote', offset: 0, length: 18 }],
    ],
    [
      `[b]a\n${DASHES}\nb\n${DASHES}\nc[/b]`,
      'a\nb\nc',
      [
        { type: 'bold', offset: 0, length: 2 },
        { type: 'quote', offset: 2, length: 1 },
        { type: 'bold', offset: 2, length: 1 },
        { type: 'bold', offset: 3, length: 2 },
      ],
    ],
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
    ['[call=+79001112233]call us[/call] [call=+7900][/call]', 'call us (+79001112233) +7900'],
    ['[call=+7 (900) 1]8 or +79001[/call] [call]900[/call] [call=anna]Anna[/call]', '8 or +79001 900 Anna (anna)'],
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
    ['[list=a][*]a[*]b[/list]', 'a. a\nb. b'],
    ['[*] footnote', '[*] footnote'],
    [':f09f9880::f09f9881: 12:30303030: :F09F9880:', '😀😁 12:30303030: 😀'],
    [':f09f9880f09f9881: :c3a9c3a9: :ffffffff: :f09f98:', ':f09f9880f09f9881: :c3a9c3a9: :ffffffff: :f09f98:'],
    ['a[table][tr][th]1[/th][th]2[/th][/tr][tr][td][/td][td]4[/td][/tr][/table]b', 'a\n1 | 2\n | 4\nb'],
    ['[table cols=2]\n[tr]\n[td]a\nb[/td] [td][list][*]c[*]d[/list][/td]\n[/tr]\n[/table]', 'a b | • c • d'],
    ['[table][tr][td]a[td]b[tr][td]c', 'a | b\nc'],
    ['[list][*]a[*]b', '• a\n• b'],
    ['the [list] of [table]', 'the [list] of [table]'],
    ['[table][tr][td]a[td]b[tr][td]c[/table]', 'a | b\nc'],
    ['[td]a[/td] [tr] [th]', '[td]a[/td] [tr] [th]'],
    ['[p]a[/p][p]b[/p]\n[p]c[/p]d', 'a\nb\nc\nd'],
    ['a[center]b[/center]c [right]d[/right]', 'a\nb\nc \nd'],
    ['[left] [p] [center [video] [spoiler] [cut]', '[left] [p] [center [video] [spoiler] [cut]'],
    ['[department=5]Sales[/department] [project=3]Shop[/PROJECT]', 'Sales Shop'],
    ['a[disk file id=n12][DISK FILE ID=5][document id=3][file=4]b', 'ab'],
    ['[disk] [file of mine] [document x] [rating]', '[disk] [file of mine] [document x] [rating]'],
    [
      '[video width=400 height=300]https://x.y/1.mp4[/video] [video]https://x.y[/video]',
      'https://x.y/1.mp4 https://x.y',
    ],
    ['[chat=imol|3]Line[/chat]', 'Line'],
    ["[icon=/i.png title=Big smile size=20][icon=/i.png size=20 title=':D']", 'Big smile:D'],
    ['[code]a\r\nb[/code]', 'a\nb'],
    ['[code]a[/Code][B]b', 'ab'],
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
