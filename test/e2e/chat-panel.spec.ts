import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { addNeighbour, type Neighbour } from '../support/neighbour.js';

// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

/** An employee of the line, and one who has no part in it. */
const OPERATOR = 27;
const STRANGER = 31;
const OTHER_LINE = '8';

let bridge: Bridge;
let next: Neighbour;
let portalId: string;

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);
const choose = async (wanted: boolean): Promise<Json> =>
  (await admin('PATCH', `/portals/${portalId}/features/chat_panel`, { wanted })).json;
const places = () => bridge.portal.placements.rows.map(({ placement }) => placement).toSorted();

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
    installed: false,
  });
  const { portal, app } = bridge;
  portal.addUser({ id: OPERATOR, name: 'Samantha', lastName: 'Johnson' });
  portal.addUser({ id: STRANGER, name: 'Igor' });
  portal.lines.lines.get(LINE)!.queue = [OPERATOR];
  portal.addLine({ id: OTHER_LINE, name: 'Support', queue: [STRANGER] });
  // Whoever may read the lead of a dialog may read the dialog.
  for (const line of portal.lines.lines.values()) line.crm = 'off';
  app.scope = ['imopenlines', 'imconnector', 'user_basic', 'crm'];
  await bridge.install();
  portalId = (await admin('GET', '/portals')).json.items[0].id;
});
afterAll(async () => bridge?.stop());

const chatNumber = ({ dialog }: Conversation): number => dialog.chat!.id;

interface Opened {
  status: number;
  html: string;
  session: string;
  state: Json;
  ask: (method: string, path: string, body?: unknown) => Promise<{ status: number; json: Json }>;
}

async function open(
  chat: number,
  { user = OPERATOR, placement = 'IM_SIDEBAR', portal = bridge.portal, app = bridge.app } = {},
): Promise<Opened> {
  const page = await portal.openPlacementFrame(app, { placement, chat, user });
  const bootstrap = /id="bootstrap">(.*?)<\/script>/.exec(page.html)?.[1];
  const { session = '', state = null } = bootstrap ? JSON.parse(bootstrap) : {};
  const ask = (method: string, path: string, body?: unknown) =>
    bridge.program.request(method, `/b24/panel/api/${path}`, body, { authorization: `Bearer ${session}` });
  return { status: page.status, html: page.html, session, state, ask };
}

async function make(body: object): Promise<Json> {
  const { status, json, text } = await admin('POST', '/answers', { portalId, ...body });
  if (status !== 201) throw new Error(`POST /admin/answers: ${status} ${text}`);
  return json;
}

const press = (panel: Opened, { id, changedAt }: Json, key: string = crypto.randomUUID()) =>
  panel.ask('POST', `answers/${id}/send`, { changedAt, key });

describe('the panel of a portal', () => {
  it('is there once somebody wants it and its permissions are there, and goes when nobody does', async () => {
    expect(await choose(true)).toMatchObject({ state: 'no_scope', says: expect.stringContaining('placement, im') });
    expect(places()).toEqual([]);
    bridge.app.scope = [...bridge.app.scope, 'placement', 'im'];
    await bridge.install();
    expect(await choose(true)).toMatchObject({ state: 'ready', says: 'Panels in chats: ready.' });
    expect(places()).toEqual(['IM_SIDEBAR', 'IM_TEXTAREA']);
    expect(bridge.portal.placements.rows[0]!.options).toMatchObject({ context: 'LINES', iconName: 'fa-paper-plane' });
    const talk = await Conversation.begin(bridge, 700);
    const panel = await open(chatNumber(talk));
    expect(panel.status).toBe(200);
    expect(await choose(false)).toMatchObject({ state: 'off' });
    expect(places()).toEqual([]);
    // What is open ends with it.
    expect((await panel.ask('GET', 'state')).json.code).toBe('session_expired');
    await choose(true);
    expect(places()).toEqual(['IM_SIDEBAR', 'IM_TEXTAREA']);
  });
});

describe('beside a dialog', () => {
  it('stands who the client is, how they came, and the answers of their line, those of their language first', async () => {
    const link = (await admin('POST', '/links', { name: 'Poster', utm: { source: 'poster', campaign: 'may' } })).json;
    await make({ title: 'По-русски', text: 'Здравствуйте, {first_name}!', language: 'ru' });
    await make({ title: 'Greeting', text: 'Hello [b]{first_name}[/b]!', language: 'en', shortcut: 'hi' });
    await make({ title: 'Of the other line', lineId: OTHER_LINE });
    const talk = Conversation.of(bridge, 701, { language_code: 'en-US', username: 'client701' });
    talk.client.starts(new URL(link.url).searchParams.get('start')!);
    talk.client.sends('hello');
    await talk.becomes('hello', 'delivered');
    for (const placement of ['IM_SIDEBAR', 'IM_TEXTAREA']) {
      const { state } = await open(chatNumber(talk), { placement });
      expect(state.chat).toMatchObject({
        title: 'Client 701',
        username: 'client701',
        language: 'en-US',
        bot: '@shop_bot',
        lineId: LINE,
        state: 'active',
        banned: false,
        sources: [{ name: 'Poster', utm: { source: 'poster', campaign: 'may' }, entity: null }],
      });
      expect(state.answers.map(({ title }: Json) => title)).toEqual(['Greeting', 'По-русски']);
      expect(state.answers[0]).toMatchObject({
        text: 'Hello [b]Client 701[/b]!',
        preview: { text: 'Hello Client 701!', marks: [{ type: 'bold', offset: 6, length: 10 }] },
      });
    }
  });

  it('says that the client has blocked the bot, or is banned', async () => {
    const talk = await Conversation.begin(bridge, 702);
    await admin('POST', `/chats/${talk.chatId}/ban`);
    talk.client.blocks();
    const { state } = await eventually(
      () => open(chatNumber(talk)),
      (panel) => panel.state.chat.state === 'blocked',
    );
    expect(state.chat.banned).toBe(true);
  });

  it('names the client’s other chats, as far as the employee may see them', async () => {
    const token = '555555555:AAHsecondsecondsecondsecondsecondseco';
    const second = bridge.telegram.addBot({ token, username: 'second_bot' });
    await admin('POST', '/bots', { token, portalId, lineId: OTHER_LINE });
    await admin('POST', `/portals/${portalId}/connector/activate`, { lineId: OTHER_LINE });
    const talk = await Conversation.begin(bridge, 703);
    second.client({ id: 703, first_name: 'Client 703' }).sends('hello there');
    const other = await eventually(
      () =>
        [...bridge.portal.lines.chats.values()].find((chat) => chat.line === OTHER_LINE && chat.messages.length > 0),
      (chat) => chat !== undefined,
    );
    await talk.becomes('hello there', 'delivered');
    const mine = await open(chatNumber(talk));
    expect((await mine.ask('GET', 'others')).json).toEqual({ items: [] });
    other!.members.add(OPERATOR);
    expect((await mine.ask('GET', 'others')).json.items).toEqual([
      expect.objectContaining({
        bot: '@second_bot',
        lineId: OTHER_LINE,
        state: 'active',
        url: `${bridge.portal.url}/online/?IM_DIALOG=chat${other!.id}`,
      }),
    ]);
  });

  it('of another connector stands a friendly word, and nothing can be sent', async () => {
    const client = { id: 99_999, name: 'Wanda', lastName: '' };
    const foreign = bridge.portal.lines.openChat('whatsapp', LINE, 'wa:1', client as never);
    const panel = await open(foreign.id);
    expect([panel.status, panel.state]).toEqual([200, { chat: null, answers: [] }]);
    const answer = await make({ title: 'For nobody', text: 'x' });
    expect((await press(panel, answer)).json.code).toBe('no_chat');
  });
});

describe('whoever looks', () => {
  it('must be able to see the dialog', async () => {
    const talk = await Conversation.begin(bridge, 710);
    const page = await open(chatNumber(talk), { user: STRANGER });
    expect(page.status).toBe(403);
    expect(page.html).not.toContain('Client 710');
    // Who may no longer see it can send nothing either.
    const panel = await open(chatNumber(talk));
    talk.dialog.chat!.members.delete(OPERATOR);
    const answer = await make({ title: 'Secret', text: 'secret' });
    expect((await press(panel, answer)).json.code).toBe('no_access');
    expect((await panel.ask('GET', 'state')).json.code).toBe('no_access');
    expect(talk.sends).toBe(0);
  });

  it('needs a session of a panel of this portal', async () => {
    const talk = await Conversation.begin(bridge, 711);
    const { session } = await open(chatNumber(talk));
    const bare = await bridge.program.request('GET', '/b24/panel/api/state', undefined, {});
    expect(bare.json.code).toBe('session_invalid');
    const asSettings = await bridge.program.request('GET', '/b24/settings/api/state', undefined, {
      authorization: `Bearer ${session}`,
    });
    expect(asSettings.json.code).toBe('session_invalid');
  });
});

describe('a ready answer', () => {
  it('goes to the client as who pressed, with files and buttons, and stands in the dialog; pressed twice it goes once', async () => {
    const answer = await make({ title: 'Price', text: 'Dear {name}, [b]here[/b] it is.\n[SEND=yes]I take it[/SEND]' });
    const put = await fetch(`${bridge.program.url}/admin/answers/${answer.id}/files/price.pdf`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${bridge.program.adminKey}`, 'content-type': 'application/octet-stream' },
      body: Buffer.from('%PDF-1.7 prices'),
    });
    expect(put.status).toBe(200);
    const talk = await Conversation.begin(bridge, 720);
    const panel = await open(chatNumber(talk));
    const shown = panel.state.answers.find(({ id }: Json) => id === answer.id);
    const key = crypto.randomUUID();
    const both = await Promise.all([press(panel, shown, key), press(panel, shown, key)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    expect(both[0].json.messageId).toBe(both[1].json.messageId);
    expect(both.map(({ json }) => json.isRepeated).toSorted()).toEqual([false, true]);
    const item = await talk.becomes('Dear Client 720, here it is.', 'delivered');
    expect(item).toMatchObject({
      id: both[0].json.messageId,
      authorId: String(OPERATOR),
      authorName: 'Samantha Johnson',
    });
    const entries = () => bridge.telegram.ledger().filter(({ chatId }) => chatId === 720);
    expect(entries().map(({ file }) => file?.fileName)).toContain('price.pdf');
    const received = await talk.client.receives(entries().length, 1_000);
    expect(JSON.stringify(received.map(({ reply_markup }) => reply_markup))).toContain('I take it');
    const [note] = await eventually(
      () => talk.notes.filter((line) => line.startsWith('⚡')),
      (notes) => notes.length > 0,
    );
    expect(note).toBe('⚡ Ready answer (Samantha Johnson):\nDear Client 720, here it is.\n📎 price.pdf\n▸ I take it');
    await bridge.portal.quiet(3_000);
    expect(talk.notes.filter((line) => line.startsWith('⚡'))).toHaveLength(1);
    // A new press is a new message; the file is on its way although it was deleted meanwhile.
    const sends = entries().length;
    bridge.telegram.faults.next('sendDocument', { gateway: 502, performed: false }, 2);
    await press(panel, shown);
    await admin('DELETE', `/answers/${answer.id}`);
    await eventually(entries, (all) => all.length === sends * 2, 20_000);
    expect((await press(panel, shown)).json.code).toBe('answer_changed');
  }, 60_000);

  it('that was sent is known by its key, whatever has become of the answer since', async () => {
    const answer = await make({ title: 'Address', text: 'High Street 1' });
    const talk = await Conversation.begin(bridge, 725);
    const panel = await open(chatNumber(talk));
    const key = crypto.randomUUID();
    const sent = await press(panel, answer, key);
    expect(sent.status).toBe(200);
    await admin('PATCH', `/answers/${answer.id}`, { text: 'High Street 2' });
    const again = await press(panel, answer, key);
    expect([again.status, again.json]).toEqual([200, { messageId: sent.json.messageId, isRepeated: true }]);
    await admin('DELETE', `/answers/${answer.id}`);
    expect((await press(panel, answer, key)).json.isRepeated).toBe(true);
    await talk.becomes('High Street 1', 'delivered');
    expect(talk.reached).toEqual(['High Street 1']);
  });

  it('reaches a client who is banned: an employee writes it', async () => {
    const answer = await make({ title: 'Goodbye', text: 'Please write to our office.' });
    const talk = await Conversation.begin(bridge, 726);
    await admin('POST', `/chats/${talk.chatId}/ban`);
    const sent = await press(await open(chatNumber(talk)), answer);
    expect([sent.status, sent.json.isRepeated]).toEqual([200, false]);
    await talk.becomes('Please write to our office.', 'delivered');
  });

  it('is sent only as the employee has seen it', async () => {
    const answer = await make({ title: 'Hours', text: 'Nine to five' });
    const talk = await Conversation.begin(bridge, 721);
    const panel = await open(chatNumber(talk));
    await admin('PATCH', `/answers/${answer.id}`, { text: 'Closed' });
    expect((await press(panel, answer)).json.code).toBe('answer_changed');
    const { json } = await panel.ask('GET', 'state');
    const fresh = json.answers.find(({ id }: Json) => id === answer.id);
    expect((await press(panel, fresh)).status).toBe(200);
    await talk.becomes('Closed', 'delivered');
    expect(talk.reached).toEqual(['Closed']);
  });

  it.each<[string, (answer: Json) => object, number, string]>([
    ['no key', ({ changedAt }) => ({ changedAt }), 400, 'invalid_request'],
    ['a short key', ({ changedAt }) => ({ changedAt, key: 'x' }), 400, 'invalid_request'],
    ['no time', () => ({ key: crypto.randomUUID() }), 400, 'invalid_request'],
    [
      'another dialog',
      ({ changedAt }) => ({ changedAt, key: crypto.randomUUID(), chatId: '1' }),
      400,
      'invalid_request',
    ],
  ])('is refused with %s', async (_, body, status, code) => {
    const answer = await make({ title: 'x', text: 'x' });
    const talk = Conversation.of(bridge, 721);
    const panel = await open(chatNumber(talk));
    const refused = await panel.ask('POST', `answers/${answer.id}/send`, body(answer));
    expect([refused.status, refused.json.code]).toEqual([status, code]);
  });

  it('of another line, of another portal, or empty, is not sent', async () => {
    next = await addNeighbour(bridge, {
      line: '9',
      token: '987654321:AAHnextdoornextdoornextdoornextdoor',
      username: 'next_bot',
    });
    const elsewhere = await make({ title: 'Elsewhere', text: 'x', lineId: OTHER_LINE });
    const theirs = await make({ title: 'Theirs', text: 'x', portalId: next.portalId });
    const empty = await make({ title: 'Empty' });
    const talk = await Conversation.begin(bridge, 722);
    const panel = await open(chatNumber(talk));
    expect(panel.state.answers.map(({ title }: Json) => title)).not.toContain('Theirs');
    expect((await press(panel, elsewhere)).json.code).toBe('answer_changed');
    expect((await press(panel, theirs)).json.code).toBe('answer_changed');
    expect((await press(panel, empty)).json.code).toBe('answer_empty');
    const long = await make({ title: 'Long', text: '{name}'.repeat(680) });
    expect((await press(panel, long)).json.code).toBe('answer_too_long');
    expect((await press(panel, { id: 'x', changedAt: empty.changedAt })).status).toBe(404);
    expect(talk.sends).toBe(0);
  });

  it('reaches nobody who was erased', async () => {
    const answer = await make({ title: 'Late', text: 'too late' });
    const talk = await Conversation.begin(bridge, 723);
    const panel = await open(chatNumber(talk));
    const erased = await admin('POST', `/chats/${talk.chatId}/erase`, { confirm: 'tg:723' });
    expect(erased.status, erased.text).toBe(200);
    expect((await panel.ask('GET', 'state')).json).toEqual({ chat: null, answers: [] });
    expect((await press(panel, answer)).json.code).toBe('no_chat');
    expect(talk.sends).toBe(0);
  });

  it('goes nowhere once the portal has removed the application', async () => {
    const talk = await Conversation.begin(bridge, 724);
    const panel = await open(chatNumber(talk));
    bridge.portal.uninstall(bridge.app, { clean: false });
    await eventually(
      async () => (await panel.ask('GET', 'state')).json.code,
      (code) => code === 'session_expired',
    );
  });
});
