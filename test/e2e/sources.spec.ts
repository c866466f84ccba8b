import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
  });
});

afterAll(async () => bridge?.stop());

// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const PRESSED = '▶️ The client pressed Start';
const cameBy = (payload: string) => `🔗 The client came by the link: ${payload}`;

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);

async function chatOf({ dialog }: Conversation): Promise<Json> {
  const { json } = await admin('GET', `/chats?q=${encodeURIComponent(String(dialog.name))}`);
  return json.items[0];
}

async function startOpensSession(on: boolean): Promise<void> {
  const { json } = await admin('GET', '/portals');
  const path = `/portals/${json.items[0].id}/lines/${LINE}`;
  expect((await admin('PATCH', path, { startOpensSession: on })).status).toBe(200);
}

/** Every element that brought something of this client into the dialog: its words, and its `ref`. */
function elementsOf({ dialog }: Conversation): { text: string; ref: unknown; disableCrm: unknown }[] {
  return bridge.portal.calls
    .filter(({ method, status }) => method === 'imconnector.send.messages' && status === 200)
    .flatMap(({ params }) => Object.values(params['MESSAGES'] as Json[]))
    .filter(({ chat }) => chat.id === dialog.name)
    .map(({ message, ref }) => ({ text: message.text, ref, disableCrm: message.disable_crm }));
}

const linesOf = ({ dialog }: Conversation) => dialog.messages.map(({ text }) => text);
const crmOf = ({ dialog }: Conversation) => dialog.chat?.sessions.map(({ crm }) => crm);
const has = (text: string) => (lines: string[]) => lines.includes(text);

describe('a link of an advertisement', () => {
  it('is told in words and leaves the CRM on, now and in every later session', async () => {
    const talk = Conversation.of(bridge, 401);
    talk.client.starts('ads_may');
    await eventually(() => linesOf(talk), has(cameBy('ads_may')));
    talk.client.sends('How much is it?');
    await talk.becomes('How much is it?', 'delivered');
    talk.dialog.closeSession();
    talk.client.sends('I am back');
    await talk.becomes('I am back', 'delivered');
    expect(crmOf(talk)).toEqual(['client searched, lead made', 'client searched, lead made']);
    expect(elementsOf(talk).map(({ ref }) => ref)).toEqual([undefined, undefined, undefined]);
    expect(linesOf(talk)).toEqual([cameBy('ads_may'), 'How much is it?', 'I am back']);
  });

  it('is kept with the chat, the first and the newest, and finds it', async () => {
    const talk = Conversation.of(bridge, 402);
    talk.client.starts('ads_june');
    await talk.becomes(cameBy('ads_june'), 'delivered');
    expect(await chatOf(talk)).toMatchObject({ source: 'ads_june', lastSource: 'ads_june' });
    talk.client.starts('poster-2');
    await talk.becomes(cameBy('poster-2'), 'delivered');
    // Typed, or pressed without a link: where the client came from stays.
    talk.client.sends('/start please help');
    await talk.becomes('/start please help', 'delivered');
    talk.client.sends('/start');
    talk.client.sends('hello');
    await talk.becomes('hello', 'delivered');
    expect(await chatOf(talk)).toMatchObject({ source: 'ads_june', lastSource: 'poster-2' });

    const found = async (source: string) =>
      (await admin('GET', `/chats?source=${source}`)).json.items.map(({ externalId }: Json) => externalId);
    expect(await found('ads_june')).toEqual(['tg:402']);
    expect(await found('poster-2')).toEqual(['tg:402']);
    expect([await found('ads'), await found('ADS_JUNE'), await found('ads_june&q=tg:401')]).toEqual([[], [], []]);
    expect((await admin('GET', `/chats?source=${'x'.repeat(65)}`)).status).toBe(400);
    expect((await admin('GET', '/chats?source=poster-2&sort=activity')).json.items).toHaveLength(1);
  });

  it('is named by the message that it is, in the history and in its export', async () => {
    const talk = Conversation.of(bridge, 403);
    talk.client.starts('ads_july');
    const pressed = await talk.becomes(cameBy('ads_july'), 'delivered');
    talk.client.sends('hello');
    const words = await talk.becomes('hello', 'delivered');
    expect([pressed, words]).toMatchObject([
      { kind: 'start', source: 'ads_july' },
      { kind: 'text', source: null },
    ]);
    const { text: ndjson } = await admin('GET', `/export/messages?format=ndjson&chat=${pressed.chatId}`);
    const exported = ndjson
      .trim()
      .split('\n')
      .map((line: string) => JSON.parse(line));
    expect(exported.map(({ source }) => source)).toEqual(['ads_july', null]);
    const { text: csv } = await admin('GET', `/export/messages?format=csv&chat=${pressed.chatId}`);
    const [head, first] = csv.split('\r\n').map((line: string) => line.split(','));
    expect(first![head!.indexOf('source')]).toBe('ads_july');
  });

  it('that looks like a phone number is no contact of the client', async () => {
    const talk = Conversation.of(bridge, 404);
    talk.client.starts('79001112233');
    await talk.becomes(cameBy('79001112233'), 'delivered');
    expect(elementsOf(talk)).toMatchObject([{ disableCrm: 'Y' }]);
    expect(talk.dialog.messages[0]!.disableCrm).toBe(true);
    expect(await chatOf(talk)).toMatchObject({ source: '79001112233', phone: null });
  });

  it('is none in a forwarded or an edited message', async () => {
    const talk = Conversation.of(bridge, 405);
    talk.client.sends('/start stolen', {
      forward_origin: { type: 'hidden_user', sender_user_name: 'Somebody', date: 1_760_000_000 },
    });
    await eventually(
      () => linesOf(talk),
      (lines) => lines.some((line) => line.includes('/start stolen')),
    );
    const { message } = talk.client.sends('/sart');
    await talk.becomes('/sart', 'delivered');
    talk.client.edits(message.message_id, '/start typed');
    await eventually(() => linesOf(talk), has('/start typed'));
    expect(await chatOf(talk)).toMatchObject({ source: null, lastSource: null });
    expect(elementsOf(talk).filter(({ ref }) => ref !== undefined)).toEqual([]);
  });

  it('by which a bot was added to a group is told with the name of who did it', async () => {
    const group = bridge.bot.group({ id: -406, type: 'group', title: 'Club' });
    const olga = { id: 407, first_name: 'Olga' };
    group.sets('administrator', olga);
    // As the apps send it once the bot is in (tdlib/td, MessagesManager::send_bot_start_message).
    group.says(olga, '/start@shop_bot partner_7');
    const dialog = bridge.portal.dialog('tg:-406');
    const told = '🔗 The bot was added by the link: partner_7 (Olga)';
    await eventually(() => dialog.messages.map(({ text }) => text), has(told));
    const { json } = await admin('GET', '/chats?source=partner_7');
    expect(json.items).toMatchObject([{ externalId: 'tg:-406', source: 'partner_7' }]);
    expect(dialog.chat!.sessions.map(({ crm }) => crm)).not.toContain('off');
  });
});

describe('a code of the CRM’s own tracker', () => {
  it('goes with the message that carried it, so that its deal is found, and with no other', async () => {
    const talk = Conversation.of(bridge, 411);
    const code = bridge.portal.lines.tracker.expectClient();
    talk.client.starts(code);
    await eventually(
      () => crmOf(talk),
      (sessions) => sessions?.length === 1,
    );
    talk.client.sends('It is me');
    await talk.becomes('It is me', 'delivered');
    talk.dialog.closeSession();
    talk.client.sends('Once more');
    await talk.becomes('Once more', 'delivered');
    expect(crmOf(talk)).toEqual(['bound by the tracker', 'client searched, lead made']);
    expect(elementsOf(talk).map(({ ref }) => ref)).toEqual([{ source: code }, undefined, undefined]);
    // It names one deal, no advertisement.
    expect(await chatOf(talk)).toMatchObject({ source: null, lastSource: null });
  });

  it('is sent as such only when it is one, letter by letter', async () => {
    const wrong = ['btrx123456789', 'btrx12345678901', 'BTRX0123456789', 'btrx_sale-2026', 'xbtrx0123456789', '41'];
    const talk = Conversation.of(bridge, 412);
    for (const payload of wrong) talk.client.starts(payload);
    await talk.becomes(cameBy('41'), 'delivered');
    expect(elementsOf(talk)).toEqual(
      wrong.map((payload) => ({ text: cameBy(payload), ref: undefined, disableCrm: 'Y' })),
    );
    expect(crmOf(talk)).toEqual(['client searched, lead made']);
  });
});

describe('a press of Start without a link', () => {
  it('opens no session: it is read with the client’s first words', async () => {
    const talk = Conversation.of(bridge, 421);
    talk.client.starts();
    const pressed = await eventually(
      async () => (await bridge.messages()).find(({ externalChatId }) => externalChatId === 'tg:421'),
      (item) => item !== undefined,
    );
    expect(pressed).toMatchObject({ kind: 'start', text: PRESSED, systemLine: true, source: null });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(talk.dialog.chat?.sessions ?? []).toEqual([]);
    talk.client.sends('Good morning');
    await talk.becomes('Good morning', 'delivered');
    await talk.becomes(PRESSED, 'delivered');
    expect([...linesOf(talk)].sort()).toEqual(['Good morning', PRESSED].sort());
    expect(talk.dialog.messages.find(({ text }) => text === PRESSED)).toMatchObject({ author: 'system' });
  });

  it('opens none in a finished dialog either, again and again', async () => {
    const talk = await Conversation.begin(bridge, 422);
    talk.dialog.closeSession();
    for (let time = 0; time < 3; time++) talk.client.starts();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(talk.dialog.chat!.sessions).toHaveLength(1);
    talk.client.sends('Good morning');
    await talk.becomes('Good morning', 'delivered');
    await eventually(
      () => linesOf(talk).filter((line) => line === PRESSED).length,
      (count) => count === 3,
    );
    expect(talk.dialog.chat!.sessions).toHaveLength(2);
  });

  it('leaves the session to a code of the tracker that comes later', async () => {
    const talk = Conversation.of(bridge, 425);
    talk.client.starts();
    await talk.becomes(PRESSED, 'queued');
    const code = bridge.portal.lines.tracker.expectClient();
    talk.client.starts(code);
    await talk.becomes(cameBy(code), 'delivered');
    await eventually(() => linesOf(talk), has(PRESSED));
    expect(crmOf(talk)).toEqual(['bound by the tracker']);
  });

  it('becomes the client’s words when they edit it into some', async () => {
    const talk = Conversation.of(bridge, 423);
    const { message } = talk.client.starts();
    await talk.becomes(PRESSED, 'queued');
    talk.client.edits(message.message_id, 'Call me: +7 900 111-22-33');
    const [words] = await talk.dialog.receives(1, 15_000);
    expect(words).toMatchObject({ text: 'Call me: +7 900 111-22-33', disableCrm: false });
  });

  it('opens one where the line wants that', async () => {
    await startOpensSession(true);
    const talk = Conversation.of(bridge, 424);
    talk.client.starts();
    const [words] = await talk.dialog.receives(1, 15_000);
    expect(words).toMatchObject({ author: 'client', text: PRESSED, disableCrm: true });
    expect(crmOf(talk)).toEqual(['client searched, lead made']);
    await startOpensSession(false);
  });
});
