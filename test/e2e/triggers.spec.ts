import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes, choose, entityOf, returned, runRobot } from '../support/crm.js';
import { registeredTriggers, triggersRan } from '../support/trigger-runs.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await bridgeWithScopes();
  const { json } = await choose(bridge, 'triggers');
  expect(json).toMatchObject({ feature: 'triggers', wanted: true, state: 'ready', says: 'Triggers: ready.' });
});
afterAll(async () => bridge?.stop());

const registered = (portal = bridge.portal) => registeredTriggers(portal);
const nameOf = (code: string) => [...bridge.portal.triggers.all.values()].find((one) => one.code === code)?.name;

const ran = (talk: Conversation, count: number, timeoutMs?: number) => triggersRan(bridge, talk, count, timeoutMs);
async function rowsOf<Row extends object>(sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  return (await client.query<Row>(sql).finally(() => client.end())).rows;
}
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it('are registered in the language of the portal, with no more than there are', () => {
  expect(registered()).toEqual([
    'tg_button_pressed',
    'tg_came_by_link',
    'tg_client_blocked',
    'tg_client_wrote',
    'tg_client_wrote_first',
    'tg_message_delivered',
  ]);
  expect(nameOf('tg_client_wrote')).toBe('Telegram: the client wrote');
});

it('a client writes for the first time, and again', async () => {
  const talk = await Conversation.begin(bridge, 901);
  expect((await ran(talk, 2)).toSorted()).toEqual(['tg_client_wrote', 'tg_client_wrote_first']);
  talk.client.sends('and one more thing');
  talk.client.sends('and another');
  expect((await ran(talk, 3)).at(-1)).toBe('tg_client_wrote');
  // What is written in one go moves a deal once.
  await later(5_000);
  expect(await ran(talk, 3)).toHaveLength(3);
});

it('a message of an operator and of a robot reaches the client, and a blocked bot is told once', async () => {
  const talk = await Conversation.begin(bridge, 902);
  await ran(talk, 2);
  talk.answers('Good day');
  expect((await ran(talk, 3)).at(-1)).toBe('tg_message_delivered');
  talk.client.blocks();
  expect((await ran(talk, 4)).at(-1)).toBe('tg_client_blocked');
  talk.answers('Are you there?');
  await talk.becomes('Are you there?', 'failed');
  await later(5_000);
  expect(await ran(talk, 4)).toHaveLength(4);
});

it('a block is known by the answer of Telegram, too', async () => {
  const talk = await Conversation.begin(bridge, 903);
  await ran(talk, 2);
  const body = { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' };
  bridge.telegram.faults.next('sendMessage', { status: 403, body }, 1, talk.toClient);
  talk.answers('Hello?');
  expect((await ran(talk, 3)).at(-1)).toBe('tg_client_blocked');
});

it('buttons that somebody named have triggers of their own', async () => {
  await choose(bridge, 'robots');
  const { json } = await choose(bridge, 'triggers', true, { buttons: [' Yes, please '] });
  expect(json.buttons).toEqual(['Yes, please']);
  const own = registered().find((code) => /^tg_button_pressed_[0-9a-f]{16}$/.test(code))!;
  expect(nameOf(own)).toBe('Telegram: the client pressed “Yes, please”');
  const talk = await Conversation.begin(bridge, 904);
  await ran(talk, 2);
  const press = async (text: string) => {
    const before = talk.client.inbox.length;
    await returned(
      runRobot(bridge, 'tg_send_message', entityOf(bridge, talk), {
        properties: { text: 'Well?', buttons: 'yes, Please\nNo' },
      }),
    );
    await ran(talk, 3);
    const message = (await talk.client.receives(before + 1)).at(-1)!;
    talk.client.pressesText(message, text);
  };
  await press('yes, Please');
  expect((await ran(talk, 5)).slice(2).toSorted()).toEqual(
    [own, 'tg_button_pressed', 'tg_message_delivered'].toSorted(),
  );
  await press('No');
  // It is no words of the client's: of those there were two.
  expect((await ran(talk, 7)).slice(5).toSorted()).toEqual(['tg_button_pressed', 'tg_message_delivered']);
  await later(4_000);
  expect(await ran(talk, 7)).toHaveLength(7);
});

it('links that are for many have triggers with their names, as long as they are there', async () => {
  const isDue = async () =>
    (await rowsOf(`SELECT FROM portal_features WHERE feature = 'triggers' AND due_at <= now()`)).length === 1;
  const { json: link } = await bridge.program.admin('POST', '/links', { name: 'Poster' });
  const own = `tg_came_by_link_${link.id}`;
  expect(await isDue()).toBe(true);
  await choose(bridge, 'triggers');
  expect(nameOf(own)).toBe('Telegram: the client came by the link “Poster”');
  const talk = Conversation.of(bridge, 905);
  talk.client.sends(`/start ${link.code}`);
  // Nobody has made a lead yet: the triggers wait for it.
  await later(3_000);
  talk.client.sends('How much is it?');
  const codes = await ran(talk, 4);
  expect(codes.toSorted()).toEqual(['tg_came_by_link', own, 'tg_client_wrote', 'tg_client_wrote_first'].toSorted());
  await bridge.program.admin('PATCH', `/links/${link.id}`, { name: 'Billboard' });
  expect(await isDue()).toBe(true);
  await choose(bridge, 'triggers');
  expect(nameOf(own)).toContain('“Billboard”');
  await bridge.program.admin('DELETE', `/links/${link.id}`);
  expect(await isDue()).toBe(true);
  await choose(bridge, 'triggers');
  expect(nameOf(own)).toBeUndefined();
}, 60_000);

it('move the deal where there is one, and the client where the lead was converted', async () => {
  const talk = await Conversation.begin(bridge, 906);
  await ran(talk, 2);
  const lead = entityOf(bridge, talk);
  const contact = bridge.portal.crm.records.add('CONTACT', { phones: ['+79990000906'] });
  const deal = bridge.portal.crm.records.add('DEAL', { fields: { CONTACT_ID: contact.id } });
  bridge.portal.crm.records.update(lead, { STATUS_ID: 'CONVERTED' });
  await bridge.restart();
  talk.client.sends('call me: +79990000906');
  await eventually(
    () => bridge.portal.triggers.runs.at(-1),
    (run) => run?.ownerTypeId === 3 && run.fired[0] === `2_${deal.id}`,
    20_000,
  );
});

it('asks for nothing else of the portal where it refuses to execute one', async () => {
  await choose(bridge, 'robots');
  const asked = (method: string) => bridge.portal.calls.filter((call) => call.method === method).length;
  const before = [asked('bizproc.robot.list'), asked('crm.automation.trigger.list')];
  const refusal = { status: 403, error: 'ACCESS_DENIED', description: 'Access denied!' };
  bridge.bitrix24.faults.next('crm.automation.trigger.execute', refusal, 2);
  const talk = await Conversation.begin(bridge, 912);
  await ran(talk, 2, 40_000);
  expect(asked('bizproc.robot.list')).toBe(before[0]);
  expect(asked('crm.automation.trigger.list') - before[1]!).toBeLessThanOrEqual(1);
});

it('says what the portal lacks, takes bad input for none, and goes when it is switched off', async () => {
  const put = (body: object, feature = 'triggers') => choose(bridge, feature, true, body);
  const answers = [
    await put({ buttons: 'Yes' }),
    await put({ buttons: [''] }),
    await put({ buttons: [5] }),
    await put({ buttons: Array.from({ length: 31 }, (_, n) => `${n}`) }),
    await put({ buttons: ['Yes'] }, 'robots'),
    await put({}, 'nothing'),
  ];
  expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400, 404]);
  const admin = bridge.portal.users.get(1)!;
  admin.admin = false;
  expect((await put({})).json).toMatchObject({ state: 'no_rights', buttons: ['Yes, please'] });
  admin.admin = true;
  expect((await put({})).json).toMatchObject({ state: 'ready' });
  expect((await choose(bridge, 'triggers', false)).json).toMatchObject({ wanted: false, state: 'off', says: null });
  expect(registered()).toEqual([]);
  const before = bridge.portal.triggers.runs.length;
  await Conversation.begin(bridge, 911);
  await later(5_000);
  expect(bridge.portal.triggers.runs).toHaveLength(before);
  expect(
    await rowsOf(`SELECT FROM trigger_events t JOIN portal_features f USING (portal_id) WHERE NOT f.wanted`),
  ).toEqual([]);
});
