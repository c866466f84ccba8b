import qs from 'qs';
import { describe, expect, it } from 'vitest';
import { eventKey } from './event.key.js';
import { MalformedEvent, parseEvent } from './event.parser.js';
import { parseLineDelete, parseStatusDelete, parseUninstall } from './lifecycle-events.parser.js';
import { parseMessageReferences, parseOperatorChanges } from './message-changes.parser.js';
import { parseOperatorMessages } from './operator-messages.parser.js';

const CONTEXT = { portalId: 7n, connectorId: 'tg_bridge', unsigned: false };

/** As the program parses form bodies. */
const form = (text: string) => qs.parse(text, { depth: 20, arrayLimit: 1000, parameterLimit: 10000 });

/** A message event with the fields of apidocs.bitrix24.com, "OnImConnectorMessageAdd". */
const messageForm = (text: string, more = '') =>
  `event=ONIMCONNECTORMESSAGEADD&event_handler_id=555&ts=1773759161&data%5BCONNECTOR%5D=tg_bridge&data%5BLINE%5D=107` +
  `&data%5BMESSAGES%5D%5B0%5D%5Bim%5D%5Bchat_id%5D=1807&data%5BMESSAGES%5D%5B0%5D%5Bim%5D%5Bmessage_id%5D=86497` +
  `&data%5BMESSAGES%5D%5B0%5D%5Bmessage%5D%5Buser_id%5D=27` +
  `&data%5BMESSAGES%5D%5B0%5D%5Bmessage%5D%5Btext%5D=${encodeURIComponent(text)}` +
  `&data%5BMESSAGES%5D%5B0%5D%5Bchat%5D%5Bid%5D=tg%3A777${more}` +
  `&auth%5Baccess_token%5D=c978&auth%5Bmember_id%5D=bac1&auth%5Bapplication_token%5D=831c&auth%5Bexpires_in%5D=3600`;

const messagesOf = (body: unknown) => parseOperatorMessages(parseEvent(body), CONTEXT);

describe('an operator’s message', () => {
  it('is read from a form, with a bold first line as it stands', () => {
    const [message, ...others] = messagesOf(form(messageForm('[b]Total:[/b] [br]Five [b]pairs[/b]!')));
    expect(others).toEqual([]);
    expect(message).toMatchObject({
      portalId: 7n,
      connector: 'tg_bridge',
      lineId: '107',
      externalChatId: 'tg:777',
      bitrixMessageId: '86497',
      bitrixChatId: '1807',
      unsigned: false,
      said: {
        kind: 'text',
        text: 'Total: \nFive pairs!',
        marks: [
          { type: 'bold', offset: 0, length: 6 },
          { type: 'bold', offset: 13, length: 5 },
        ],
        authorId: '27',
        saidAt: new Date('2026-03-17T14:52:41Z'),
      },
    });
    expect(message?.said.ignored).toBeUndefined();
    expect(message?.said).not.toHaveProperty('authorName');
  });

  it('reads file fields at the sixth level of a form', () => {
    const file = (name: string, value: string) =>
      `&data[MESSAGES][0][message][files][0][${name}]=${encodeURIComponent(value)}`;
    const [message] = messagesOf(
      form(
        messageForm(
          '',
          file('name', 'offer.pdf') +
            file('type', 'file') +
            file('mime', 'application/pdf') +
            file('size', '182044') +
            file('sizef', '177.78 KB') +
            file('link', 'https://portal.bitrix24.com/~aBcD1') +
            file('downloadLink', 'https://portal.bitrix24.com/pub/im.file.php?FILE_ID=4711&SIGN=x'),
        ),
      ),
    );
    expect(message?.said).toMatchObject({
      kind: 'document',
      text: '',
      attachments: [
        {
          kind: 'document',
          name: 'offer.pdf',
          mime: 'application/pdf',
          size: 182_044,
          label: '📎 offer.pdf (177.78 KB)',
          url: 'https://portal.bitrix24.com/pub/im.file.php?FILE_ID=4711&SIGN=x',
        },
      ],
    });
    expect(JSON.stringify(message?.said.raw)).toContain('https://portal.bitrix24.com/~aBcD1');
  });

  it('keeps no credential in what is stored', () => {
    const body = form(messageForm('Hello', '&data[MESSAGES][0][auth]=inner&data[MESSAGES][0][message][AUTH_ID]=deep'));
    const stored = JSON.stringify([parseEvent(body).raw, messagesOf(body)[0]?.said.raw]);
    for (const secret of ['c978', '831c', 'inner', 'deep']) expect(stored).not.toContain(secret);
    expect(stored).toContain('Hello');
  });

  it('is read from every element, in a list with gaps too', () => {
    const element = (id: number) => ({ im: { message_id: id }, message: { text: `no ${id}` }, chat: { id: 'tg:1' } });
    const data = (MESSAGES: unknown) => ({ event: 'OnImConnectorMessageAdd', data: { LINE: 1, MESSAGES } });
    expect(messagesOf(data([element(3), element(4)])).map((one) => one.said.text)).toEqual(['no 3', 'no 4']);
    expect(messagesOf(data({ 0: element(3), 2: element(4) })).map((one) => one.bitrixMessageId)).toEqual(['3', '4']);
  });

  it('is read from the short form, with and without the prefix of the id', () => {
    const short = (id: unknown) => ({
      event: 'ONIMCONNECTORMESSAGEADD',
      data: { chat: { id: 'tg:123456' }, message: { id, text: '0' } },
    });
    expect(messagesOf(short('b24:1'))[0]).toMatchObject({
      connector: 'tg_bridge',
      lineId: null,
      externalChatId: 'tg:123456',
      bitrixMessageId: '1',
      bitrixChatId: null,
      said: { text: '0' },
    });
    expect(messagesOf(short(12))[0]?.bitrixMessageId).toBe('12');
  });

  it.each([
    ['foreign_connector', { CONNECTOR: 'whatsapp', MESSAGES: [{ im: { message_id: '1' }, chat: { id: 'x' } }] }],
    ['empty', { MESSAGES: [{ im: { message_id: '1' }, message: { user_id: '3' }, chat: { id: 'tg:1' } }] }],
    ['no_chat', { MESSAGES: [{ im: { message_id: '1' }, message: { text: 'a' } }] }],
    ['no_message_id', { MESSAGES: [{ message: { text: 'a' }, chat: { id: 'tg:1' } }] }],
    ['no_chat', { MESSAGES: ['nonsense'] }],
  ])('is kept but not relayed: %s', (code, data) => {
    expect(messagesOf({ event: 'ONIMCONNECTORMESSAGEADD', data })[0]?.said.ignored?.code).toBe(code);
  });

  it('compares our connector without regard to case, so that a duplicate is seen as one', () => {
    const data = {
      CONNECTOR: 'TG_Bridge',
      MESSAGES: [{ im: { message_id: 1 }, message: { text: 'a' }, chat: { id: 1 } }],
    };
    expect(messagesOf({ event: 'ONIMCONNECTORMESSAGEADD', data })[0]).toMatchObject({ connector: 'tg_bridge' });
  });

  it('survives JSON that is nested beyond any sense', () => {
    const text = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    const body = {
      event: 'ONIMCONNECTORMESSAGEADD',
      data: { chat: { id: '1' }, message: { id: '1', x: JSON.parse(text) } },
    };
    expect(() => JSON.stringify(messagesOf(body)[0]?.said.raw)).not.toThrow();
  });
});

describe('what is no event', () => {
  it.each([null, undefined, 'text', [], {}, { event: '' }, { event: { a: 1 } }, { event: 'x'.repeat(300) }])(
    'is refused: %j',
    (body) => expect(() => parseEvent(body)).toThrow(MalformedEvent),
  );

  it('includes a message event without any message', () => {
    for (const data of [undefined, 'text', {}, { MESSAGES: [] }, { MESSAGES: '' }]) {
      expect(() => messagesOf({ event: 'ONIMCONNECTORMESSAGEADD', data })).toThrow(MalformedEvent);
    }
  });
});

describe('other events', () => {
  it('StatusDelete has lower-case keys', () => {
    const { data } = parseEvent(form('event=ONIMCONNECTORSTATUSDELETE&data[connector]=tg_bridge&data[line]=107'));
    expect(parseStatusDelete(data)).toEqual({ connector: 'tg_bridge', lineId: '107' });
    expect(parseStatusDelete('107')).toBeNull();
  });

  it('LineDelete is a bare number', () => {
    expect(parseLineDelete(parseEvent(form('event=ONIMCONNECTORLINEDELETE&data=107&ts=1')).data)).toBe('107');
    expect(parseLineDelete(107)).toBe('107');
    expect(parseLineDelete(undefined)).toBeNull();
  });

  it('edits carry a list of ids, deletions one', () => {
    const update = form(
      'data[MESSAGES][0][im][message_id]=5&data[MESSAGES][0][message][id][0]=a:1&data[MESSAGES][0][message][id][1]=a:2&data[MESSAGES][0][chat][id]=a',
    );
    expect(parseMessageReferences(update.data)).toEqual([
      { bitrixMessageId: '5', externalChatId: 'a', externalIds: ['a:1', 'a:2'] },
    ]);
    const deletion = { MESSAGES: [{ im: { message_id: 5 }, message: { id: 'a:1' } }] };
    expect(parseMessageReferences(deletion)).toEqual([{ bitrixMessageId: '5', externalIds: ['a:1'] }]);
  });

  it('uninstallation wipes only when asked to', () => {
    expect(parseUninstall({ CLEAN: '1' })).toEqual({ clean: true });
    for (const data of [{ CLEAN: '0' }, {}, undefined, '1']) expect(parseUninstall(data)).toEqual({ clean: false });
  });

  it('an auth block that is there but empty counts as none; a tokenless one does not', () => {
    expect(parseEvent({ event: 'x', auth: [] }).auth).toBeNull();
    expect(parseEvent({ event: 'x', auth: {} }).auth).toBeNull();
    expect(parseEvent({ event: 'x', auth: { member_id: 'a', application_token: 'b' } }).auth).toEqual({
      memberId: 'a',
      applicationToken: 'b',
    });
  });
});

describe('the key of an event', () => {
  const key = (body: object) => eventKey(parseEvent(body));

  it('is the same for the second handler’s copy', () => {
    const event = { event: 'ONIMCONNECTORMESSAGEUPDATE', ts: '5', data: { MESSAGES: [{ im: { message_id: '1' } }] } };
    expect(key({ ...event, event_handler_id: '1', auth: { access_token: 'a' } })).toBe(
      key({ ...event, event_handler_id: '2', auth: { access_token: 'b' } }),
    );
  });

  it('differs for another edit, another deletion, another event', () => {
    const edit = (text: string, ts: string) => ({
      event: 'ONIMCONNECTORMESSAGEUPDATE',
      ts,
      data: { MESSAGES: [{ im: { message_id: '1' }, message: { text } }] },
    });
    const deletion = (id: string) => ({
      event: 'ONIMCONNECTORMESSAGEDELETE',
      data: { MESSAGES: [{ im: { message_id: '1' }, message: { id } }] },
    });
    const keys = [
      edit('a', '1'),
      edit('b', '1'),
      edit('a', '2'),
      deletion('x:1'),
      deletion('x:2'),
      { event: 'ONIMCONNECTORLINEDELETE', data: '1' },
      { event: 'ONIMCONNECTORLINEDELETE', data: '2' },
    ].map(key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('a change of an operator’s message', () => {
  const changesOf = (name: string, MESSAGES: unknown) =>
    parseOperatorChanges(
      parseEvent({ event: name, ts: '1773759161', data: { CONNECTOR: 'tg_x', LINE: '7', MESSAGES } }),
      5n,
    );
  const im = { chat_id: '1807', message_id: '86497' };

  it('is the newest words, all of them', () => {
    const text = '[b]Total:[/b][br]six [i]pairs[/i] :like:';
    expect(
      changesOf('ONIMCONNECTORMESSAGEUPDATE', [{ im, message: { id: ['tg:777:11'], text }, chat: { id: 'tg:777' } }]),
    ).toMatchObject([
      {
        portalId: 5n,
        bitrixMessageId: '86497',
        words: { text: 'Total:\nsix pairs 👍', marks: [{ type: 'bold' }, { type: 'italic', offset: 11, length: 5 }] },
      },
    ]);
  });

  it('says what is the operator’s own behind a quote', () => {
    const text = `[b]Sam:[/b] [br]${'-'.repeat(54)}[br]Ivan [today, 14:05] #chat1807/5[br]Red?[br]${'-'.repeat(54)}[br]Blue`;
    const [change] = changesOf('ONIMCONNECTORMESSAGEUPDATE', [{ im, message: { id: ['tg:777:11'], text } }]);
    expect(change!.words!.text).toContain('Red?');
    expect(change!.rest).toMatchObject({ text: 'Sam: \nBlue' });
  });

  it('is a deletion of all the parts that one event names, as a value or as a list', () => {
    const part = (id: unknown) => ({ im, message: { id }, chat: { id: 'tg:777' } });
    const [change, ...more] = changesOf('ONIMCONNECTORMESSAGEDELETE', [part('tg:777:11'), part(['tg:777:12'])]);
    expect(more).toEqual([]);
    expect(change).toMatchObject({ bitrixMessageId: '86497', words: null, telegramMessageIds: [11n, 12n] });
    expect(changesOf('ONIMCONNECTORMESSAGEDELETE', [part('tg:777:12')])[0]!.key).not.toBe(change!.key);
  });

  it('without an id of a message is none', () => {
    expect(changesOf('ONIMCONNECTORMESSAGEUPDATE', [{ message: { text: 'x' } }])).toEqual([]);
  });
});
