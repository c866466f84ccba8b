import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';

const MANAGER_TOKEN = '555000111:MANAGER-token_of_the_test_0123456789a';

let bridge: Bridge;
let manager: SimulatedBot;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { TG_MANAGER_BOT_TOKEN: MANAGER_TOKEN }, installed: false });
  manager = bridge.telegram.addBot({ token: MANAGER_TOKEN, username: 'maker_bot', managesBots: true });
});
afterAll(async () => bridge?.stop());

const stateOf = async () => (await bridge.program.admin('GET', '/bot-requests/manager')).json;
const becomes = (trouble: string | null) => eventually(stateOf, (state) => state.trouble === trouble, 30_000);
/** A diagnosis is kept for 10 s. */
const diagnosed = (code: string) =>
  eventually(
    async () =>
      (await bridge.program.admin('GET', '/doctor')).json.checks.find(({ id }: { id: string }) => id === 'manager'),
    (check) => check?.code === code,
    30_000,
  );

/** What another program does with the token of the manager bot. */
const stranger = async (method: string, params: object) =>
  fetch(`${bridge.telegram.url}/bot${MANAGER_TOKEN}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
  }).then((answer) => answer.text());

/** The manager is in this trouble from the first time on for as long as it is looked at. */
async function staysIn(trouble: string, meanwhile: () => Promise<unknown>): Promise<void> {
  const isOver = new AbortController();
  const strangers = (async () => {
    while (!isOver.signal.aborted) await meanwhile();
  })();
  try {
    await becomes(trouble);
    const seen = new Set<string | null>();
    for (let look = 0; look < 60; look++) {
      seen.add((await stateOf()).trouble);
      await sleep(200);
    }
    expect([...seen]).toEqual([trouble]);
  } finally {
    isOver.abort();
    await strangers;
  }
}

it('is found well, with the moment when Telegram last answered it', async () => {
  await becomes(null);
  const { heardAt } = await stateOf();
  expect(Date.now() - Date.parse(heardAt)).toBeLessThan(20_000);
  expect((await diagnosed('manager.ready')).what).toMatch(
    /^@maker_bot makes bots for open lines; Telegram last answered/,
  );
  await eventually(stateOf, (state) => Date.parse(state.heardAt) > Date.parse(heardAt), 20_000);
});

it('another program that polls is told as long as it does', async () => {
  await staysIn('409', () => stranger('getUpdates', { timeout: 3 }));
  expect((await diagnosed('manager.conflict')).advice).toContain('Stop that program');
  await becomes(null);
});

it('another program’s webhook is told, and removed', async () => {
  await staysIn('webhook_elsewhere', async () => {
    await stranger('setWebhook', { url: 'https://stranger.example/hook' });
    await sleep(1_100);
  });
  await becomes(null);
  expect(manager.webhookInfo.url).toBe('');
});

it('a manager that may not manage any more, and a token that is refused, are told', async () => {
  manager.profile = { ...manager.profile, managesBots: false };
  await bridge.restart();
  await becomes('cannot_manage');
  expect((await diagnosed('manager.cannot_manage')).what).toContain('@maker_bot');
  bridge.telegram.revoke(manager);
  await becomes('401');
  expect((await diagnosed('manager.token_refused')).advice).toContain('TG_MANAGER_BOT_TOKEN');
});
