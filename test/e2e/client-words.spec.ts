import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import { seenByOperator } from '../support/bitrix24-simulator/operator-view.js';
import { forwardedFrom } from '../support/telegram-simulator/client.contents.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});

afterAll(async () => bridge?.stop());

const plain = (text: string) => text.replaceAll('\u200B', '').replace(/\s+/g, '');

const next = ({ dialog }: Conversation, after: number): Promise<LineMessage> =>
  dialog.waitFor(({ id }) => id > after, 15_000);

describe('what a client writes is what the operator reads', () => {
  const TEXTS: [what: string, text: string, entities?: object[]][] = [
    ['a command', '/menu please'],
    ['a loud one', '/loud'],
    ['BBCode', '[b]x[/b] [cut]y[/cut] [call]z[/call] [url=https://a.b]w[/url] &#91;'],
    ['signs', '(C) (TM) <br /> <nomodify> :f09f9880: [br] #BR#'],
    [
      'a label with a space at its end',
      'see here now',
      [{ type: 'text_link', offset: 4, length: 5, url: 'https://a.b/' }],
    ],
    ['code that would be changed', 'echo $$ "$1"', [{ type: 'code', offset: 0, length: 12 }]],
    ['the end of a dialog', '####REPLACEMENT_MARK_7#### x', [{ type: 'code', offset: 27, length: 1 }]],
    ['another one', 'xBR#', [{ type: 'code', offset: 0, length: 1 }]],
    ['a tab that hangs', '[put]x[/put] ####REPLACEMENT_PUT_7####', [{ type: 'pre', offset: 0, length: 12 }]],
  ];

  it('whatever the portal and the messenger would read in it', async () => {
    const talk = await Conversation.begin(bridge, 7_101);
    for (const [what, text, entities] of TEXTS) {
      const after = talk.dialog.messages.at(-1)!.id;
      talk.client.sends(text, entities ? { entities: entities as [] } : {});
      const message = await next(talk, after);
      expect(plain(seenByOperator(message.text).text), what).toBe(plain(text));
    }
    expect(bridge.portal.ledger().dialogsKilled).toEqual([]);
  });

  it('with links that lead where they say, in a style, behind a quote and in brackets', async () => {
    const talk = await Conversation.begin(bridge, 7_102);
    const url = 'https://shop.example/a?b=1';
    const rows: [string, object[]][] = [
      [url, [{ type: 'bold', offset: 0, length: url.length }]],
      [`${url} yes`, [{ type: 'blockquote', offset: 0, length: url.length }]],
      [`(${url} and more) here`, []],
      [`see ${url}.`, []],
    ];
    for (const [text, entities] of rows) {
      const after = talk.dialog.messages.at(-1)!.id;
      talk.client.sends(text, { entities: entities as [] });
      const { links } = seenByOperator((await next(talk, after)).text);
      expect(links, text).toEqual([{ text: url, url }]);
    }
    const after = talk.dialog.messages.at(-1)!.id;
    const deep = { type: 'text_link' as const, offset: 0, length: 4, url: 'tg://resolve?domain=shop' };
    talk.client.sends('here', { entities: [deep] });
    expect((await next(talk, after)).text).toBe('here (tg://resolve?domain=shop)');
  });
});

describe("the CRM takes for the client's contacts", () => {
  it('what the client wrote and shared, and nothing that others did', async () => {
    const talk = await Conversation.begin(bridge, 7_111);
    await talk.dialog.delivered(talk.answers('Call us: +7 495 000-00-01, shop@company.example'), 10_000);
    const [ours] = await talk.client.receives(1, 10_000);
    talk.client.replies(ours!.message_id, 'mine is +7 999 000-00-02');
    talk.client.sends(
      '+7 495 000-00-03',
      forwardedFrom.channel(
        { id: -1_001_331_354_980, type: 'channel', title: 'News', username: 'shop_news' },
        7,
        1_760_000_000,
      ),
    );
    talk.client.sendsMessage({ contact: { phone_number: '74950000004', first_name: 'Master', user_id: 5 } });
    talk.client.sendsMessage({ contact: { phone_number: '79990000005', first_name: 'I', user_id: 7_111 } });
    talk.client.sends('me@home.example');
    await talk.dialog.waitFor(({ text }) => text === 'me@home.example', 15_000);
    const { chat } = talk.dialog;
    const { crm } = [...bridge.portal.lines.clients.values()].find(({ id }) => id === chat!.clientId)!;
    expect(crm.phones.toSorted()).toEqual(['+79990000002', '+79990000005']);
    expect(crm.emails).toEqual(['me@home.example']);
  });

  it('nothing of a note about a message that did not arrive, and nothing of a reaction', async () => {
    const talk = await Conversation.begin(bridge, 7_112);
    talk.answers('Call us: +7 495 000-00-06');
    const [ours] = await talk.client.receives(1, 10_000);
    talk.client.reacts(ours!.message_id, '👍');
    talk.client.blocks();
    await talk.hasNotes(2);
    talk.answers('Or +7 495 000-00-07');
    await talk.dialog.waitFor(({ author, text }) => author === 'system' && text.includes('000-00-07'), 15_000);
    const client = [...bridge.portal.lines.clients.values()].find(({ id }) => id === talk.dialog.chat!.clientId)!;
    expect(client.crm.phones).toEqual([]);
  });
});
