import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const FRAME = '-'.repeat(54);

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});

afterAll(async () => bridge?.stop());

const operator = () => bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
const inbox = ({ client }: Conversation) => client.inbox.map(({ text, caption }) => text ?? caption ?? '');

/** What Telegram has after it: the text, then `type:words`, of links with where they lead. */
async function read(chat: Conversation, content: Parameters<ReturnType<typeof operator>['sends']>[1]) {
  await chat.dialog.delivered(operator().sends(`tg:${chat.client.id}`, content), 15_000);
  const { text, entities } = bridge.telegram
    .ledger()
    .filter(({ chatId }) => chatId === chat.client.id)
    .at(-1)!;
  const marks = entities
    .filter(({ type }) => type !== 'url')
    .map(({ type, offset, length, ...rest }) => {
      const words = text.slice(offset, offset + length);
      return 'url' in rest ? `${type}:${words} ${rest.url}` : `${type}:${words}`;
    });
  return [text, ...marks];
}

/** Text and marks. */
type Row = [bbcode: string, text: string, ...marks: string[]];

const WORDS: Record<string, Row> = {
  'a link whose address has brackets': [
    'see [url=https://a.example/?p[]=1&p[x]=2]the list[/url]!',
    'see the list!',
    'text_link:the list https://a.example/?p[]=1&p[x]=2',
  ],
  'an address with brackets, written out': [
    '[url]https://a.example/?p[b]=1[/url] here',
    'https://a.example/?p[b]=1 here',
  ],
  'a number to call, and one that is written already': [
    '[call=+79001112233]Call[/call], [call=+79001112233]+7 900 111-22-33[/call], [call=+79001112233][/call]',
    'Call (+79001112233), +7 900 111-22-33, +79001112233',
  ],
  'words for buttons in a sentence': [
    'Say [send=/yes]Yes[/send] or [put=/no]No[/put] or [send]Later[/send], please',
    'Say Yes or No or Later, please',
  ],
  'codes of smileys': [
    ':idea: :trophy::thumbsup: :wink:, :oops: :like: :!: :) ;-) 8-) :D',
    '💡 🏆👍 😉, 😳 👍 ❗ :) ;-) 8-) :D',
  ],
  'what only looks like a smiley': [
    'at 12:30:45, C:key:value https://a.example/:idea:/x :nobody: [code]:idea:[/code]',
    'at 12:30:45, C:key:value https://a.example/:idea:/x :nobody: :idea:',
    'code::idea:',
  ],
  'emoji as the portal keeps them, of eight digits and no others': [
    ':f09f9880: :f09f9880f09f9881: :c3a9c3a9: :41424344:',
    '😀 :f09f9880f09f9881: :c3a9c3a9: :41424344:',
  ],
  'a table with its columns': [
    'Prices:[table]\n[tr][th]Boots[/th][th]Price[/th][/tr]\n[tr]\n[td]red[/td]\n[td][b]10[/b][/td]\n[/tr]\n[/table]Which?',
    'Prices:\nBoots | Price\nred | 10\nWhich?',
    'bold:10',
  ],
  'what is hidden until it is asked for': [
    'The code: [spoiler]1234[/spoiler] [cut=Answer]42[/cut]',
    'The code: 1234 \nAnswer\n42',
    'spoiler:1234',
    'spoiler:42',
  ],
  'paragraphs, wherever they stand': [
    '[p]one[/p][center]two[/center][left]three[/left]\n[right]four[/right][justify]five[/justify]six',
    'one\ntwo\nthree\nfour\nfive\nsix',
  ],
  'people, departments, projects, pictures, videos, files of the disk': [
    '[user=1]Ann[/user] [department=5]Sales[/department] [project=3]Shop[/project] [disk file id=n12][disk=5][document id=7]' +
      '[video width=400 height=300]https://v.example/1.mp4[/video] [img size=small]https://a.example/1.png[/img]',
    'Ann Sales Shop https://v.example/1.mp4 https://a.example/1.png',
  ],
  'words in brackets that are no tags': [
    '[left] or [right]? [table] for two, [video] follows, [send] it, [p]',
    '[left] or [right]? [table] for two, [video] follows, [send] it, [p]',
  ],
  'a bold first line with a colon': ['[b]Total:[/b]\n5 pairs', 'Total:\n5 pairs', 'bold:Total:'],
  'a bold heading of one line': ['[b]Total:[/b] [br]5 pairs', 'Total: \n5 pairs', 'bold:Total:'],
};

describe('the client reads', () => {
  it.each(Object.entries(WORDS))('%s', async (name, [bbcode, ...expected]) => {
    const chat = await Conversation.begin(bridge, 9_001 + Object.keys(WORDS).indexOf(name));
    expect(await read(chat, bbcode)).toEqual(expected);
    expect(chat.notes).toEqual([]);
  });

  it('a changed message with its bold first line, and the line’s own words', async () => {
    const chat = await Conversation.begin(bridge, 9_101);
    const message = operator().sends('tg:9101', 'Five');
    await chat.dialog.delivered(message, 15_000);
    operator().edits(message, '[b]Total:[/b]\nsix');
    await eventually(
      () => inbox(chat),
      ([text]) => text !== 'Five',
    );
    bridge.portal.systemText('tg:9101', '[b]Attention:[/b][br] we close at 6');
    await eventually(
      () => inbox(chat),
      (texts) => texts.length === 2,
    );
    expect(inbox(chat)).toEqual(['Total:\nsix', 'Attention:\n we close at 6']);
  });

  it('a card of every kind of block, its links where they lead', async () => {
    const chat = await Conversation.begin(bridge, 9_102);
    const BLOCKS = [
      { USER: { NAME: 'Samantha', LINK: 'https://a.example/27' } },
      { MESSAGE: 'Order [b]5[/b]#BR#is :like:' },
      { DELIMITER: { SIZE: 200 } },
      {
        GRID: [
          { NAME: 'Sum:', VALUE: '12', DISPLAY: 'LINE' },
          { NAME: 'State', VALUE: '[i]paid[/i]', DISPLAY: 'ROW' },
        ],
      },
      { LINK: { NAME: 'Pay [now]', LINK: 'https://a.example/?p[]=1', DESC: 'by card' } },
      { IMAGE: [{ LINK: 'https://a.example/i.png' }] },
      { FILE: { NAME: 'bill [5].pdf', LINK: 'https://a.example/b.pdf' } },
    ];
    expect(await read(chat, { text: 'Here:', attach: [{ ID: 1, BLOCKS }] })).toEqual([
      'Here:\nSamantha\nOrder 5\nis 👍\n———\nSum: 12\nState: paid\nPay [now]\nby card\nhttps://a.example/i.png\nbill [5].pdf',
      'text_link:Samantha https://a.example/27',
      'bold:5',
      'italic:paid',
      'text_link:Pay [now] https://a.example/?p[]=1',
      'text_link:bill [5].pdf https://a.example/b.pdf',
    ]);
  });

  it('a link with what is behind it, once', async () => {
    const chat = await Conversation.begin(bridge, 9_103);
    const shop = { NAME: 'Boots', LINK: 'https://shop.example/1', DESC: 'Warm' };
    const attach = [{ ID: 1, BLOCKS: [{ RICH_LINK: shop }] }];
    expect(await read(chat, { attach })).toEqual(['Boots\nWarm', 'text_link:Boots https://shop.example/1']);
    expect(await read(chat, { text: 'see https://shop.example/1', attach })).toEqual(['see https://shop.example/1']);
  });
});

it('the author’s name goes, where an older registration has the portal put it there, and nothing else', async () => {
  const chat = await Conversation.begin(bridge, 9_201);
  bridge.portal.lines.connectors.get(bridge.connectorId)!.needSignature = true;
  try {
    expect(await read(chat, 'Hello')).toEqual(['Hello']);
    expect(await read(chat, '[b]Total:[/b]\n5')).toEqual(['Total:\n5', 'bold:Total:']);
    const quoted = `${FRAME}\nClient 9201 [today, 14:05]\nhello\n${FRAME}\nHello you`;
    expect(await read(chat, quoted)).toEqual(['Hello you']);
    const message = operator().sends('tg:9201', 'Good mourning');
    await chat.dialog.delivered(message, 15_000);
    operator().edits(message, 'Good morning');
    await eventually(
      () => inbox(chat),
      (texts) => texts.at(-1) !== 'Good mourning',
    );
    expect(inbox(chat)).toEqual(['Hello', 'Total:\n5', 'Hello you', 'Good morning']);
  } finally {
    bridge.portal.lines.connectors.get(bridge.connectorId)!.needSignature = false;
  }
});
