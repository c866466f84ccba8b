import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const STATUS = 'imconnector.send.status.delivery';

let bridge: Bridge;
let chats: Conversation[];

beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false } });
  chats = await Promise.all(Array.from({ length: 12 }, (_, n) => Conversation.begin(bridge, 700 + n)));
}, 60_000);

afterEach(() => bridge.bitrix24.faults.clear());
afterAll(async () => bridge?.stop());

const calls = () => bridge.portal.calls.filter(({ method }) => method === STATUS);
const statusesOf = async (chat: Conversation, text: string) =>
  (await chat.timeline((await chat.becomes(text, 'delivered')).id)).filter(({ kind }) => kind === 'status');

it('answers of one moment are reported together, each once with its ids', async () => {
  const before = calls().length;
  const answers = chats.map((chat) => chat.answers('together'));
  await Promise.all(answers.map((answer, n) => chats[n]!.dialog.delivered(answer, 10_000)));
  expect(calls().length - before).toBeLessThanOrEqual(6);
  for (const [n, answer] of answers.entries()) {
    const told = bridge.portal.deliveryReports.filter(({ messageId }) => messageId === answer.id);
    const { message_id: telegramId } = chats[n]!.client.inbox.at(-1)!;
    expect(told).toMatchObject([{ asArray: true, accepted: true, externalIds: [`tg:${700 + n}:${telegramId}`] }]);
  }
  // It succeeded at once: the delivery itself says when.
  expect(
    await eventually(
      () => statusesOf(chats[0]!, 'together'),
      (found) => found.length === 0,
    ),
  ).toEqual([]);
});

it('one that fails waits in the timeline, is told with every try, and holds up no words', async () => {
  const [chat] = chats as [Conversation];
  bridge.bitrix24.faults.next(STATUS, { status: 500, error: 'INTERNAL_SERVER_ERROR' }, 2, chat.fromClient);
  const answer = chat.answers('in vain at first');
  await eventually(
    () => statusesOf(chat, 'in vain at first'),
    (found) => found.some(({ what }) => what === 'waiting') && found.some(({ outcome }) => outcome === 'retry'),
  );
  chat.client.sends('words meanwhile');
  await chat.becomes('words meanwhile', 'delivered', 5_000);
  await chat.dialog.delivered(answer, 15_000);
  const story = await eventually(
    () => statusesOf(chat, 'in vain at first'),
    (found) => found.every(({ what }) => what === 'attempt'),
  );
  expect(story.map(({ number, outcome }) => [number, outcome])).toEqual([
    [1, 'retry'],
    [2, 'retry'],
    [3, 'delivered'],
  ]);
});

it('what was not reported before a kill is reported afterwards', { timeout: 60_000 }, async () => {
  const [chat] = chats as [Conversation];
  bridge.bitrix24.faults.next(STATUS, { status: 500, error: 'INTERNAL_SERVER_ERROR' }, Infinity, chat.fromClient);
  const answer = chat.answers('killed before its tick');
  await chat.becomes('killed before its tick', 'delivered');
  bridge.bitrix24.faults.clear();
  await bridge.restart({}, 'kill');
  await chat.dialog.delivered(answer, 40_000);
  expect(chat.reached.filter((text) => text === 'killed before its tick')).toHaveLength(1);
});
