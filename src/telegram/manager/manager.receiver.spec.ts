import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ManagerReceiver } from './manager.receiver.js';

const person = { id: 7, is_bot: false, first_name: 'Anna' };
const words = (update_id: number) => ({
  update_id,
  message: { message_id: 1, date: 1, chat: { id: 7, type: 'private' }, from: person, text: `${update_id}` },
});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** What the desk was given, by update, while the manager bot has two updates, and the first one cannot be handled. */
async function handled(failure: unknown, seconds: number): Promise<number[]> {
  const given: number[] = [];
  const offsets: number[] = [];
  const getUpdates = ({ offset = 0 }: { offset?: number }, signal: AbortSignal) => {
    offsets.push(offset);
    const waiting = [41, 42].filter((id) => id >= offset);
    if (waiting.length > 0) return Promise.resolve(waiting.map(words));
    return new Promise((_, fail) => signal.addEventListener('abort', () => fail(new Error('aborted'))));
  };
  const calls = {
    getMe: () => Promise.resolve({ username: 'maker_bot', can_manage_bots: true }),
    deleteWebhook: () => Promise.resolve(true),
  };
  const managers = {
    read: () => Promise.resolve(true),
    find: () => Promise.resolve(null),
    heard: () => Promise.resolve(),
    troubled: () => Promise.resolve(),
    leave: () => Promise.resolve(),
  };
  const handle = ({ updateId }: { updateId: number }) => {
    given.push(updateId);
    return updateId === 41 ? Promise.reject(failure) : Promise.resolve(null);
  };
  const receiver = new ManagerReceiver(
    { identity: { telegramId: 900n, api: { polls: { getUpdates }, calls } } } as never,
    managers as never,
    { findByTelegramId: () => Promise.resolve(null) } as never,
    { handle } as never,
  );
  receiver.onApplicationBootstrap();
  await vi.advanceTimersByTimeAsync(seconds * 1_000);
  const stopped = receiver.beforeApplicationShutdown();
  await vi.advanceTimersByTimeAsync(10_000);
  await stopped;
  return given;
}

it('an update that cannot be stored is tried three times, and others do not wait behind it for ever', async () => {
  expect(await handled(new Error('invalid byte sequence'), 60)).toEqual([41, 41, 41, 42]);
});

it('while the database is away every update is kept at Telegram', async () => {
  const given = await handled(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), 60);
  expect(new Set(given)).toEqual(new Set([41]));
  expect(given.length).toBeGreaterThan(5);
});
