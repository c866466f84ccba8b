import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Message } from '@grammyjs/types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { dataOf } from '../support/telegram-simulator/button.presses.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';

const MANAGER_TOKEN = '555000111:MANAGER-token_of_the_test_0123456789a';
/** Lines of the portal; each test takes the next one. */
const LINES = ['7', ...Array.from({ length: 30 }, (_, index) => String(50 + index))];

let bridge: Bridge;
let manager: SimulatedBot;
let stranger: Portal;
let strangersApp: ReturnType<Portal['addApp']>;
let person = 9_000;
let made = 0;
const unused = [...LINES];

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { TG_BOT_TOKEN: undefined, TG_MANAGER_BOT_TOKEN: MANAGER_TOKEN, LOG_LEVEL: 'debug' },
    installed: false,
  });
  for (const id of LINES.slice(1)) bridge.portal.addLine({ id, name: `Line ${id}` });
  await bridge.install();
  manager = bridge.telegram.addBot({ token: MANAGER_TOKEN, username: 'maker_bot', managesBots: true });
  stranger = await bridge.bitrix24.addPortal({ lines: [{ id: LINE, name: 'Theirs' }] });
  const { clientId, clientSecret, handlerUrl, installUrl } = bridge.app;
  strangersApp = stranger.addApp({ kind: 'ui', clientId, clientSecret, handlerUrl, installUrl });
  await (await stranger.openInstallFrame(strangersApp)).runInstallFinish();
  await eventually(
    async () => (await bridge.program.admin('GET', '/bot-requests/manager')).json,
    ({ ready }) => ready === true,
    20_000,
  );
});
afterAll(async () => bridge?.stop());

interface Page {
  line: string;
  ask: (method: string, path: string, body?: unknown) => ReturnType<Bridge['program']['request']>;
}

/** The settings page of a line that no test has used. */
async function openPage(line = unused.shift()!, portal = bridge.portal, app = bridge.app): Promise<Page> {
  const page = await portal.openSettingsFrame(app, { connector: bridge.connectorId, line });
  expect(page.status, page.html).toBe(200);
  const { session } = JSON.parse(/id="bootstrap">(.*?)<\/script>/.exec(page.html)![1]!);
  const headers = { authorization: `Bearer ${session}` };
  return {
    line,
    ask: (method, path, body) => bridge.program.request(method, `/b24/settings/api/${path}`, body, headers),
  };
}

const somebody = (language_code = 'en'): SimulatedClient =>
  manager.client({ id: ++person, first_name: `Admin ${person}`, language_code });

/** "Make a bot" is pressed: the payload of the link. */
async function press(page: Page, lineName?: string): Promise<string> {
  const { status, json } = await page.ask('POST', 'bot-request', { lineName });
  expect(status, JSON.stringify(json)).toBe(200);
  expect(json.url).toMatch(/^https:\/\/t\.me\/maker_bot\?start=[\w-]{22}$/);
  expect(json.qr).toContain('<svg');
  return json.url.split('=')[1];
}

async function answers(admin: SimulatedClient, count: number): Promise<Message> {
  return (await admin.receives(count, 10_000)).at(-1)!;
}

/** Opens the dialog that the button "Make the bot" leads to, and confirms. */
function create(admin: SimulatedClient, said: Message, chosen: { username?: string; name?: string } = {}) {
  const opened = dialogOf(said.reply_markup!.inline_keyboard[0]![0]!);
  const taken = bridge.telegram.managedBots.isOccupied(opened.username);
  // Then a person writes another one.
  const username = taken ? { username: `made_${++made}_bot` } : {};
  return bridge.telegram.managedBots.create(admin.profile, opened, { ...username, ...chosen });
}
const dialogOf = (button: object) => bridge.telegram.managedBots.open((button as { url: string }).url);

const latest = async (page: Page) => (await page.ask('GET', 'bot-request')).json;
/** No faster than a page may ask. */
const becomes = (page: Page, state: string, timeoutMs = 15_000) =>
  eventually(
    () => sleep(250).then(() => latest(page)),
    ({ request, served }) => request?.state === state && served === (state === 'connected'),
    timeoutMs,
  );
const botOf = async (page: Page) => {
  const { status, json } = await page.ask('GET', 'state');
  expect(status).toBe(200);
  return json.bot;
};

async function query(sql: string, values: unknown[] = []) {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  return client.query(sql, values).finally(() => client.end());
}

/** A whole way, from the press on the page. */
async function makeBot(page: Page, admin = somebody(), chosen: object = { username: `made_${++made}_bot` }) {
  const before = admin.inbox.length;
  admin.starts(await press(page));
  const bot = create(admin, await answers(admin, before + 1), chosen);
  await becomes(page, 'connected');
  return { admin, made: bot };
}

describe('a bot that is made from the settings page', () => {
  it('serves the line like a pasted one: messages flow, the page shows it, whoever made it is told', async () => {
    const page = await openPage();
    expect((await page.ask('GET', 'state')).json).toMatchObject({ canMakeBots: true, bot: null });
    expect(await latest(page)).toEqual({ request: null, served: false });
    const admin = somebody();
    const code = await press(page, 'Sales');
    expect((await latest(page)).request.state).toBe('waiting');
    admin.starts(code);
    const offer = await answers(admin, 1);
    expect(offer.text).toContain('the open line “Sales” of ');
    await becomes(page, 'started');
    const made = create(admin, offer);
    expect(made.profile.firstName).toBe('Sales');
    await becomes(page, 'connected');
    expect(await latest(page)).toMatchObject({ served: true, request: { error: null } });
    expect((await answers(admin, 2)).text).toContain(`@${made.profile.username} now serves the open line “Sales”`);
    expect(await botOf(page)).toMatchObject({ username: made.profile.username, managed: true, state: 'active' });

    made.client({ id: 501, first_name: 'Olga' }).sends('Is anybody there?');
    await eventually(
      () => bridge.messages(),
      (items) => items.some(({ text, state }) => text === 'Is anybody there?' && state === 'delivered'),
    );
  });

  it('is found whatever user name was chosen, and told in the language of whoever made it', async () => {
    const page = await openPage();
    const admin = somebody('ru');
    const { made } = await makeBot(page, admin, { username: 'quite_another_bot', name: 'Другой' });
    expect(made.profile.username).toBe('quite_another_bot');
    expect(admin.inbox[0]!.text).toContain('Нажмите кнопку');
    expect((await answers(admin, 2)).text).toContain('Бот @quite_another_bot подключён');
  });

  it('is for the line whose link was opened, never for another one of the same or another portal', async () => {
    const [one, two, theirs] = [await openPage(), await openPage(), await openPage(LINE, stranger, strangersApp)];
    const [first, second] = [somebody(), somebody()];
    first.starts(await press(one));
    second.starts(await press(theirs));
    const [offer, theirOffer] = [await answers(first, 1), await answers(second, 1)];
    const made = create(first, offer);
    const theirBot = create(second, theirOffer);
    await becomes(one, 'connected');
    await becomes(theirs, 'connected');
    expect((await botOf(one)).username).toBe(made.profile.username);
    expect((await botOf(theirs)).username).toBe(theirBot.profile.username);
    expect(await botOf(two)).toBeNull();
    expect((await latest(two)).request).toBeNull();
  });

  it('is asked about where one person makes several at once and the user name does not tell', async () => {
    const [one, theirs] = [await openPage(), await openPage('41', ...(await strangersLine('41')))];
    const admin = somebody();
    admin.starts(await press(one, 'Here'));
    await answers(admin, 1);
    admin.starts(await press(theirs, 'There'));
    const offer = await answers(admin, 2);
    const made = create(admin, offer, { username: 'undecided_bot' });
    const question = await answers(admin, 3);
    expect(question.text).toBe('Which open line is @undecided_bot for?');
    expect(await botOf(one)).toBeNull();
    expect(await botOf(theirs)).toBeNull();
    const buttons = question.reply_markup!.inline_keyboard.flat().map(({ text }) => text);
    expect(buttons).toHaveLength(2);
    admin.pressesText(
      question,
      buttons.find((text) => text.includes('Here'))!,
    );
    await becomes(one, 'connected');
    expect((await botOf(one)).username).toBe(made.profile.username);
    expect((await latest(theirs)).request.state).toBe('started');
    // One of the two as suggested tells by itself.
    create(admin, offer);
    await becomes(theirs, 'connected');
  });
});

async function strangersLine(id: string): Promise<[Portal, ReturnType<Portal['addApp']>]> {
  stranger.addLine({ id, name: `Line ${id}` });
  return [stranger, strangersApp];
}

describe('a bot that no request waits for', () => {
  it('stays spare, and is offered with the next link of whoever owns it, to them alone', async () => {
    const page = await openPage();
    const [admin, other] = [somebody(), somebody()];
    admin.sends('hello');
    expect((await answers(admin, 1)).text).toContain('press “Make a bot”');
    const made = bridge.telegram.managedBots.create(
      admin.profile,
      dialogOf({ url: 'https://t.me/newbot/maker_bot/spare_bot?name=Spare' }),
    );
    expect((await answers(admin, 2)).text).toContain('no open line is waiting for it');
    expect(await botOf(page)).toBeNull();

    other.starts(await press(page));
    const notTheirs = await answers(other, 1);
    expect(notTheirs.reply_markup!.inline_keyboard).toHaveLength(1);
    admin.starts(await press(page));
    const offer = await answers(admin, 3);
    const [, [take] = []] = offer.reply_markup!.inline_keyboard;
    expect(take?.text).toBe('Take @spare_bot');
    // Somebody else cannot take it, whatever they send.
    const data = dataOf(offer, 'Take @spare_bot');
    const press1 = { ...notTheirs, reply_markup: { inline_keyboard: [[{ text: 'x', callback_data: data }]] } };
    other.presses(notTheirs.message_id, data, press1);
    await sleep(1_000);
    expect(await botOf(page)).toBeNull();
    admin.pressesText(offer, 'Take @spare_bot');
    await eventually(
      () => sleep(250).then(() => botOf(page)),
      (bot) => bot?.username === made.profile.username,
    );
    // The button stands there still, and does nothing any more.
    admin.pressesText(offer, 'Take @spare_bot');
  });

  it('is the second one of a link', async () => {
    const page = await openPage();
    const { admin, made } = await makeBot(page);
    const count = admin.inbox.length;
    create(admin, admin.inbox[0]!, { username: 'second_one_bot' });
    const said = await eventually(
      () => admin.inbox.map(({ text }) => text),
      (texts) => texts.some((text) => text?.includes('@second_one_bot has been made, but no open line')),
    );
    expect(said.length).toBeGreaterThan(count);
    expect((await botOf(page)).username).toBe(made.profile.username);
  });

  it('is one whose line got another bot meanwhile, and whoever made it is told', async () => {
    const page = await openPage();
    const admin = somebody();
    admin.starts(await press(page));
    const offer = await answers(admin, 1);
    const token = '777000222:PASTED-token_of_the_test_0123456789a';
    bridge.telegram.addBot({ token, username: 'pasted_bot' });
    expect((await page.ask('POST', 'bot', { token })).status).toBe(200);
    create(admin, offer, { username: 'too_late_bot' });
    expect((await answers(admin, 2)).text).toContain('another bot already serves the line');
    expect(await latest(page)).toMatchObject({ served: true, request: { state: 'failed', error: 'line_taken' } });
    expect((await botOf(page)).username).toBe('pasted_bot');
    expect((await page.ask('POST', 'bot-request', {})).json.code).toBe('line_taken');
  });
});

describe('a link', () => {
  it('is for whoever opens it first, for an hour', async () => {
    const page = await openPage();
    const code = await press(page);
    const [admin, other] = [somebody(), somebody()];
    admin.starts(code);
    await answers(admin, 1);
    other.starts(code);
    expect((await answers(other, 1)).text).toContain('Another Telegram account');
    await query(`UPDATE bot_requests SET expires_at = now() WHERE line_id = $1`, [page.line]);
    expect((await latest(page)).request.state).toBe('expired');
    admin.starts(code);
    expect((await answers(admin, 2)).text).toContain('no longer works');
    create(admin, admin.inbox[0]!, { username: 'after_all_bot' });
    expect((await answers(admin, 3)).text).toContain('no open line is waiting for it');
    other.starts('bad-code_000000000000');
    expect((await answers(other, 2)).text).toContain('no longer works');
    expect(await botOf(page)).toBeNull();
  });

  it('ends with the application on its portal', async () => {
    const gone = await bridge.bitrix24.addPortal({ lines: [{ id: LINE, name: 'Gone' }] });
    const { clientId, clientSecret, handlerUrl, installUrl } = bridge.app;
    const app = gone.addApp({ kind: 'ui', clientId, clientSecret, handlerUrl, installUrl });
    await (await gone.openInstallFrame(app)).runInstallFinish();
    const page = await openPage(LINE, gone, app);
    const admin = somebody();
    admin.starts(await press(page));
    const offer = await answers(admin, 1);
    gone.uninstall(app, { clean: false });
    await eventually(
      async () => (await page.ask('GET', 'state')).json.code,
      (code) => code === 'portal_gone',
    );
    create(admin, offer, { username: 'homeless_bot' });
    expect((await answers(admin, 2)).text).toContain('the application was removed');
    expect((await page.ask('POST', 'bot-request', {})).json.code).toBe('portal_gone');
  });
});

describe('whatever goes wrong', () => {
  it('a bot is connected once Telegram gives its token, also after a kill', async () => {
    const page = await openPage();
    const admin = somebody();
    admin.starts(await press(page));
    const offer = await answers(admin, 1);
    bridge.telegram.faults.next('getManagedBotToken', { status: 502 }, 1_000);
    const made = create(admin, offer);
    await becomes(page, 'made');
    await sleep(500);
    await bridge.restart({}, 'kill');
    bridge.telegram.faults.clear();
    await becomes(page, 'connected', 60_000);
    expect((await botOf(page)).username).toBe(made.profile.username);
    expect((await answers(admin, 2)).text).toContain('now serves');
    // The killed process still counts as the reader of updates for a while.
    admin.sends('hello?');
    await admin.receives(3, 30_000);
  });

  it('whoever made a bot is answered once Telegram takes it, also after a kill', async () => {
    const admin = somebody();
    admin.sends('hello');
    await answers(admin, 1);
    bridge.telegram.faults.next('sendMessage', { status: 502 }, 1_000);
    const dialog = dialogOf({ url: 'https://t.me/newbot/maker_bot/unanswered_bot?name=Unanswered' });
    const made = bridge.telegram.managedBots.create(admin.profile, dialog);
    await eventually(
      async () => (await query(`SELECT FROM managed_bots WHERE telegram_id = $1`, [made.id])).rows.length,
      (count) => count === 1,
    );
    await sleep(10_000);
    await bridge.restart({}, 'kill');
    bridge.telegram.faults.clear();
    const said = (await admin.receives(2, 60_000)).at(-1)!;
    expect(said.text).toContain('@unanswered_bot has been made, but no open line');
    await sleep(3_000);
    expect(admin.inbox).toHaveLength(2);
  });

  it('an update that comes twice makes nothing twice', async () => {
    const page = await openPage();
    const { made, admin } = await makeBot(page);
    const told = admin.inbox.length;
    bridge.telegram.managedBots.tell(made);
    bridge.telegram.managedBots.tell(made);
    await sleep(1_500);
    expect(admin.inbox.length).toBeLessThanOrEqual(told + 1);
    const { rows } = await query(`SELECT FROM bots WHERE telegram_id = $1`, [made.id]);
    expect(rows).toHaveLength(1);
  });

  it('an old bot whose token changes is not taken for a new one', async () => {
    const page = await openPage();
    const admin = somebody();
    const old = bridge.telegram.managedBots.create(
      admin.profile,
      dialogOf({ url: 'https://t.me/newbot/maker_bot/old_spare_bot?name=Old' }),
    );
    await eventually(
      async () => (await query(`SELECT FROM managed_bots WHERE telegram_id = $1`, [old.id])).rows.length,
      (count) => count === 1,
    );
    admin.starts(await press(page));
    await answers(admin, 1);
    bridge.telegram.managedBots.ownerRevokes(old);
    await sleep(1_500);
    expect((await latest(page)).request.state).toBe('started');
    expect(await botOf(page)).toBeNull();
  });

  it('updates that make no sense are passed over', async () => {
    const strange = [
      { managed_bot: {} },
      { managed_bot: { user: { id: 'x' }, bot: { id: 5 } } },
      { callback_query: { id: '1', from: { id: 4 }, data: 'connect:1:x' } },
      { message: { message_id: 1, date: 1, chat: { id: -5, type: 'group', title: 'G' }, text: '/start abc' } },
    ];
    for (const update of strange) manager.pushUpdate(update as never);
    const page = await openPage();
    await makeBot(page);
  });
});

describe('the token of a made bot', () => {
  it('follows when its owner takes another one, and is renewed by a press', async () => {
    const page = await openPage();
    const { made } = await makeBot(page);
    const works = async (text: string) => {
      const client = made.client({ id: 777_001, first_name: 'Pyotr' });
      client.sends(text);
      await eventually(
        () => bridge.messages(),
        (items) => items.some((item) => item.text === text && item.state === 'delivered'),
        30_000,
      );
    };
    await works('before');
    bridge.telegram.managedBots.ownerRevokes(made);
    await works('after the owner revoked it');
    const token = made.profile.token;
    const { status, json } = await page.ask('POST', 'bot/new-token');
    expect(status, JSON.stringify(json)).toBe(200);
    expect(made.profile.token).not.toBe(token);
    await works('after it was renewed here');
  });

  it('is found again where nobody told that it changed', async () => {
    const page = await openPage();
    const { made } = await makeBot(page);
    bridge.telegram.managedBots.ownerRevokes(made, { unheard: true });
    await eventually(
      async () => (await query(`SELECT state FROM bots WHERE telegram_id = $1`, [made.id])).rows[0].state,
      (state) => state === 'unauthorised',
      60_000,
    );
    await eventually(
      async () => (await query(`SELECT state FROM bots WHERE telegram_id = $1`, [made.id])).rows[0].state,
      (state) => state === 'active',
      60_000,
    );
  });

  it('of a pasted bot is nobody’s to renew', async () => {
    const page = await openPage();
    expect((await page.ask('POST', 'bot/new-token')).json.code).toBe('no_bot');
    const token = '777000333:PASTED-token_of_the_test_0123456789b';
    bridge.telegram.addBot({ token, username: 'their_own_bot' });
    await page.ask('POST', 'bot', { token });
    expect((await botOf(page)).managed).toBe(false);
    expect((await page.ask('POST', 'bot/new-token')).json.code).toBe('not_managed');
  });

  it('is not fetched for a portal for which its owner did not make the bot, nor renewed there', async () => {
    const page = await openPage();
    const { made } = await makeBot(page);
    expect((await page.ask('POST', 'disconnect')).status).toBe(200);
    // Somebody who has got its token serves a line of another portal by it.
    const theirs = await openPage('42', ...(await strangersLine('42')));
    const pasted = await theirs.ask('POST', 'bot', { token: made.profile.token });
    expect(pasted.status, JSON.stringify(pasted.json)).toBe(200);
    expect(await botOf(theirs)).toMatchObject({ username: made.profile.username, managed: false });
    const token = made.profile.token;
    expect((await theirs.ask('POST', 'bot/new-token')).json.code).toBe('not_managed');
    expect(made.profile.token).toBe(token);
    bridge.telegram.managedBots.ownerRevokes(made);
    await staysUnauthorised(made);
  });

  it('is the new owner’s alone once the bot was given away', async () => {
    const page = await openPage();
    const { made } = await makeBot(page);
    const buyer = somebody();
    bridge.telegram.managedBots.changesOwner(made, buyer.profile);
    bridge.telegram.managedBots.ownerRevokes(made);
    await staysUnauthorised(made);
    expect(await botOf(page)).toMatchObject({ managed: false });
    // With a link of the portal they let it have the bot, too.
    expect((await page.ask('POST', 'disconnect')).status).toBe(200);
    buyer.starts(await press(page));
    const offer = await answers(buyer, 1);
    buyer.pressesText(offer, `Take @${made.profile.username}`);
    await becomes(page, 'connected');
    expect(await botOf(page)).toMatchObject({ username: made.profile.username, managed: true });
    await eventually(
      () => sleep(250).then(() => botOf(page)),
      ({ state }) => state === 'active',
    );
  });

  it('is in no log and no answer; nor is a code', async () => {
    const log = bridge.program.tail(100_000);
    for (const secret of [MANAGER_TOKEN, ...bridge.telegram.calls.flatMap(({ answer }) => tokensIn(answer))]) {
      expect(log).not.toContain(secret);
    }
  });
});

/** Its new token reaches nobody, although the manager has heard of it. */
async function staysUnauthorised({ id }: SimulatedBot): Promise<void> {
  const stateOf = async () => (await query(`SELECT state FROM bots WHERE telegram_id = $1`, [id])).rows[0].state;
  await eventually(stateOf, (state) => state === 'unauthorised', 90_000);
  await sleep(12_000);
  expect(await stateOf()).toBe('unauthorised');
}

const tokensIn = (answer: unknown) => JSON.stringify(answer ?? '').match(/\d{6,}:[\w-]{35}/g) ?? [];

describe('the admin API', () => {
  it('makes links as well, and tells how the manager is', async () => {
    const line = unused.shift()!;
    const { status, json } = await bridge.program.admin('POST', '/bot-requests', { portalId: '1', lineId: line });
    expect(status, JSON.stringify(json)).toBe(200);
    const admin = somebody();
    admin.starts(json.url.split('=')[1]);
    expect((await answers(admin, 1)).text).toContain(`open line ${line} of `);
    const made = create(admin, admin.inbox[0]!);
    await eventually(
      async () => (await bridge.program.admin('GET', `/bot-requests/${json.id}`)).json,
      (item) => item.state === 'connected',
      15_000,
    );
    const bots = (await bridge.program.admin('GET', '/bots?limit=100')).json.items as {
      username: string;
      lineId: string;
    }[];
    expect(bots.find(({ username }) => username === made.profile.username)?.lineId).toBe(line);
    expect((await bridge.program.admin('POST', '/bot-requests', { portalId: '99', lineId: line })).status).toBe(404);
    expect((await bridge.program.admin('POST', '/bot-requests', { portalId: '1', lineId: 'x' })).status).toBe(400);
  });

  it('takes the manager for no bot of a line', async () => {
    const { status, json } = await bridge.program.admin('POST', '/bots', { token: MANAGER_TOKEN });
    expect([status, json.code]).toEqual([422, 'manager_bot']);
  });

  it('says what is wrong with a manager that may not manage, and the page has just the paste', async () => {
    manager.profile = { ...manager.profile, managesBots: false };
    await bridge.restart();
    const state = await eventually(
      async () => (await bridge.program.admin('GET', '/bot-requests/manager')).json,
      ({ trouble }) => trouble === 'cannot_manage',
      20_000,
    );
    expect(state).toMatchObject({ configured: true, ready: false });
    const page = await openPage(unused.shift());
    expect((await page.ask('GET', 'state')).json.canMakeBots).toBe(false);
    expect((await page.ask('POST', 'bot-request', {})).json.code).toBe('no_manager');
    await bridge.restart({ TG_MANAGER_BOT_TOKEN: undefined });
    expect((await bridge.program.admin('GET', '/bot-requests/manager')).json.configured).toBe(false);
  });
});
