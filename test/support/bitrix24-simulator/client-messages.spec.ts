import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { htmlPage, LoopbackServer, type Answer, type Exchange } from './http-exchange.js';
import type { Params } from './php-encoding.js';
import { call, connect, CONNECTOR, element, OPERATOR, portal, send, useSimulator } from './spec.rig.js';

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');

/** The connector's own server: what it hands out, by path, and who asked. */
let shelf: LoopbackServer;
let stock: Record<string, (exchange: Exchange) => Answer | Promise<Answer>>;
let asked: Exchange[];

useSimulator();

beforeEach(async () => {
  asked = [];
  stock = {};
  shelf = await LoopbackServer.listen((exchange) => {
    asked.push(exchange);
    return stock[exchange.path]?.(exchange) ?? htmlPage(404, 'Not Found');
  });
  await connect();
});

afterEach(() => shelf.close());

function offers(path: string, body: string | Buffer, headers: Record<string, string> = {}): string {
  stock[path.split('?', 1)[0] ?? ''] = () => ({ status: 200, headers, body });
  return shelf.origin + path;
}

const resultOf = async (...elements: Params[]): Promise<any> => (await send(...elements)).body.result.DATA.RESULT[0];

const last = () => portal.dialog('tg:777').messages.at(-1)!;

describe('files of clients', () => {
  it('downloads them inside the call and keeps name, type, size and hash', async () => {
    const url = offers('/photo', PNG, { 'Content-Type': 'image/png' });
    const file = { url, name: 'me.png', headers: [{ name: 'X-Ticket', value: 't1' }] };
    const result = await resultOf(element('1', 'look', { files: [file] }));
    expect(asked[0]?.headers).toMatchObject({ 'user-agent': 'Bitrix Connector Client', 'x-ticket': 't1' });
    const [stored] = last().files;
    expect(result.message).toEqual({ id: '1', text: 'look', date: {}, files: [stored?.id] });
    expect(stored).toMatchObject({
      name: 'me.png',
      type: 'image',
      mime: 'image/png',
      size: PNG.length,
      sha256: createHash('sha256').update(PNG).digest('hex'),
      source: url,
    });
    expect(portal.ledger().downloads).toMatchObject([{ purpose: 'file', url, status: 200, outcome: 'stored' }]);
  });

  it('follows redirects and takes only a final 200', async () => {
    const url = offers('/there', 'x');
    stock['/here'] = () => ({ status: 302, headers: { Location: '/there' } });
    stock['/loop'] = () => ({ status: 302, headers: { Location: '/loop' } });
    stock['/created'] = () => ({ status: 201, body: 'x' });
    const files = ['/here', '/loop', '/created', '/missing'].map((path) => ({
      url: shelf.origin + path,
      name: 'a.txt',
    }));
    await send(element('1', 'hi', { files }));
    expect(last().files).toMatchObject([{ name: 'a.txt', size: 1 }]);
    expect(portal.downloads.records).toMatchObject([
      { outcome: 'stored', redirects: [url] },
      { outcome: 'failed', status: 302 },
      { outcome: 'status', status: 201 },
      { outcome: 'status', status: 404 },
    ]);
  });

  it('drops what it cannot fetch without a word, leaves a gap in the answer, and fails only when nothing is left', async () => {
    const good = { url: offers('/good', 'x'), name: 'good.txt' };
    const bad = { url: `${shelf.origin}/bad`, name: 'bad.txt' };
    const both = await resultOf(element('1', 'two', { files: [bad, good] }));
    expect(both).toMatchObject({ SUCCESS: true, message: { files: { 1: last().files[0]?.id } } });
    const none = await resultOf(element('2', 'words stay', { files: [bad] }));
    expect(none).toMatchObject({ SUCCESS: true, message: { text: 'words stay', files: [] } });
    const nothing = await resultOf(element('3', '', { files: [bad] }));
    expect(nothing).toEqual({ SUCCESS: false, ERRORS: ['Incomplete data'] });
    expect(portal.dialog('tg:777').messages).toHaveLength(2);
  });

  it('cuts a name to its last 50 characters and finds one when none is given', async () => {
    const named = async (path: string, name: string, headers: Record<string, string> = {}): Promise<string> => {
      await send(element('1', 'x', { files: [{ url: offers(path, PNG, headers), name }] }));
      return last().files[0]?.name ?? '';
    };
    expect(await named('/1', `${'я'.repeat(60)}.png`)).toBe(`${'я'.repeat(46)}.png`);
    expect(await named('/2', '../../etc/passwd.txt')).toBe('passwd.txt');
    const disposition = 'attachment; filename="plain.txt"; filename*=UTF-8\'\'%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf';
    expect(await named('/3', '', { 'Content-Disposition': disposition })).toBe('отчёт.pdf');
    expect(await named('/4', '', { 'Content-Disposition': 'inline; filename="plain.txt"' })).toBe('plain.txt');
    expect(await named('/cat.png?size=big', '')).toBe('cat.png');
    expect(await named('/file', '', { 'Content-Type': 'image/png' })).toBe('file.png');
    expect(await named('/voice', 'voice', { 'Content-Type': 'audio/ogg' })).toBe('voice.ogg');
    // The end of the address is cut out before the query is taken away.
    expect(await named(`/dog.png?sign=${'a'.repeat(60)}`, '')).toBe(`${'a'.repeat(50)}.png`);
  });

  it('believes the given type, then the server, then the content', async () => {
    const mimeOf = async (type: string | undefined, header: string): Promise<string> => {
      await send(
        element('1', 'x', { files: [{ url: offers('/f', PNG, { 'Content-Type': header }), name: 'f', type }] }),
      );
      return last().files[0]?.mime ?? '';
    };
    expect(await mimeOf('application/pdf', 'image/png')).toBe('application/pdf');
    expect(await mimeOf(undefined, 'text/plain')).toBe('text/plain');
    expect(await mimeOf(undefined, 'application/octet-stream')).toBe('image/png');
  });

  it('may be forbidden, limited to hosts and sizes, and impatient', async () => {
    const file = { url: offers('/f', 'x'.repeat(1000)), name: 'f.txt' };
    const outcome = async (url = file.url): Promise<unknown> => {
      await send(element('1', 'x', { files: [{ ...file, url }] }));
      return portal.downloads.records.at(-1)?.outcome;
    };
    expect(await outcome('https://api.telegram.org/file/f.jpg')).toBe('forbidden');
    expect(await outcome('file:///etc/passwd')).toBe('forbidden');
    portal.downloads.allowedHosts = ['127.0.0.1:1'];
    expect(await outcome()).toBe('forbidden');
    portal.downloads.allowedHosts = [new URL(shelf.origin).host];
    expect(await outcome()).toBe('stored');
    stock['/away'] = () => ({ status: 302, headers: { Location: 'http://localhost:1/f' } });
    expect(await outcome(`${shelf.origin}/away`)).toBe('forbidden');
    portal.downloads.maxBytes = 999;
    expect(await outcome()).toBe('tooLarge');
    portal.downloads.maxBytes = 1000;
    portal.downloads.timeoutMs = 50;
    portal.downloads.delayMs = 100;
    expect(await outcome()).toBe('timedOut');
    portal.downloads.delayMs = 0;
    stock['/f'] = () => new Promise(() => undefined);
    expect(await outcome()).toBe('timedOut');
    portal.downloads.forbidden = true;
    expect(await outcome()).toBe('forbidden');
  });

  it('lets the front end give up after its time while the message still lands', async () => {
    portal.requestTimeoutMs = 50;
    portal.downloads.delayMs = 200;
    const answer = await send(element('1', 'slow', { files: [{ url: offers('/f', 'x'), name: 'f.txt' }] }));
    expect([answer.status, answer.body]).toEqual([504, null]);
    const [message] = await portal.dialog('tg:777').receives(1);
    expect(message).toMatchObject({ text: 'slow', files: [{ name: 'f.txt' }] });
  });

  it('notices a bot token in the address of a file or an avatar', async () => {
    const url = 'https://api.telegram.org/file/bot123:AbC/photos/1.jpg';
    const user = { id: 'tg:777', picture: { url } };
    await send({ ...element('1', 'x', { files: [{ url, name: '1.jpg' }] }), user });
    expect(portal.ledger().botTokensInUrls).toEqual([url, url]);
  });
});

describe('profiles of clients', () => {
  const profile = () => portal.lines.findClient(CONNECTOR, 'tg:777');
  const says = (user: Params): Promise<unknown> => send({ ...element('1', 'x'), user: { id: 'tg:777', ...user } });

  it('keeps names, phone, page and sex', async () => {
    await says({
      name: 'Ivan Petrov',
      phone: '+7 999',
      url: 'https://t.me/ivan',
      gender: 'male',
      skip_phone_validate: 'Y',
    });
    expect(profile()).toMatchObject({
      name: 'Ivan',
      lastName: 'Petrov',
      phone: '+7 999',
      url: 'https://t.me/ivan',
      gender: 'M',
      skipPhoneValidate: true,
    });
    await says({ name: 'Ivan van Damme' });
    expect(profile()).toMatchObject({ name: 'Ivan van Damme', lastName: '', phone: '+7 999', url: '', gender: '' });
    await says({ title: 'Fan club' });
    expect(profile()).toMatchObject({ name: 'Fan club' });
    await says({ name: '' });
    expect(profile()).toMatchObject({ name: 'Guest' });
  });

  it('fetches the avatar when anything in the user array changed, and only then', async () => {
    const picture = { url: offers('/v1.png', PNG, { 'Content-Type': 'image/png' }) };
    await says({ name: 'Ivan', picture });
    await says({ name: 'Ivan', picture });
    expect(asked).toHaveLength(1);
    expect(profile()?.avatar).toMatchObject({ name: 'v1.png', size: PNG.length });
    await says({ name: 'Ivan II', picture });
    expect(asked).toHaveLength(2);
    // The order of keys counts too.
    await says({ picture, name: 'Ivan II' });
    expect(asked).toHaveLength(3);
    await says({ name: 'Ivan', picture: { url: `${shelf.origin}/gone.png` } });
    expect(profile()?.avatar).toMatchObject({ name: 'v1.png' });
    expect(portal.downloads.records.map(({ purpose, outcome }) => [purpose, outcome])).toEqual([
      ['avatar', 'stored'],
      ['avatar', 'stored'],
      ['avatar', 'stored'],
      ['avatar', 'status'],
    ]);
  });
});

describe('the rest of a message', () => {
  const frame = '-'.repeat(54);

  it('renders undocumented attachments into the text, and answers the rendered text', async () => {
    const written = async (...attachments: Params[]): Promise<string> => {
      const result = await resultOf(element('1', 'words', { attachments }));
      expect(result.message.text.trim()).toBe(last().text);
      return result.message.text;
    };
    const user = { name: 'Ivan', last_name: 'Petrov' };
    expect(await written({ reply: { user, date: 1773223993 } })).toBe(
      `${frame}\nPetrov Ivan[03/11/2026 01:13:13 pm]\nwords\n${frame}\n`,
    );
    expect(await written({ forward: { user } })).toBe(
      `${frame}\nPetrov Ivan\n[b]Forwarded message: [/B]\nwords\n${frame}\n`,
    );
    const coordinates = { latitude: '55.75', longitude: 37.61 };
    const link = 'https://yandex.ru/maps/?ll=37.61,55.75&z=14&pt=37.61,55.75,comma';
    expect(await written({ location: { coordinates } })).toBe(`words\nMap\n${link}`);
    expect(await written({ location: { title: 'Shop', text: 'Arbat 1', coordinates } })).toBe(
      `words\nShop\nArbat 1\n${link}`,
    );
    expect(await written({ contact: { name: 'Anna', phone: '+7 1' } }, { contact: { phone: '+7 2' } })).toBe(
      'words\nFull name: Anna\nPhone number: +7 1\nPhone number: +7 2',
    );
    expect(await written({ wall: { url: 'https://x.example/1', name: 'Ann', text: 'hm' } })).toBe(
      'words\n[URL=https://x.example/1]User wall post Ann[/URL]\nhm',
    );
  });

  it('takes an attachment for content, and warns of files too large', async () => {
    const result = await resultOf(element('1', '', { attachments: [{ contact: { name: 'Anna' } }] }));
    expect(result).toMatchObject({ SUCCESS: true, message: { text: '\nFull name: Anna' } });
    await send(element('2', 'x', { failed_big_file: true }));
    expect(last().text).toMatch(/^\[b]Attention!.*\n\nx$/s);
  });

  it('writes ref and extra into the session, and keeps the tracker off where it was told to', async () => {
    const result = await resultOf({
      ...element('1', 'x', { disable_crm: 'Y' }),
      ref: { source: 'ad-7' },
      extra: { extra_tariff: 'pro' },
    });
    expect(portal.dialog('tg:777').session).toMatchObject({
      source: 'ad-7',
      fields: { extra_tariff: 'pro', disable_tracker: 'Y' },
    });
    expect(last().disableCrm).toBe(true);
    expect(result).toMatchObject({ ref: { source: 'ad-7' }, extra: { extra_tariff: 'pro', disable_tracker: 'Y' } });
    expect(result.message).not.toHaveProperty('disable_crm');
    await send({ ...element('2', 'y'), ref: { source: 'ad-8' } });
    expect(portal.dialog('tg:777').session).toMatchObject({ source: 'ad-7' });
  });

  it('keeps the CRM out of a session that begins with any ref, and binds the client whom the tracker expects', async () => {
    const code = portal.lines.tracker.expectClient();
    expect(code).toMatch(/^btrx[0-9a-z]{10}$/);
    const began = async (source?: string): Promise<unknown> => {
      portal.dialog('tg:777').closeSession();
      await send({ ...element('1', 'x'), ...(source === undefined ? {} : { ref: { source } }) });
      return portal.dialog('tg:777').session?.crm;
    };
    expect(await began()).toBe('client searched, lead made');
    expect(await began('ads_may')).toBe('off');
    expect(await began('btrx0000000000')).toBe('off');
    expect(await began(code)).toBe('bound by the tracker');
    // By the row of an expectation, whosever it is.
    expect([await began('41'), await began('41_sale'), await began('42')]).toEqual([
      'bound by the tracker',
      'bound by the tracker',
      'off',
    ]);
    expect([await began(''), await began('0')]).toEqual(['client searched, lead made', 'client searched, lead made']);
    await send({ ...element('2', 'y'), ref: { source: 'ads_may' } });
    expect(portal.dialog('tg:777').session).toMatchObject({ source: '0', crm: 'client searched, lead made' });
  });

  it('puts a description into the chat as a hidden line', async () => {
    await send(element('1', 'x', { description: 'bought twice' }));
    expect(portal.dialog('tg:777').messages).toMatchObject([
      { author: 'system', text: 'bought twice', params: { COMPONENT_ID: 'HiddenMessage' } },
      { author: 'client', text: 'x' },
    ]);
  });
});

describe('corrections by the connector', () => {
  const correct = (method: 'update' | 'delete', ...messages: Params[]): Promise<any> =>
    call(`imconnector.${method}.messages`, { CONNECTOR, LINE: 1, MESSAGES: messages });
  const user = { id: 'tg:777', name: 'Ivan Petrov' };
  const chat = { id: 'tg:777' };

  it('finds messages by external id in the chat of that user, and is silent about unknown ones', async () => {
    await send(element('1', 'befor'), element('2', 'other'));
    const [result] = (await correct('update', element('1', 'before'))).body.result.DATA.RESULT;
    expect(result).toMatchObject({ SUCCESS: true, message: { id: '1', date: {} }, chat });
    expect(result).not.toHaveProperty('session');
    const [unknown] = (await correct('update', element('nobody', 'x'))).body.result.DATA.RESULT;
    expect(unknown.SUCCESS).toBe(true);
    await correct('update', { ...element('2', 'x'), chat: { id: 'tg:778' } });
    const [message, other] = portal.dialog('tg:777').messages;
    expect(message).toMatchObject({
      text: 'before',
      edited: true,
      revisions: [{ at: expect.any(Number), by: 'connector', from: 'befor', to: 'before' }],
    });
    expect(other).toMatchObject({ text: 'other', edited: false });
    await correct('delete', { user, message: { id: '1' }, chat });
    expect(message).toMatchObject({ deleted: true, revisions: [{ to: 'before' }, { from: 'before', to: null }] });
    expect(portal.ledger().corrections).toMatchObject([
      { method: 'update', dialog: 'tg:777', externalId: '1', messageIds: [message?.id] },
      { method: 'update', externalId: 'nobody', messageIds: [] },
      { method: 'update', dialog: 'tg:778', messageIds: [] },
      { method: 'delete', externalId: '1', messageIds: [message?.id] },
    ]);
  });

  it('corrects every message of that id, the text only, cut like any other', async () => {
    const url = offers('/f', 'x');
    await send(element('1', 'a', { files: [{ url, name: 'f.txt' }] }), element('1', 'b'));
    await correct('update', element('1', 'я'.repeat(20_001), { files: [{ url, name: 'g.txt' }] }));
    expect(portal.dialog('tg:777').messages).toMatchObject([
      { text: `${'я'.repeat(20_000)} (...)`, files: [{ name: 'f.txt' }] },
      { text: `${'я'.repeat(20_000)} (...)`, files: [] },
    ]);
  });

  it('wants content, user and chat, and an active line', async () => {
    await send(element('1', 'a'));
    const incomplete = { SUCCESS: false, ERRORS: ['Incomplete data'] };
    const answered = await correct('update', element('1', ''), { message: { id: '1', text: 'b' } });
    expect(answered.body.result.DATA.RESULT).toEqual([incomplete, incomplete]);
    const withFile = await correct('update', element('1', '', { files: [{ url: offers('/f', 'x'), name: 'f' }] }));
    expect(withFile.body.result.DATA.RESULT).toMatchObject([{ SUCCESS: true }]);
    expect((await correct('delete', { message: { id: '1' } })).body.result.DATA.RESULT).toEqual([incomplete]);
    expect(last()).toMatchObject({ text: 'a', deleted: false });
    await call('imconnector.set.error', { CONNECTOR, LINE: 1 });
    for (const method of ['update', 'delete'] as const)
      expect((await correct(method, element('1', 'x'))).body.error).toBe('NOT_ACTIVE_LINE');
  });

  it('shows in the history what was corrected: edited words, deleted ones in their place, no files of those', async () => {
    await send(element('1', 'a', { files: [{ url: offers('/f', 'x'), name: 'f.txt' }] }), element('2', 'b'));
    const sent = portal
      .operator(OPERATOR)
      .sends('tg:777', { files: [{ name: 'o.pdf', mime: 'application/pdf', content: 'PDF' }] });
    await correct('delete', { user, message: { id: '1' }, chat });
    await correct('update', element('2', 'B'));
    const session = portal.dialog('tg:777').session?.id;
    const history = (await call('imopenlines.session.history.get', { SESSION_ID: session })).body.result;
    expect(Object.values(history.message)).toMatchObject([
      { text: 'This message was deleted.', params: { isDeleted: 'Y' } },
      { text: 'B', params: { connectorMid: ['2'], isEdited: 'Y' } },
      { text: '', params: { fileId: [sent.files[0]?.id], sending: 'Y' } },
    ]);
    expect(Object.values(history.files)).toMatchObject([{ name: 'o.pdf', urldownload: expect.any(String) }]);
    expect(history.message[portal.dialog('tg:777').messages[0]!.id].params).not.toHaveProperty('connectorMid');
  });
});
