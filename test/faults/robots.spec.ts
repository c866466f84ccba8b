import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, type Bridge } from '../support/bridge.js';
import type { Run } from '../support/bitrix24-simulator/robots.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes, choose, entityOf, returned, runRobot } from '../support/crm.js';

const CHATS = 6;
let bridge: Bridge;
let talks: Conversation[];

beforeAll(async () => {
  bridge = await bridgeWithScopes();
  await choose(bridge, 'robots');
  talks = await Promise.all(Array.from({ length: CHATS }, (_, n) => Conversation.begin(bridge, 800 + n)));
});
afterAll(async () => bridge?.stop());

const writeAll = (text: string) =>
  talks.map((talk) => runRobot(bridge, 'tg_send_message', entityOf(bridge, talk), { properties: { text } }));

/** Each client has it once, or the process knows that nobody knows; nothing is lost and nothing doubled. */
async function verify(runs: Run[], text: string): Promise<string[]> {
  const statuses: string[] = [];
  for (const [n, run] of runs.entries()) {
    const { status } = await returned(run, 60_000);
    const copies = talks[n]!.reached.filter((said) => said === text).length;
    if (status === 'delivered') expect(copies).toBe(1);
    else expect([status, copies <= 1]).toEqual(['uncertain', true]);
    statuses.push(String(status));
  }
  return statuses;
}

it('killed as soon as the posts are taken, it writes to everybody once and answers every process', async () => {
  const runs = writeAll('early');
  await bridge.portal.events.idle();
  await bridge.restart({}, 'kill');
  await verify(runs, 'early');
});

it('killed in the middle of the sends, it repeats none and answers every process', async () => {
  bridge.telegram.faults.next('sendMessage', { delayMs: 3_000 }, CHATS);
  const runs = writeAll('middle');
  await eventually(
    () => talks.filter(({ sends }) => sends >= 2).length,
    (begun) => begun >= CHATS / 2,
    20_000,
  );
  await bridge.restart({}, 'kill');
  expect(await verify(runs, 'middle')).toContain('uncertain');
});

it('killed before the portal has taken the answers, it gives them again', async () => {
  bridge.bitrix24.faults.next('bizproc.event.send', 'dropBefore', 2 * CHATS);
  const runs = writeAll('late');
  await eventually(
    () => bridge.messages('&direction=outbound&q=late'),
    (items) => items.filter(({ state }) => state === 'delivered').length === CHATS,
    20_000,
  );
  await bridge.restart({}, 'kill');
  expect(new Set(await verify(runs, 'late'))).toEqual(new Set(['delivered']));
});
