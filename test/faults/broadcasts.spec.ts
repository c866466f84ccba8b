import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes } from '../support/crm.js';

/** More than one bot has under way at once. */
const CHATS = 90;
let bridge: Bridge;
let talks: Conversation[];

beforeAll(async () => {
  bridge = await bridgeWithScopes();
  talks = Array.from({ length: CHATS }, (_, n) => Conversation.of(bridge, 50_000 + n));
  for (const { client } of talks) client.sends('hello');
  for (const { dialog } of talks) await dialog.receives(1, 60_000);
}, 120_000);
afterAll(async () => bridge?.stop());

const reached = (text: string) => talks.flatMap((talk) => talk.reached.filter((said) => said === text)).length;

it(
  'killed again and again in the middle, it leaves nobody out and sends nothing twice',
  { timeout: 240_000 },
  async () => {
    const { json } = await bridge.program.admin('POST', '/broadcasts', { name: 'News', text: 'News' });
    expect((await bridge.program.admin('POST', `/broadcasts/${json.id}/start`)).status).toBe(200);
    for (const share of [0.15, 0.4, 0.7]) {
      await eventually(
        () => reached('News'),
        (count) => count >= share * CHATS,
        60_000,
      );
      // Answers of Telegram come late: several sends are under way when it is killed.
      bridge.telegram.faults.next('sendMessage', { delayMs: 1_000 }, 5);
      await bridge.restart({}, 'kill');
    }
    const { counts } = await eventually(
      async () => (await bridge.program.admin('GET', `/broadcasts/${json.id}`)).json,
      ({ state }) => state === 'done',
      120_000,
    );
    expect(counts.delivered + counts.uncertain, JSON.stringify(counts)).toBe(CHATS);
    let uncertain = 0;
    for (const talk of talks) {
      const copies = talk.reached.filter((said) => said === 'News').length;
      expect(copies, `client ${talk.client.id}`).toBeLessThanOrEqual(1);
      if (copies === 0) uncertain++;
    }
    expect(uncertain).toBeLessThanOrEqual(counts.uncertain);
  },
);

it('killed right after the start and after a pause, it goes on where it was', { timeout: 120_000 }, async () => {
  const { json } = await bridge.program.admin('POST', '/broadcasts', { name: 'More', text: 'More' });
  await bridge.program.admin('POST', `/broadcasts/${json.id}/start`);
  await bridge.restart({}, 'kill');
  await bridge.program.admin('POST', `/broadcasts/${json.id}/pause`);
  await bridge.restart({}, 'kill');
  const paused = await eventually(
    async () => (await bridge.program.admin('GET', `/broadcasts/${json.id}`)).json,
    ({ counts }) => counts.sending === 0,
    60_000,
  );
  expect(paused.state).toBe('paused');
  const before = reached('More');
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(reached('More')).toBe(before);
  await bridge.program.admin('POST', `/broadcasts/${json.id}/resume`);
  const { counts } = await eventually(
    async () => (await bridge.program.admin('GET', `/broadcasts/${json.id}`)).json,
    ({ state }) => state === 'done',
    60_000,
  );
  expect(counts.delivered + counts.uncertain).toBe(CHATS);
  for (const talk of talks) expect(talk.reached.filter((said) => said === 'More').length).toBeLessThanOrEqual(1);
});
