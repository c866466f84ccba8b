import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';

const CROWD = Array.from({ length: 20 }, (_, index) => 2_001 + index);
const GROUP = -1_001_000_777;
const BURST_MS = 110_000;

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
    telegram: { limits: true },
  });
});

afterAll(async () => bridge?.stop());

const sent = (chatId: number) =>
  bridge.telegram
    .ledger()
    .filter((entry) => entry.chatId === chatId)
    .map(({ text }) => text);

const numbered = (word: string, count: number) => Array.from({ length: count }, (_, index) => `${word} ${index + 1}`);

async function begin(clients: number[]): Promise<void> {
  for (const id of clients) bridge.bot.client({ id, first_name: `Client ${id}` }).sends('hello');
  for (const id of clients) await bridge.portal.dialog(`tg:${id}`).receives(1, 20_000);
}

it('keeps bursts within Telegram’s limits: in order, and without a single 429', { timeout: 150_000 }, async () => {
  await begin([1_001, ...CROWD, 1_002]);
  const chat = { id: GROUP, type: 'supergroup', title: 'Customers' } as const;
  bridge.bot.pushUpdate({
    message: {
      message_id: 1,
      chat,
      from: { id: 5_001, is_bot: false, first_name: 'Ann' },
      date: bridge.bot.unixTime,
      text: 'hello',
    },
  });
  await bridge.portal.dialog(`tg:${GROUP}`).receives(1, 20_000);

  const operator = bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
  const privately = numbered('private', 40);
  const inGroup = numbered('group', 25);
  const long = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(4_000));
  const began = Date.now();
  for (const text of privately) operator.sends('tg:1001', text);
  for (const text of inGroup) operator.sends(`tg:${GROUP}`, text);
  for (let n = 1; n <= 3; n++) for (const id of CROWD) operator.sends(`tg:${id}`, `crowd ${n}`);
  const parts = operator.sends('tg:1002', long.join('\n\n'));

  await eventually(
    () => CROWD.flatMap(sent).length,
    (count) => count === 60,
    20_000,
  );
  // The chats that have to wait have not kept the others waiting.
  expect(Date.now() - began).toBeLessThan(15_000);
  for (const id of CROWD) expect(sent(id)).toEqual(numbered('crowd', 3));

  await bridge.portal.dialog('tg:1002').delivered(parts, 30_000);
  expect(sent(1_002).map((text) => text[0])).toEqual(['a', 'b', 'c', 'd', 'e']);

  await eventually(
    () => sent(1_001).length,
    (count) => count === privately.length,
    BURST_MS,
  );
  // One a second after three at once; what the pace loses to looking at the tables must not add up.
  expect(Date.now() - began).toBeLessThan(45_000);
  await eventually(
    () => sent(GROUP).length,
    (count) => count === inGroup.length,
    BURST_MS,
  );
  expect(sent(1_001)).toEqual(privately);
  expect(sent(GROUP)).toEqual(inGroup);
  expect(bridge.telegram.calls.filter(({ status }) => status === 429)).toEqual([]);

  const items = await eventually(
    () => bridge.messages('&direction=outbound&state=delivered'),
    (list) => list.length === 126,
  );
  expect(items.filter(({ attempts }) => attempts !== 1).map(({ text }) => String(text)[0])).toEqual(['a']);
});

it('does not keep a single message waiting', async () => {
  await begin([1_003]);
  const took: number[] = [];
  for (let n = 1; n <= 3; n++) {
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const began = Date.now();
    bridge.portal.operator({ id: 27 }).sends('tg:1003', `single ${n}`);
    await bridge.bot.client({ id: 1_003, first_name: 'x' }).receives(n, 2_000);
    took.push(Date.now() - began);
  }
  expect(Math.min(...took)).toBeLessThan(150);
});
