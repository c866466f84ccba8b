import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Dialog } from '../support/bitrix24-simulator/dialog.js';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';

/** Bodies of the admin API; tests read them freely. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

/** Who installed the application, and so who its calls act for. */
const INSTALLER = 1;

let bridge: Bridge;
let portalId: string;

beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false } });
  for (const id of ['8', '9', '10', '11']) bridge.portal.addLine({ id, name: `Line ${id}` });
  portalId = (await admin('GET', '/portals')).json.items[0].id;
});

afterAll(async () => bridge?.stop());

/** A line has one bot: the next test brings its own. */
afterEach(async () => {
  bridge.bitrix24.faults.clear();
  bridge.telegram.faults.clear();
  const bots: Json[] = (await admin('GET', '/bots')).json.items;
  for (const { id, isDefault } of bots) if (!isDefault) await admin('DELETE', `/bots/${id}`);
});

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);
const operator = () => bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
const notesIn = (dialog: Dialog): string[] =>
  dialog.messages.filter(({ author }) => author === 'system').map(({ text }) => text);
const kept = async (text: string): Promise<Json> => (await bridge.messages(`&q=${encodeURIComponent(`"${text}"`)}`))[0];
const reportOf = ({ id }: LineMessage) => bridge.portal.deliveryReports.filter(({ messageId }) => messageId === id);

interface NewBot {
  id: string;
  token: string;
  bot: SimulatedBot;
}

async function newBot(name: string, lineId: string): Promise<NewBot> {
  const token = `${700_000 + Math.floor(Math.random() * 100_000)}:AA${randomBytes(15).toString('hex')}`;
  const bot = bridge.telegram.addBot({ token, username: `${name}_bot`, firstName: name });
  const made = await admin('POST', '/bots', { token, portalId, lineId });
  expect(made.status, made.text).toBe(201);
  return { id: made.json.id, token, bot };
}

/** The dialog of a client on a line. */
function dialogOn(line: string, client: number): Dialog {
  const chat = [...bridge.portal.lines.chats.values()].find(
    (candidate) => candidate.line === line && candidate.externalId === `tg:${client}`,
  );
  return bridge.portal.dialog(chat?.id ?? 0);
}

/** A client who wrote to the bot on its line, and the dialog that this made. */
async function begin({ bot }: NewBot, line: string, id: number) {
  const client = bot.client({ id, first_name: `Client ${id}` });
  client.sends('hello');
  await eventually(
    () => dialogOn(line, id).clientMessages.length,
    (count) => count === 1,
  );
  return { client, dialog: dialogOn(line, id) };
}

async function moves({ id }: NewBot, lineId: string): Promise<void> {
  const moved = await admin('PATCH', `/bots/${id}`, { portalId, lineId });
  expect(moved.status, moved.text).toBe(200);
}

/** Somebody in Contact Center, or a portal that could not be told, leaves the connector on. */
const leaveOn = (line: string) => bridge.portal.lines.activate(bridge.connectorId, line);
const answers = (dialog: Dialog, text: string): LineMessage => operator().sends(dialog.chat!.id, text);

async function note(dialog: Dialog, words: string): Promise<string> {
  const found = await eventually(
    () => notesIn(dialog).find((text) => text.includes(words)),
    (text) => text !== undefined,
  );
  return found!;
}

async function sql(statement: string): Promise<void> {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  await client.query(statement);
  await client.end();
}

describe('an answer in a dialog whose bot serves another line by now', () => {
  it('is delivered, and the clock clears in that dialog', async () => {
    const bot = await newBot('moved', '8');
    const { client, dialog } = await begin(bot, '8', 901);
    await moves(bot, '9');
    leaveOn('8');
    const late = answers(dialog, 'in the old line');
    expect((await client.receives(1, 10_000))[0]!.text).toBe('in the old line');
    await dialog.delivered(late, 10_000);
    expect(reportOf(late)).toMatchObject([{ line: '8', externalIds: [expect.stringMatching(/^tg:901:\d+$/)] }]);
    // The client goes on in the new line, and the two dialogs are not taken for one another.
    client.sends('in the new line');
    await eventually(
      () => dialogOn('9', 901).clientMessages.map(({ text }) => text),
      (texts) => texts.includes('in the new line'),
    );
    const [here, there] = [answers(dialogOn('9', 901), 'new answer'), answers(dialog, 'old answer')];
    await dialog.delivered(there, 10_000);
    await dialogOn('9', 901).delivered(here, 10_000);
    expect([reportOf(here)[0]!.line, reportOf(there)[0]!.line]).toEqual(['9', '8']);
    expect(client.inbox.map(({ text }) => text).toSorted()).toEqual(['in the old line', 'new answer', 'old answer']);
  }, 40_000);

  it('goes by the bot that knows the client, also when another one serves the line', async () => {
    const first = await newBot('first', '8');
    const { client, dialog } = await begin(first, '8', 902);
    await moves(first, '9');
    await newBot('successor', '8');
    const answer = answers(dialog, 'from the one you know');
    expect((await client.receives(1, 10_000))[0]!.text).toBe('from the one you know');
    await dialog.delivered(answer, 10_000);
  }, 30_000);

  it('reaches the client although its event was lost, once the dialogs are looked through', async () => {
    const bot = await newBot('missed', '8');
    const { client, dialog } = await begin(bot, '8', 940);
    const known = answers(dialog, 'before it went');
    await dialog.delivered(known, 10_000);
    await moves(bot, '9');
    leaveOn('8');
    bridge.portal.events.loseNext();
    const missed = answers(dialog, 'nobody told');
    await bridge.portal.events.idle();
    await bridge.restart();
    await dialog.delivered(missed, 30_000);
    expect(client.inbox.map(({ text }) => text)).toEqual(['before it went', 'nobody told']);
  }, 60_000);

  it('goes by the bot that left for another portal, not by another one of this portal', async () => {
    const other = await bridge.bitrix24.addPortal({ lines: [{ id: '1', name: 'Elsewhere' }] });
    const { clientId, clientSecret, handlerUrl, installUrl } = bridge.app;
    const frame = await other.openInstallFrame(
      other.addApp({ kind: 'ui', clientId, clientSecret, handlerUrl, installUrl }),
    );
    await frame.runInstallFinish();
    const portals: Json[] = (await admin('GET', '/portals')).json.items;
    const otherId = portals.find(({ memberId }) => memberId === other.memberId)!.id;
    await admin('POST', `/portals/${otherId}/connector/activate`, { lineId: '1' });
    const bot = await newBot('emigrant', '8');
    const { client, dialog } = await begin(bot, '8', 942);
    const moved = await admin('PATCH', `/bots/${bot.id}`, { portalId: otherId, lineId: '1' });
    expect(moved.status, moved.text).toBe(200);
    leaveOn('8');
    const answer = answers(dialog, 'still ours');
    expect((await client.receives(1, 10_000))[0]!.text).toBe('still ours');
    await dialog.delivered(answer, 10_000);
    client.blocks();
    dialog.chat!.members.add(INSTALLER);
    answers(dialog, 'too late');
    expect(await note(dialog, 'blocked the bot')).toContain('«too late»');
    expect(other.lines.chats.size).toBe(0);
  }, 60_000);

  it.each([
    ['whose installer may write there', 903, true],
    ['whose installer may not', 904, false],
  ])(
    'and that fails is told in that dialog, of a portal %s',
    async (_what, id, member) => {
      const bot = await newBot(`failing_${id}`, '8');
      const { client, dialog } = await begin(bot, '8', id);
      await moves(bot, '9');
      leaveOn('8');
      if (member) dialog.chat!.members.add(INSTALLER);
      const name = () => bridge.portal.lines.findClient(bridge.connectorId, `tg:${id}`)?.name;
      const before = name();
      client.blocks();
      answers(dialog, 'nobody reads this');
      expect(await note(dialog, 'blocked the bot')).toContain('«nobody reads this»');
      expect(notesIn(dialogOn('9', id)).join()).not.toContain('nobody reads this');
      expect(name()).toBe(before);
      const { id: message } = await kept('nobody reads this');
      const { timeline } = (await admin('GET', `/messages/${message}`)).json;
      expect(timeline).toContainEqual(expect.objectContaining({ kind: 'note', outcome: 'delivered' }));
    },
    30_000,
  );

  it('that fails is told there through the connector, where the messenger does not let us in', async () => {
    const bot = await newBot('kept_out', '9');
    const { client, dialog } = await begin(bot, '9', 916);
    await moves(bot, '10');
    leaveOn('9');
    client.blocks();
    bridge.bitrix24.faults.next('im.message.add', { status: 403, error: 'ACCESS_ERROR' }, Infinity);
    answers(dialog, 'too late for you');
    expect(await note(dialog, 'Not delivered')).toContain('«too late for you»');
  }, 30_000);

  it('that was sent before its bot moved is reported and told where it was written', async () => {
    const bot = await newBot('leaving', '8');
    const { client, dialog } = await begin(bot, '8', 905);
    const refused = (params: Json) => String(params['chat_id']) === '905';
    bridge.telegram.faults.next('sendMessage', { status: 502, body: {} }, 2, refused);
    const late = answers(dialog, 'sent on the way');
    await eventually(
      async () => (await kept('sent on the way'))?.attempts,
      (attempts) => attempts > 0,
    );
    await moves(bot, '9');
    expect((await client.receives(1, 15_000))[0]!.text).toBe('sent on the way');
    await dialog.delivered(late, 10_000);
    expect(reportOf(late)[0]).toMatchObject({ line: '8' });
  }, 40_000);
});

describe('an answer in a dialog of an earlier installation', () => {
  it('goes by the only bot that can reach the client', async () => {
    const chat = await Conversation.begin(bridge, 911);
    await sql(`DELETE FROM chat_links WHERE external_id = 'tg:911'`);
    const answer = chat.answers('as before');
    await chat.dialog.delivered(answer, 10_000);
    expect(chat.reached).toEqual(['as before']);
    expect(chat.notes).toEqual([]);
    chat.client.sends('so do I');
    await chat.becomes('so do I', 'delivered');
    expect(chat.received).toEqual(['hello', 'so do I']);
    expect(bridge.portal.lines.findClient(bridge.connectorId, 'tg:911')).toMatchObject({
      name: 'Client',
      lastName: '911',
    });
  }, 30_000);

  it('that no bot can bring is told there, and the client keeps their name', async () => {
    const dialog = bridge.portal.oldDialog(bridge.connectorId, LINE, 'tg:912', 'Olga');
    dialog.chat!.members.add(INSTALLER);
    answers(dialog, 'is anybody there?');
    expect(await note(dialog, 'Not delivered')).toContain('«is anybody there?»');
    expect(await kept('is anybody there?')).toMatchObject({ state: 'failed' });
    expect(bridge.portal.lines.findClient(bridge.connectorId, 'tg:912')?.name).toBe('Olga');
  }, 30_000);

  it('for which no bot can be named is told there, once, and automatic texts are not', async () => {
    await newBot('other', '9');
    leaveOn('10');
    const dialog = bridge.portal.oldDialog(bridge.connectorId, '10', 'tg:913', 'Petr');
    dialog.chat!.members.add(INSTALLER);
    answers(dialog, 'which bot?');
    expect(await note(dialog, 'Not delivered')).toContain('«which bot?»');
    expect(await kept('which bot?')).toMatchObject({ state: 'ignored', error: { code: 'unknown_chat' } });
    const before = dialog.messages.length;
    bridge.portal.systemText(dialog.chat!.id, 'we are closed');
    await eventually(
      () => kept('we are closed'),
      (message) => message?.state === 'ignored',
    );
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(dialog.messages).toHaveLength(before + 1);
  }, 30_000);

  it('is told as soon as the portal answers again, in Russian where it reads Russian', async () => {
    await newBot('russian', '9');
    leaveOn('10');
    const dialog = bridge.portal.oldDialog(bridge.connectorId, '10', 'tg:914', 'Ivan');
    dialog.chat!.members.add(INSTALLER);
    await sql(`UPDATE portals SET language = 'ru'`);
    bridge.bitrix24.faults.next('im.message.add', { html: 502, performed: false }, 1);
    answers(dialog, 'какой бот?');
    expect(await note(dialog, 'Не доставлено')).toContain('«какой бот?»');
    await sql(`UPDATE portals SET language = 'en'`);
  }, 30_000);
});

describe('an answer that is nothing to send', () => {
  it('is told in its dialog', async () => {
    const chat = await Conversation.begin(bridge, 921);
    chat.answers('[b] [/b]');
    const [told] = await chat.hasNotes(1);
    expect(told).toContain('no text');
    bridge.portal.systemText('tg:921', '[i] [/i]');
    chat.answers('and now words');
    await eventually(
      () => chat.reached,
      (texts) => texts.includes('and now words'),
    );
    expect(await chat.hasNotes(2).catch(() => chat.notes)).toEqual([told, '[i] [/i]']);
  }, 30_000);

  it('because its event names no chat, is told there', async () => {
    const chat = await Conversation.begin(bridge, 922);
    chat.dialog.chat!.members.add(INSTALLER);
    const message = {
      im: { chat_id: String(chat.dialog.chat!.id), message_id: '771001' },
      message: { user_id: '27', text: 'where to?' },
    };
    const event = (connector: string, id: string) => ({
      event: 'ONIMCONNECTORMESSAGEADD',
      data: {
        CONNECTOR: connector,
        LINE,
        MESSAGES: [{ ...message, im: { ...message.im, message_id: id } }],
      },
      auth: { member_id: bridge.portal.memberId, application_token: bridge.app.applicationToken },
    });
    expect((await bridge.handler(event(bridge.connectorId, '771001'))).status).toBe(200);
    const [told] = await chat.hasNotes(1);
    expect(told).toContain('«where to?»');
    // What belongs to a connector of another application is that one's.
    expect((await bridge.handler(event('tg_of_others', '771002'))).status).toBe(200);
    expect(await chat.hasNotes(1)).toEqual([told]);
  }, 30_000);

  it('is none in a banned chat: operators can still write there', async () => {
    const chat = await Conversation.begin(bridge, 923);
    expect((await admin('POST', `/chats/${chat.chatId}/ban`)).status).toBeLessThan(300);
    await chat.dialog.delivered(chat.answers('last words'), 10_000);
    expect(chat.reached).toEqual(['last words']);
  });
});

describe('an answer for a bot that cannot send', () => {
  it('is told to wait for the new token, and when the bot is removed, that it waits no longer', async () => {
    const bot = await newBot('revoked', '8');
    const { dialog } = await begin(bot, '8', 931);
    dialog.chat!.members.add(INSTALLER);
    bridge.telegram.revoke(bot.bot);
    answers(dialog, 'while it is revoked');
    expect(await note(dialog, 'token')).toContain('«while it is revoked»');
    expect(await kept('while it is revoked')).toMatchObject({ state: 'queued' });
    expect((await admin('DELETE', `/bots/${bot.id}`)).status).toBe(204);
    await note(dialog, 'removed');
    expect(notesIn(dialog)).toHaveLength(2);
  }, 40_000);
});

describe('a bot that leaves a line', () => {
  const isOn = (line: string) => bridge.portal.lines.isReady(bridge.connectorId, line);
  const stateOf = async (line: string) =>
    (await admin('GET', `/portals/${portalId}`)).json.lines.find(({ lineId }: Json) => lineId === line)?.state;

  it('by the admin API switches it off there', async () => {
    const bot = await newBot('wandering', '8');
    expect(isOn('8')).toBe(true);
    await moves(bot, '9');
    expect([isOn('8'), isOn('9')]).toEqual([false, true]);
    expect([await stateOf('8'), await stateOf('9')]).toEqual(['inactive', 'active']);
    await admin('PATCH', `/bots/${bot.id}`, { portalId: null, lineId: null });
    expect([isOn('9'), await stateOf('9')]).toEqual([false, 'inactive']);
    await moves(bot, '8');
    expect(isOn('8')).toBe(true);
    await admin('DELETE', `/bots/${bot.id}`);
    expect([isOn('8'), await stateOf('8')]).toEqual([false, 'inactive']);
  }, 30_000);

  it('while the portal does not answer leaves it off here', async () => {
    const bot = await newBot('hasty', '8');
    bridge.bitrix24.faults.next('imconnector.activate', { status: 403, error: 'ACCESS_DENIED' }, 1);
    await moves(bot, '9');
    expect([isOn('8'), await stateOf('8')]).toEqual([true, 'inactive']);
  }, 30_000);
});

describe('the name before an answer', () => {
  const shows = (change: unknown) => admin('PATCH', `/portals/${portalId}/lines/11`, change);

  it('is the one that the line gives its operators, as the portal last said', async () => {
    const bot = await newBot('named', '11');
    const { client, dialog } = await begin(bot, '11', 941);
    const line = bridge.portal.lines.lines.get('11')!;
    Object.assign(line, { operatorData: 'queue', aliases: { 27: 'Anna Support' }, queue: [27, 28] });
    await shows({ operatorName: 'name' });
    answers(dialog, 'by an alias');
    bridge.portal.operator({ id: 28, name: 'Boris Petrov' }).sends(dialog.chat!.id, 'by a profile');
    const [alias, profile] = await client.receives(2, 10_000);
    expect([alias!.text, profile!.text]).toEqual(['Anna Support:\nby an alias', 'Boris Petrov:\nby a profile']);

    await shows({ operatorName: 'template', operatorNameTemplate: '{first_name} · {last_name}' });
    answers(dialog, 'in pieces');
    expect((await client.receives(3, 10_000))[2]!.text).toBe('Anna · Support\nin pieces');

    // What the portal said counts after a restart, too, and when it does not say it again.
    await bridge.restart();
    bridge.bitrix24.faults.next('imopenlines.config.get', { status: 401, error: 'insufficient_scope' }, 50);
    await shows({ operatorName: 'name' });
    answers(dialog, 'still an alias');
    expect((await client.receives(4, 15_000))[3]!.text).toBe('Anna Support:\nstill an alias');
    bridge.bitrix24.faults.clear();

    Object.assign(line, { operatorData: 'hide' });
    await shows({ operatorName: 'name' });
    await eventually(
      async () => {
        answers(dialog, 'no name');
        await new Promise((resolve) => setTimeout(resolve, 300));
        return client.inbox.at(-1)!.text;
      },
      (text) => text === 'no name',
      15_000,
    );
  }, 60_000);
});

describe('a message of a client that Bitrix24 refuses', () => {
  it('is told in the dialog, and a note that is refused is not told', async () => {
    const chat = await Conversation.begin(bridge, 951);
    const words = ({ message }: Json) => message?.text === 'not to be had';
    bridge.bitrix24.faults.next('imconnector.send.messages', { elementError: ['Incomplete data'] }, 1, words);
    chat.client.sends('not to be had');
    await chat.becomes('not to be had', 'failed');
    const [told] = await chat.hasNotes(1);
    expect(told).toContain('A message from the client could not be shown here');
    expect(told).toContain('«not to be had»');
    chat.client.sends('and on');
    await chat.becomes('and on', 'delivered');

    // Whichever way the note takes.
    const never = (params: Json) => /never/.test(JSON.stringify(params));
    const { faults } = bridge.bitrix24;
    faults.next('imconnector.send.messages', { elementError: ['Incomplete data'] }, Infinity, never);
    faults.next('im.message.add', { status: 400, error: 'ACCESS_ERROR', description: 'No' }, Infinity, never);
    chat.client.sends('never');
    await chat.becomes('never', 'failed');
    chat.client.sends('after it');
    await chat.becomes('after it', 'delivered');
    expect(await chat.hasNotes(1)).toEqual([told]);
    faults.clear();
  }, 40_000);
});
