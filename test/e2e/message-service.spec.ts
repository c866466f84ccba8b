import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Sms, SmsOptions } from '../support/bitrix24-simulator/message-service.js';
import { eventually, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes, choose, entityOf } from '../support/crm.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await bridgeWithScopes();
  const { json } = await choose(bridge, 'sms');
  expect(json).toMatchObject({ state: 'ready', says: 'Messages from the CRM: ready.' });
});
afterAll(async () => bridge?.stop());

const senders = () => [...bridge.portal.messageService.senders.values()];
const send = (options: SmsOptions): Sms => bridge.portal.messageService.send(bridge.app, senders()[0]!.code, options);
const reported = (sms: Sms, timeoutMs = 20_000) =>
  eventually(
    () => sms.reports,
    (reports) => reports.length > 0,
    timeoutMs,
  );

async function shares(talk: Conversation, phone: string): Promise<void> {
  talk.client.sendsMessage({ contact: { phone_number: phone, first_name: 'I', user_id: talk.client.id } });
  await eventually(
    async () => (await bridge.program.admin('GET', `/chats/${talk.chatId}`)).json.phone,
    (known) => known !== null,
  );
}

/** A deal in whose card the conversation stands. */
function dealOf({ client }: Conversation): number {
  const deal = bridge.portal.crm.records.add('DEAL');
  const { id } = bridge.portal.chat(`tg:${client.id}`).sessions.at(-1)!;
  bridge.portal.crm.dialogs.bind(bridge.portal.crm.dialogs.activityOf(id)!, { typeId: 2, id: deal.id });
  return deal.id;
}

it('is one sender a bot, which the card sends by to whoever the card is of', async () => {
  expect(senders()).toEqual([expect.objectContaining({ name: 'Telegram @shop_bot' })]);
  const talk = await Conversation.begin(bridge, 701);
  const lead = entityOf(bridge, talk);
  const sms = send({ phone: '+7 999 000-00-01', text: 'Your code is [b]5[/b] 😀', bindings: [[1, lead.id]] });
  expect(await reported(sms)).toEqual(['delivered']);
  expect(talk.reached).toEqual(['Your code is [b]5[/b] 😀']);
  expect((await talk.hasNotes(1))[0]).toContain('📨 Sent from the CRM by the message service:\nYour code is');
});

it('knows clients by the number that they have shared, without any proof beside the address', async () => {
  const talk = await Conversation.begin(bridge, 702);
  await shares(talk, '+79990000702');
  const sms = send({ phone: '8 (999) 000-07-02', text: 'by number', author: 0 });
  expect(await reported(sms)).toEqual(['delivered']);
  expect(talk.reached).toEqual(['by number']);
});

it('reaches whoever has the number, and nobody else of the deal', async () => {
  const [ann, bob] = [await Conversation.begin(bridge, 711), await Conversation.begin(bridge, 712)];
  await shares(ann, '79990000711');
  await shares(bob, '79990000712');
  const deal = dealOf(ann);
  const contact = bridge.portal.crm.records.add('CONTACT');
  const bindings: [number, number][] = [
    [2, deal],
    [3, contact.id],
  ];
  expect(await reported(send({ phone: '+79990000712', text: 'for Bob', bindings }))).toEqual(['delivered']);
  expect(await reported(send({ phone: '+79990000713', text: 'for Carl', bindings }))).toEqual(['undelivered']);
  expect(await reported(send({ phone: '8 (999) 000-07-11', text: 'for Ann', bindings }))).toEqual(['delivered']);
  const others = await Conversation.begin(bridge, 714);
  const unknown: [number, number][] = [[2, dealOf(others)], bindings[1]!];
  expect(await reported(send({ phone: '+79990000713', text: 'for the deal', bindings: unknown }))).toEqual([
    'delivered',
  ]);
  expect([ann, bob, others].map(({ reached }) => reached)).toEqual([['for Ann'], ['for Bob'], ['for the deal']]);
});

it('says at once that others cannot be reached, so that another way can follow', async () => {
  expect(await reported(send({ phone: '+79991112233', text: 'x' }))).toEqual(['undelivered']);
  const talk = await Conversation.begin(bridge, 703);
  const body = { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' };
  bridge.telegram.faults.next('sendMessage', { status: 403, body }, 1, talk.toClient);
  const sms = send({ phone: '+79991112234', text: 'x', bindings: [[1, entityOf(bridge, talk).id]] });
  expect(await reported(sms)).toEqual(['failed']);
});

it('sends once, whatever comes again, and waits for a row that is made after its post', async () => {
  const talk = await Conversation.begin(bridge, 704);
  const bindings: [number, number][] = [[1, entityOf(bridge, talk).id]];
  const sms = send({ phone: '+79990000704', text: 'once', bindings, module: 'crm', lateMs: 3_000 });
  bridge.portal.messageService.sendAgain(sms);
  expect(await reported(sms)).toEqual(['delivered']);
  expect(talk.reached).toEqual(['once']);
});

it('lets conversations go before mailings of CRM marketing', async () => {
  const talk = await Conversation.begin(bridge, 705);
  await shares(talk, '+79990000705');
  expect(await reported(send({ phone: '+79990000705', text: 'sale', module: 'sender' }))).toEqual(['delivered']);
  const [item] = await bridge.messages('&direction=outbound&q=sale');
  expect(item).toMatchObject({ kind: 'sms', authorId: '0' });
});

it('takes no post of another kind or address', async () => {
  const path = new URL(senders()[0]!.handler).pathname;
  const answers = [
    await bridge.program.post(path, { code: 'x' }),
    await bridge.program.post(path.replace('/sms/', '/robots/'), { code: 'x', event_token: 'y' }),
    await bridge.program.post(`${path}x`, { code: 'x', message_id: 'y' }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([400, 403, 403]);
});

it('goes when it is switched off', async () => {
  // Another process takes it away between the look and the deletion.
  bridge.bitrix24.faults.next('messageservice.sender.list', { delayMs: 1_000 });
  const chosen = choose(bridge, 'sms', false);
  await new Promise((resolve) => setTimeout(resolve, 500));
  bridge.portal.messageService.wipe(bridge.app);
  expect((await chosen).json).toMatchObject({ wanted: false, state: 'off' });
  expect(senders()).toEqual([]);
});

it('an installation from before lacks the scopes, says so, and goes on', async () => {
  const old = await bridgeWithScopes(['imopenlines', 'imconnector', 'im', 'user']);
  try {
    expect((await choose(old, 'sms')).json).toMatchObject({
      wanted: true,
      state: 'no_scope',
      says: 'Messages from the CRM: the application lacks the permission “messageservice”; add it in the card of the application, then install it again.',
    });
    const talk = await Conversation.begin(old, 710);
    talk.answers('hello');
    await eventually(
      () => talk.reached,
      (texts) => texts.length === 1,
    );
  } finally {
    await old.stop();
  }
});

it('goes with its bot', async () => {
  await choose(bridge, 'sms');
  expect(senders()).toHaveLength(1);
  const { json } = await bridge.program.admin('GET', '/bots');
  expect((await bridge.program.admin('DELETE', `/bots/${json.items[0].id}`)).status).toBe(204);
  await eventually(senders, ({ length }) => length === 0);
});
