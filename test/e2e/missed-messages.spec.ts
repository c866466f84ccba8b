import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge } from '../support/bridge.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start();
});

afterAll(async () => bridge?.stop());

it('delivers once what operators wrote while the program was away, and nothing that was not meant for the client', async () => {
  const ivan = bridge.bot.client({ id: 777, first_name: 'Ivan' });
  const operator = bridge.portal.operator({ id: 27, name: 'Samantha' });
  ivan.sends('Hello');
  await bridge.portal.dialog('tg:777').receives(1, 10_000);
  const before = operator.sends('tg:777', 'before');
  await bridge.portal.dialog('tg:777').delivered(before, 10_000);

  await bridge.program.stop();
  const first = operator.sends('tg:777', 'while [b]away[/b] 1');
  operator.whispers('tg:777', 'for colleagues only');
  bridge.portal.systemText('tg:777', 'A system line');
  const second = operator.sends('tg:777', 'while away 2');
  await bridge.portal.events.idle();
  expect(bridge.portal.ledger().eventsLost).toBeGreaterThanOrEqual(2);
  await bridge.restart();

  await ivan.receives(3, 60_000);
  await bridge.portal.dialog('tg:777').delivered(second, 10_000);
  expect(ivan.inbox.map(({ text }) => text)).toEqual(['before', 'while away 1', 'while away 2']);
  expect(bridge.portal.message(first).sending).toBe(false);

  // Another start finds nothing that is not delivered already.
  await bridge.restart();
  const last = operator.sends('tg:777', 'after');
  await bridge.portal.dialog('tg:777').delivered(last, 10_000);
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  expect(ivan.inbox.map(({ text }) => text)).toEqual(['before', 'while away 1', 'while away 2', 'after']);
}, 90_000);
