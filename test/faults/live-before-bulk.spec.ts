import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';

/** Clients who all get the newsletter, some 400 texts of it, and those whom operators answer meanwhile. */
const READERS = Array.from({ length: 200 }, (_, index) => 20_001 + index);
const ASKING = Array.from({ length: 12 }, (_, index) => 30_001 + index);
const SECOND_MS = 1_000;

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
    telegram: { limits: true },
  });
  for (const id of [...READERS, ...ASKING]) bridge.bot.client({ id, first_name: `Client ${id}` }).sends('hello');
  for (const id of [...READERS, ...ASKING]) await bridge.portal.dialog(`tg:${id}`).receives(1, 60_000);
}, 120_000);

afterAll(async () => bridge?.stop());

const sent = (text: RegExp) => bridge.telegram.ledger().filter((entry) => text.test(entry.text));

it('answers people at once while a newsletter goes out, and keeps its pace', { timeout: 120_000 }, async () => {
  for (const part of [1, 2]) for (const id of READERS) bridge.portal.systemText(`tg:${id}`, `News ${part}`);
  // The first texts of a full allowance are behind us: from here on the newsletter takes all that it is given.
  await eventually(
    () => sent(/^News/).length,
    (count) => count > 60,
    30_000,
  );

  const operator = bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
  const waited: number[] = [];
  for (const id of ASKING) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    const began = Date.now();
    operator.sends(`tg:${id}`, `answer ${id}`);
    const [answer] = await eventually(
      () => sent(new RegExp(`answer ${id}$`)),
      (found) => found.length === 1,
      30_000,
    );
    waited.push(answer!.at - began);
  }
  const left = 2 * READERS.length - sent(/^News/).length;
  // One of them may have met a busy machine; behind the newsletter each would have waited longer than the one before.
  const median = waited.toSorted((a, b) => a - b)[waited.length / 2]!;
  expect(median, `waited ${waited.join(', ')} ms`).toBeLessThanOrEqual(SECOND_MS);
  expect(left, 'the newsletter went on all the while').toBeGreaterThan(20);

  const news = await eventually(
    () => sent(/^News/),
    (found) => found.length === 2 * READERS.length,
    60_000,
  );
  // What it is given exactly is proved beside the pace; here it is enough that it goes on, on a busy machine too.
  const steady = news.filter(({ at }) => at >= news[0]!.at + SECOND_MS);
  const perSecond = steady.length / ((steady.at(-1)!.at - steady[0]!.at) / SECOND_MS);
  expect(perSecond).toBeGreaterThan(10);

  const times = bridge.telegram.ledger().map(({ at }) => at);
  const busiest = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + SECOND_MS).length));
  expect(busiest).toBeLessThanOrEqual(30);
  expect(bridge.telegram.calls.filter(({ status }) => status === 429)).toEqual([]);
  for (const id of READERS) {
    const words = bridge.telegram.ledger().filter(({ chatId }) => chatId === id);
    expect(words.map(({ text }) => text)).toEqual(['News 1', 'News 2']);
  }
});
