import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const THANKS = 'Thank you! We have your phone number now.';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
  expect((await changes({ welcomeText: 'Hello {first_name}!', welcomeAsksPhone: true })).status).toBe(200);
});
afterAll(async () => bridge?.stop());

async function changes(line: object) {
  const { json } = await bridge.program.admin('GET', '/portals');
  return bridge.program.admin('PATCH', `/portals/${json.items[0].id}/lines/${LINE}`, line);
}

const replyKeyboard = ({ client }: Conversation) => client.chat.replyKeyboard?.keyboard ?? null;
const reads = ({ client }: Conversation, text: string) =>
  eventually(
    () => client.inbox.filter((message) => message.text === text).length,
    (n) => n > 0,
  );
const phoneOf = (id: number) => bridge.portal.lines.findClient(bridge.connectorId, `tg:${id}`)?.phone;

it('is asked for under the welcome, taken from the client alone, and thanked for once', async () => {
  const talk = Conversation.of(bridge, 7_701);
  talk.client.starts();
  await reads(talk, 'Hello Client 7701!');
  expect(replyKeyboard(talk)).toEqual([[{ text: '📱 Share my phone number', request_contact: true }]]);

  talk.client.sendsMessage({ contact: { phone_number: '79991112233', first_name: 'Friend', user_id: 1 } });
  talk.client.sendsMessage({ contact: { phone_number: '79991112244', first_name: 'Nobody' } });
  talk.client.sends('these are friends');
  await talk.becomes('these are friends', 'delivered');
  expect(phoneOf(7_701)).toBe('');
  expect(replyKeyboard(talk)).not.toBeNull();

  talk.client.sharesPhone('79990000001');
  await reads(talk, THANKS);
  expect(replyKeyboard(talk)).toBeNull();
  await eventually(
    () => phoneOf(7_701),
    (phone) => phone === '+79990000001',
  );
  talk.client.sendsMessage({ contact: { phone_number: '79990000001', first_name: 'I', user_id: 7_701 } });
  talk.client.starts();
  await eventually(
    () => talk.reached.filter((text) => text.startsWith('Hello')),
    (greetings) => greetings.length === 2,
  );
  expect(talk.reached.filter((text) => text === THANKS)).toHaveLength(1);
  // Who has given the number is not asked again.
  expect(replyKeyboard(talk)).toBeNull();
});

it('is asked for in the language of the client', async () => {
  const talk = Conversation.of(bridge, 7_702, { language_code: 'ru' });
  talk.client.starts();
  await reads(talk, 'Hello Client 7702!');
  expect(replyKeyboard(talk)).toEqual([[{ text: '📱 Отправить мой номер телефона', request_contact: true }]]);
  talk.client.sharesPhone();
  await reads(talk, 'Спасибо! Мы получили ваш номер телефона.');
});

it('is thanked for once after a restart, and when the contact comes twice', async () => {
  const talk = Conversation.of(bridge, 7_703);
  talk.client.starts();
  await reads(talk, 'Hello Client 7703!');
  await bridge.program.kill();
  talk.client.sharesPhone();
  talk.client.sharesPhone();
  await bridge.restart();
  await reads(talk, THANKS);
  talk.client.sends('done');
  await talk.becomes('done', 'delivered');
  talk.answers('good');
  await reads(talk, 'good');
  expect(talk.reached.filter((text) => text === THANKS)).toHaveLength(1);
}, 60_000);

it('is not asked for when the line does not want it, and never in a group', async () => {
  expect((await changes({ welcomeAsksPhone: 'yes' })).status).toBe(400);
  expect((await changes({ welcomeAsksPhone: false })).status).toBe(200);
  const talk = Conversation.of(bridge, 7_704);
  talk.client.starts();
  await reads(talk, 'Hello Client 7704!');
  expect(replyKeyboard(talk)).toBeNull();
  const { json } = await bridge.program.admin('GET', '/portals');
  const lines = await bridge.program.admin('GET', `/portals/${json.items[0].id}/lines`);
  expect(lines.json.items[0]).toMatchObject({ welcomeAsksPhone: false });
});
