import { afterAll, beforeAll, expect, it } from 'vitest';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const SUBSCRIBE = 'im.v2.event.subscribe';
const GET = 'im.v2.event.get';
/** An event counts when it is read the second time, 15 s after the first. */
const TWO_READINGS_MS = 45_000;

let bridge: Bridge;
let lastId = 1_700;

beforeAll(async () => {
  bridge = await Bridge.start();
});

afterAll(async () => bridge?.stop());

const callsOf = (method: string) => bridge.portal.calls.filter((call) => call.method.toLowerCase() === method);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** From now on the dialog is at rest: the regular look, at those who wrote within half an hour, leaves it out. */
async function rests({ client }: Conversation): Promise<void> {
  const db = new DatabaseService(bridge.database.url);
  await db.query(
    `UPDATE chat_links SET last_inbound_at = now() - interval '2 days', last_outbound_at = now() - interval '2 days'
      WHERE external_id = $1`,
    [`tg:${client.id}`],
  );
  await db.onApplicationShutdown();
}

async function atRest(): Promise<Conversation> {
  const chat = await Conversation.begin(bridge, ++lastId);
  // The person whose token we use takes part in it.
  bridge.portal.chat(`tg:${chat.client.id}`).members.add(1);
  chat.answers('before');
  await chat.becomes('before', 'delivered');
  await bridge.portal.events.idle();
  await rests(chat);
  return chat;
}

it('a portal without these methods is asked once, and nothing is made of it', async () => {
  await Conversation.begin(bridge, ++lastId);
  await eventually(
    () => callsOf(SUBSCRIBE),
    (calls) => calls.length > 0,
    30_000,
  );
  const asked = callsOf(SUBSCRIBE);
  await pause(17_000);
  expect(callsOf(SUBSCRIBE)).toEqual(asked);
  expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([404]));
  expect(callsOf(GET)).toEqual([]);
  const { json } = await bridge.program.admin('GET', '/doctor');
  expect(JSON.stringify(json)).not.toMatch(/im\.v2/i);
}, 90_000);

it('an answer whose event was lost is found in a dialog long at rest, once, and internal words stay inside', async () => {
  bridge.portal.messengerEvents.enabled = true;
  await bridge.restart();
  // Somebody is alive on the portal.
  const other = await Conversation.begin(bridge, ++lastId);
  const chat = await atRest();
  await eventually(
    () => callsOf(GET),
    (calls) => calls.length > 0,
    30_000,
  );
  const operator = bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
  bridge.bitrix24.faults.next('event', 'dropBefore');
  chat.answers('lost on its way');
  operator.whispers(`tg:${chat.client.id}`, 'for colleagues only');
  await bridge.portal.events.idle();
  expect(bridge.portal.ledger().eventsLost).toBeGreaterThan(0);
  other.answers('posted as ever');

  await chat.becomes('lost on its way', 'delivered', TWO_READINGS_MS);
  await other.becomes('posted as ever', 'delivered');
  // What was read is given back, and nothing is left to be told.
  await eventually(
    () => bridge.portal.messengerEvents.rows,
    (rows) => rows.length === 0,
    TWO_READINGS_MS,
  );
  expect(chat.reached).toEqual(['before', 'lost on its way']);
  expect(other.reached).toEqual(['posted as ever']);
}, 180_000);

it('a correction and a deletion of which no event came reach the client', async () => {
  const chat = await atRest();
  const operator = bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
  const [price, wrong] = [chat.answers('It costs 10'), chat.answers('To the wrong person')];
  await chat.becomes('It costs 10', 'delivered');
  await chat.becomes('To the wrong person', 'delivered');
  await chat.dialog.delivered(price);
  await chat.dialog.delivered(wrong);
  await bridge.portal.events.idle();
  await rests(chat);
  bridge.bitrix24.faults.next('event', 'dropBefore', 2);
  operator.edits(price, 'It costs 12');
  operator.deletes(wrong);
  await eventually(
    () => chat.client.inbox.map(({ text }) => text),
    (texts) => JSON.stringify(texts) === JSON.stringify(['before', 'It costs 12']),
    TWO_READINGS_MS,
  );
}, 120_000);

it('what operators think of a message is shown to the client, the newest that Telegram has', async () => {
  const chat = await Conversation.begin(bridge, ++lastId);
  const { client, dialog } = chat;
  const members = bridge.portal.chat(`tg:${client.id}`).members.add(1);
  const [anna, boris] = [27, 28].map((id) => bridge.portal.operator({ id, name: `Operator ${id}` }));
  members.add(27).add(28);
  const said = client.sends('Thank you!').message;
  await chat.becomes('Thank you!', 'delivered');
  const message = dialog.messages.find(({ text }) => text === 'Thank you!')!;
  const answer = chat.answers('You are welcome');
  await chat.becomes('You are welcome', 'delivered');
  await dialog.delivered(answer);
  const shown = (id: number) => client.chat.reactions.get(id)?.map((one) => (one as { emoji: string }).emoji);
  const becomes = (id: number, emoji: string[]) =>
    eventually(
      () => shown(id),
      (now) => JSON.stringify(now) === JSON.stringify(emoji),
      TWO_READINGS_MS,
    );
  anna!.reacts(message, 'redHeart');
  anna!.reacts(answer, 'facepalm');
  await becomes(said.message_id, ['❤']);
  boris!.reacts(message, 'fire');
  await becomes(said.message_id, ['🔥']);
  boris!.unreacts(message, 'fire');
  await becomes(said.message_id, ['❤']);
  anna!.unreacts(message, 'redHeart');
  await becomes(said.message_id, []);
  expect(client.inbox.map(({ text }) => text)).toEqual(['You are welcome']);
  const own = client.inbox.at(-1)!.message_id;
  expect(shown(own)).toBeUndefined();
  bridge.portal.messengerEvents.tellsReactionAction = true;
  bridge.portal.messengerEvents.showsReactions = false;
  boris!.reacts(answer, 'like');
  await becomes(own, ['👍']);
}, 240_000);

it('where another application reads the same queue, it is left to that one', async () => {
  const chat = await Conversation.begin(bridge, ++lastId);
  bridge.portal.chat(`tg:${chat.client.id}`).members.add(1);
  chat.answers('good day');
  const { messengerEvents } = bridge.portal;
  const reads = callsOf(GET).length;
  await eventually(
    () => callsOf(GET),
    (calls) => calls.length > reads,
    30_000,
  );
  messengerEvents.rows = [];
  await pause(17_000);
  const afterwards = callsOf(GET).length;
  await pause(17_000);
  expect(callsOf(GET).length).toBe(afterwards);
  expect(await chat.becomes('good day', 'delivered')).toBeDefined();
}, 120_000);
