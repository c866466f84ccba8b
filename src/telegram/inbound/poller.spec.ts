import { expect, it, vi } from 'vitest';
import type { HeldLease } from '../../relay/endpoint-driver.js';
import type { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { Poller } from './poller.js';
import type { BotApi } from '../api/telegram.client.js';
import type { UpdatesService } from './updates.service.js';

it('asks for the same updates again until they are committed', async () => {
  const polling = new AbortController();
  const asked: (number | undefined)[] = [];
  const kept: bigint[] = [];
  const getUpdates = ({ offset }: { offset?: number }) => {
    asked.push(offset);
    if (asked.length === 3) polling.abort();
    return Promise.resolve([{ update_id: 41 }, { update_id: 42 }]);
  };
  const api = {
    polls: { getUpdates },
    calls: { deleteWebhook: () => Promise.resolve(true) },
    by: () => api,
  } as unknown as BotApi;
  const acceptPolled = (_bot: unknown, _updates: unknown, { nextOffset }: { nextOffset: bigint }) => {
    kept.push(nextOffset);
    return kept.length === 1 ? Promise.reject(new Error('the database is away')) : Promise.resolve();
  };
  const held = { held: true, lease: { endpoint: 'bot:1', owner: 'me', fence: 1n } } as unknown as HeldLease;
  const poller = new Poller(
    { id: 1n, nextOffset: 41n, trouble: null },
    api,
    { acceptPolled } as unknown as UpdatesService,
    { setState: () => Promise.resolve() } as unknown as BotsRepository,
    held,
  );
  await poller.run(polling.signal);
  expect(kept.slice(0, 2)).toEqual([43n, 43n]);
  expect(asked).toEqual([41, 41, 43]);
});

it('knows when Telegram last answered, also while a poll hangs', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] });
  try {
    const polling = new AbortController();
    const answers = [Promise.resolve([]), new Promise<never>(() => {})];
    const getUpdates = () => answers.shift()!;
    const api = {
      polls: { getUpdates },
      calls: { deleteWebhook: () => Promise.resolve(true) },
      by: () => api,
    } as unknown as BotApi;
    const held = { held: true, lease: { endpoint: 'bot:1', owner: 'me', fence: 1n } } as unknown as HeldLease;
    const poller = new Poller({ id: 1n, nextOffset: 41n, trouble: null }, api, {} as never, {} as never, held);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(poller.health().polledMsAgo).toBe(60_000);
    void poller.run(polling.signal);
    await vi.advanceTimersByTimeAsync(400_000);
    expect(poller.health()).toEqual({ healthy: true, polledMsAgo: 400_000 });
  } finally {
    vi.useRealTimers();
  }
});
