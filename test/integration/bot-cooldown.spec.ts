import { afterAll, beforeAll, expect, it } from 'vitest';
import { UpstreamError } from '../../src/common/upstream-error.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { BotDriver } from '../../src/telegram/bot.driver.js';
import { BOT, createTestStorage } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;

beforeAll(async () => {
  storage = await createTestStorage();
});
afterAll(() => storage.close());

const lane = (chat: bigint) =>
  ({ id: chat, channel: 'outbound', chat: { telegramChatId: chat }, deliveries: [] }) as unknown as ClaimedLane;

it('a bot that Telegram silenced in all of its chats is silent after a restart, too, and then no longer', async () => {
  const endpoints = new EndpointsRepository(storage.db);
  const lease = (await endpoints.acquire('me', 10)).find(({ endpoint }) => endpoint === 'bot:1')!;
  const held = { lease, held: true, signal: new AbortController().signal };
  const error = new UpstreamError({
    network: 'telegram',
    kind: 'not_sent',
    code: '429',
    detail: 'Too Many Requests',
    scope: 'chat',
    retryAfterMs: 60_000,
  });
  const driver = () =>
    new BotDriver(
      BOT,
      held,
      { find: () => Promise.resolve({}) } as never,
      {} as never,
      {} as never,
      {} as never,
      { send: () => Promise.resolve({ deliveries: [{ seq: 1n, delivered: false, error }] }) } as never,
      endpoints,
    );
  const before = driver();
  expect(await before.permits(2)).toMatchObject({ granted: 1 });
  await Promise.all(before.send([lane(10n)]));
  expect(await endpoints.cooldownMs(lease.endpoint)).toBe(0);
  await Promise.all(before.send([lane(11n)]));

  const after = await driver().permits(2);
  expect(after.granted).toBe(0);
  expect(after.retryInMs).toBeGreaterThan(50_000);
  await storage.db.query(`UPDATE endpoints SET cooldown_until = now() - interval '1 s'`);
  expect(await driver().permits(2)).toMatchObject({ granted: 1 });
});
