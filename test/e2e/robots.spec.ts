import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes, choose, entityOf, returned, runRobot } from '../support/crm.js';

const SEND = 'tg_send_message';
const WAIT = 'tg_wait_answer';
const INVITE = 'tg_invitation_link';
let bridge: Bridge;

beforeAll(async () => {
  bridge = await bridgeWithScopes();
  const { json } = await choose(bridge, 'robots');
  expect(json).toMatchObject({ feature: 'robots', wanted: true, state: 'ready', says: 'Robots: ready.' });
});
afterAll(async () => bridge?.stop());

const codes = () => [...bridge.portal.robots.all.values()].map(({ code }) => code).toSorted();

it('writes to the client of the lead, tells the process and shows it in the dialog', async () => {
  const talk = await Conversation.begin(bridge, 601);
  const run = runRobot(bridge, SEND, entityOf(bridge, talk), {
    properties: { text: '[b]Paid[/b]<br>&amp; done', buttons: 'Yes\nSite | https://a.example/x' },
  });
  const values = await returned(run);
  expect(values).toMatchObject({ status: 'delivered', error: '' });
  expect(values['message_id']).toMatch(/^\d+$/);
  expect(Date.parse(String(values['time']))).toBeGreaterThan(Date.now() - 60_000);
  expect(talk.reached).toEqual(['Paid\n& done']);
  expect(talk.client.inbox[0]!.reply_markup?.inline_keyboard.flat()).toEqual([
    { text: 'Yes', callback_data: expect.any(String) },
    { text: 'Site', url: 'https://a.example/x' },
  ]);
  expect((await talk.hasNotes(1))[0]).toContain('🤖 Robot wrote:\nPaid\n& done\n▸ Yes\n▸ Site');
  expect(run.log).toEqual(['The client has got the message in Telegram']);
});

it('sends once however often the post comes, and answers once', async () => {
  const talk = await Conversation.begin(bridge, 602);
  bridge.portal.events.duplicateNext(1);
  const run = runRobot(bridge, SEND, entityOf(bridge, talk), { properties: { text: 'once' } });
  expect(await returned(run)).toMatchObject({ status: 'delivered' });
  await bridge.portal.quiet();
  expect(talk.reached).toEqual(['once']);
  expect(run.sends).toHaveLength(1);
});

it('finds the client of a deal by its contact, and by the phone that the client has shared', async () => {
  const talk = await Conversation.begin(bridge, 603);
  const contact = bridge.portal.crm.records.add('CONTACT');
  const activity = bridge.portal.crm.dialogs.activityOf(bridge.portal.chat('tg:603').sessions.at(-1)!.id)!;
  bridge.portal.crm.dialogs.bind(activity, { typeId: 3, id: contact.id });
  const deal = bridge.portal.crm.records.add('DEAL', { fields: { CONTACT_ID: contact.id } });
  expect(await returned(runRobot(bridge, SEND, deal, { properties: { text: 'by contact' } }))).toMatchObject({
    status: 'delivered',
  });
  talk.client.sendsMessage({ contact: { phone_number: '79990000603', first_name: 'Client 603', user_id: 603 } });
  await eventually(
    async () => (await bridge.program.admin('GET', `/chats/${talk.chatId}`)).json.phone,
    (phone) => phone !== null,
  );
  const stranger = bridge.portal.crm.records.add('DEAL');
  const byPhone = { properties: { text: 'by phone', phone: '8 (999) 000-06-03' } };
  expect(await returned(runRobot(bridge, SEND, stranger, byPhone))).toMatchObject({ status: 'delivered' });
  // A field of several values, as the CRM writes it.
  const byList = { properties: { text: 'by list', phone: '+78880000603, +7 (999) 000-06-03 ext. 5' } };
  expect(await returned(runRobot(bridge, SEND, stranger, byList))).toMatchObject({ status: 'delivered' });
  const abroad = { properties: { text: 'to nobody', phone: '+19990000603' } };
  expect(await returned(runRobot(bridge, SEND, stranger, abroad))).toMatchObject({ status: 'no_chat' });
  expect(talk.reached).toEqual(['by contact', 'by phone', 'by list']);
});

it('answers in words where there is nobody, nothing to send, or no document', async () => {
  const deal = bridge.portal.crm.records.add('DEAL');
  const results = async (properties: object, document?: [string, string, string]) =>
    returned(
      bridge.portal.robots.run(bridge.app, SEND, { properties: { ...properties }, ...(document ? { document } : {}) }),
    );
  expect(await results({ text: 'x' }, ['crm', 'CCrmDocumentDeal', `DEAL_${deal.id}`])).toMatchObject({
    status: 'no_chat',
    error: 'The document has no client who has written to the bot in Telegram.',
  });
  bridge.portal.crm.records.remove(deal);
  expect(await results({ text: 'x' }, ['crm', 'CCrmDocumentDeal', `DEAL_${deal.id}`])).toMatchObject({
    status: 'failed',
    error: 'The document no longer exists in the CRM.',
  });
  expect(await results({ text: ' ' })).toMatchObject({ status: 'failed', error: expect.stringContaining('no text') });
  expect(await results({ text: 'x' }, ['tasks', 'Task', '15'])).toMatchObject({
    status: 'failed',
    error: 'The robot works with documents of the CRM only.',
  });
});

it('tells a blocked bot, a refusal and an unknown end apart', async () => {
  const talk = await Conversation.begin(bridge, 604);
  const lead = entityOf(bridge, talk);
  const body = { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' };
  bridge.telegram.faults.next('sendMessage', { status: 403, body }, 1, talk.toClient);
  expect(await returned(runRobot(bridge, SEND, lead, { properties: { text: 'a' } }))).toMatchObject({
    status: 'blocked',
    error: 'the client blocked the bot',
  });
  bridge.telegram.faults.next('sendMessage', 'dropAfter', 1, talk.toClient);
  expect(await returned(runRobot(bridge, SEND, lead, { properties: { text: 'b' } }))).toMatchObject({
    status: 'uncertain',
  });
});

it('waits for the client’s answer, and no longer than it was told', async () => {
  const talk = await Conversation.begin(bridge, 605);
  const lead = entityOf(bridge, talk);
  const run = runRobot(bridge, WAIT, lead);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(run.returned).toBeNull();
  talk.client.sends('Yes, please');
  expect(await returned(run)).toMatchObject({ status: 'answered', text: 'Yes, please', error: '' });
  const bad = runRobot(bridge, WAIT, lead, { properties: { minutes: 'soon' } });
  expect(await returned(bad)).toMatchObject({ status: 'failed', error: expect.stringContaining('whole number') });
});

it('leaves what the client says after the time of the process to the next robot', async () => {
  const talk = await Conversation.begin(bridge, 611);
  const lead = entityOf(bridge, talk);
  const short = runRobot(bridge, WAIT, lead, { timeoutSeconds: 2 });
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  bridge.portal.robots.checkTimeout(short);
  expect(short.returned).toEqual({ IsTimeout: 1 });
  talk.client.sends('still there?');
  await talk.becomes('still there?', 'delivered');
  expect(
    await eventually(
      () => short.sends,
      (sends) => sends.length > 0,
    ),
  ).toMatchObject([{ status: 'timeout' }]);
});

it('shows buttons, and takes a press for the answer', async () => {
  const talk = await Conversation.begin(bridge, 610);
  const lead = entityOf(bridge, talk);
  await returned(runRobot(bridge, SEND, lead, { properties: { text: 'Well?', buttons: 'Yes\nNo' } }));
  const run = runRobot(bridge, WAIT, lead);
  await bridge.portal.events.idle();
  const [message] = await talk.client.receives(1);
  talk.client.pressesText(message!, 'Yes');
  const values = await returned(run);
  // As it stands on the button, so that the process can branch by it.
  expect(values).toMatchObject({ status: 'answered', text: 'Yes' });
});

it('keeps its buttons when a broadcast brings others, whose press is no answer to it', async () => {
  const talk = await Conversation.begin(bridge, 619);
  const lead = entityOf(bridge, talk);
  await returned(runRobot(bridge, SEND, lead, { properties: { text: 'Well?', buttons: 'Yes\nNo' } }));
  const run = runRobot(bridge, WAIT, lead);
  await bridge.portal.events.idle();
  await bridge.program.admin('PATCH', `/chats/${talk.chatId}`, { tags: ['asked'] });
  const body = { name: 'Sale', text: 'Sale', buttons: 'I want it', audience: { tags: ['asked'] } };
  const { json: made } = await bridge.program.admin('POST', '/broadcasts', body);
  await bridge.program.admin('POST', `/broadcasts/${made.id}/start`);
  const [question, sale] = await talk.client.receives(2);
  talk.client.pressesText(sale!, 'I want it');
  await eventually(
    () => talk.received,
    (said) => said.some((text) => text.includes('I want it')),
  );
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(run.returned).toBeNull();
  talk.client.pressesText(question!, 'Yes');
  expect(await returned(run)).toMatchObject({ status: 'answered', text: 'Yes' });
});

it('asks for the number of the client', async () => {
  const talk = await Conversation.begin(bridge, 612);
  const lead = entityOf(bridge, talk);
  const both = runRobot(bridge, SEND, lead, { properties: { text: 'x', buttons: 'Yes', ask_phone: 'Y' } });
  expect(await returned(both)).toMatchObject({ status: 'failed', error: expect.stringContaining('use two robots') });
  const run = runRobot(bridge, SEND, lead, { properties: { text: 'Your number?', ask_phone: 'Y' } });
  expect(await returned(run)).toMatchObject({ status: 'delivered' });
  expect(talk.client.chat.replyKeyboard?.keyboard).toEqual([[{ text: expect.any(String), request_contact: true }]]);
  const answer = runRobot(bridge, WAIT, lead);
  await bridge.portal.events.idle();
  talk.client.sharesPhone('79990000612');
  expect(await returned(answer)).toMatchObject({ status: 'answered', text: expect.stringContaining('79990000612') });
  await eventually(
    () => talk.reached,
    (texts) => texts.at(-1)!.startsWith('Thank you'),
  );
  expect(talk.client.chat.replyKeyboard ?? null).toBeNull();
});

it('says in words why no invitation is made', async () => {
  const deal = bridge.portal.crm.records.add('DEAL');
  expect(await returned(runRobot(bridge, INVITE, deal, { properties: { line: '99' } }))).toMatchObject({
    status: 'failed',
    error: 'No bot serves this open line: connect one on its settings page.',
  });
});

it('makes a link by which the client of the deal comes', async () => {
  const deal = bridge.portal.crm.records.add('DEAL');
  const values = await returned(runRobot(bridge, INVITE, deal));
  expect(values).toMatchObject({ status: 'made', error: '' });
  const code = /^https:\/\/t\.me\/shop_bot\?start=([\w-]{16,64})$/.exec(String(values['link']))?.[1];
  const talk = Conversation.of(bridge, 609);
  talk.client.sends(`/start ${code}`);
  await eventually(
    async () => (await bridge.program.admin('GET', '/chats?q=tg:609')).json.items[0]?.source,
    (source) => source === code,
  );
  bridge.portal.crm.records.remove(deal);
  expect(await returned(runRobot(bridge, INVITE, deal))).toMatchObject({
    status: 'failed',
    error: 'The document no longer exists in the CRM.',
  });
});

it('repeats the answer until the portal takes it', async () => {
  const talk = await Conversation.begin(bridge, 606);
  bridge.bitrix24.faults.next('bizproc.event.send', { status: 503, error: 'INTERNAL_SERVER_ERROR' }, 2);
  const run = runRobot(bridge, SEND, entityOf(bridge, talk), { properties: { text: 'again' } });
  expect(await returned(run, 30_000)).toMatchObject({ status: 'delivered' });
  expect(talk.reached).toEqual(['again']);
});

it('a refused answer of a robot leaves the portal alone', async () => {
  const talk = await Conversation.begin(bridge, 607);
  bridge.bitrix24.faults.next(
    'bizproc.event.send',
    { status: 403, error: 'ACCESS_DENIED', description: 'Access denied!' },
    1,
  );
  runRobot(bridge, SEND, entityOf(bridge, talk), { properties: { text: 'x' } });
  await eventually(
    () => talk.reached,
    (texts) => texts.length === 1,
  );
  await bridge.portal.quiet();
  talk.client.sends('still here');
  await talk.becomes('still here', 'delivered', 5_000);
});

it('takes no post of another portal, of nobody, or of another kind', async () => {
  const robot = bridge.portal.robots.all.get(`${bridge.app.clientId}@${SEND}`)!;
  const path = new URL(robot.handler).pathname;
  const post = { code: SEND, event_token: 'a|b|c.d', document_id: ['crm', 'x', 'DEAL_1'] };
  const auth = { member_id: 'another', application_token: bridge.app.applicationToken };
  const wrong = { member_id: bridge.portal.memberId, application_token: 'x' };
  // Where nobody wrote it, nobody proves it.
  const nobody = { member_id: '', application_token: '', access_token: '' };
  const answers = [
    await bridge.program.post(`${path}x`, post),
    await bridge.program.post('/b24/robots/1.abc', post),
    await bridge.program.post(path, { ...post, auth }),
    await bridge.program.post(path, { ...post, auth: wrong }),
    await bridge.program.post(path, { event: 'ONAPPINSTALL' }),
    await bridge.program.post(path, {}),
    await bridge.program.post(path, { ...post, auth: nobody }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 400, 400, 200]);
});

it('are there again after a new version of the application, and go when they are switched off', async () => {
  expect(codes()).toEqual([INVITE, SEND, WAIT]);
  bridge.portal.updateApp(bridge.app);
  expect(codes()).toEqual([]);
  await eventually(codes, (known) => known.length === 3, 20_000);
  // Another process takes them away between the look and the deletions.
  bridge.bitrix24.faults.next('bizproc.robot.list', { delayMs: 1_000 });
  const chosen = choose(bridge, 'robots', false);
  await new Promise((resolve) => setTimeout(resolve, 500));
  bridge.portal.robots.wipe(bridge.app);
  const { json } = await chosen;
  expect(json).toMatchObject({ wanted: false, state: 'off', says: null });
  expect(codes()).toEqual([]);
  await choose(bridge, 'robots', true);
  expect(codes()).toEqual([INVITE, SEND, WAIT]);
  // Likewise between the look and the changes, where an installation before had left them.
  const left = [...bridge.portal.robots.all];
  await choose(bridge, 'robots', false);
  for (const [key, robot] of left) bridge.portal.robots.all.set(key, robot);
  bridge.bitrix24.faults.next('bizproc.robot.list', { delayMs: 1_000 });
  const again = choose(bridge, 'robots', true);
  await new Promise((resolve) => setTimeout(resolve, 500));
  bridge.portal.robots.wipe(bridge.app);
  expect((await again).json).toMatchObject({ wanted: true, state: 'ready' });
  expect(codes()).toEqual([INVITE, SEND, WAIT]);
});

it('says in one sentence what the portal lacks, and the connector goes on', async () => {
  bridge.portal.robots.plan.robots = false;
  expect((await choose(bridge, 'robots')).json).toMatchObject({
    state: 'no_plan',
    says: 'Robots: the plan of this Bitrix24 account does not include automation.',
  });
  bridge.portal.robots.plan.robots = true;
  const admin = bridge.portal.users.get(1)!;
  admin.admin = false;
  expect((await choose(bridge, 'robots')).json).toMatchObject({ state: 'no_rights' });
  admin.admin = true;
  const talk = await Conversation.begin(bridge, 608);
  talk.client.sends('hello again');
  await talk.becomes('hello again', 'delivered', 5_000);
});
