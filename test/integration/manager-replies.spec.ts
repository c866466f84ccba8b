import { afterEach, beforeEach, expect, it } from 'vitest';
import { ManagerRepliesRepository } from '../../src/storage/accounts/manager-replies.repository.js';
import { createTestStorage } from '../support/storage.js';

const MANAGER = 900n;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let replies: ManagerRepliesRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  replies = new ManagerRepliesRepository(storage.db);
});
afterEach(() => storage.close());

const keep = (cause: string, personId: bigint, options = {}) =>
  replies.keep({ managerId: MANAGER, cause, personId, message: { text: cause } }, options);
const claim = async () => (await replies.claim(MANAGER, 10)).map(({ cause }) => cause).toSorted();

it('what comes twice is answered once, also after the answer was sent', async () => {
  await keep('update:1', 10n);
  await keep('update:1', 10n);
  const [reply] = await replies.claim(MANAGER, 10);
  await replies.finish(reply!.id);
  await keep('update:1', 10n);
  expect(await claim()).toEqual([]);
});

it('each person hears one after the other, nobody waits for another', async () => {
  await keep('update:1', 10n);
  await keep('update:2', 10n);
  await keep('update:3', 11n);
  const [first, others] = [await replies.claim(MANAGER, 10), await claim()];
  expect(first.map(({ cause }) => cause).toSorted()).toEqual(['update:1', 'update:3']);
  expect(others).toEqual([]);
  await replies.postpone(first.find(({ cause }) => cause === 'update:1')!.id, 60_000);
  expect(await claim()).toEqual([]);
  for (const { id } of first) await replies.finish(id);
  expect(await claim()).toEqual(['update:2']);
});

it('whoever writes much meanwhile gets one answer', async () => {
  await keep('update:1', 10n, { unlessWaiting: true });
  await keep('update:2', 10n, { unlessWaiting: true });
  await keep('update:3', 10n);
  await storage.db.query(`UPDATE manager_replies SET due_at = NULL WHERE cause = 'update:1'`);
  expect(await claim()).toEqual(['update:3']);
});

it('is forgotten after two days', async () => {
  await keep('update:1', 10n);
  await keep('update:2', 10n);
  await storage.db.query(`UPDATE manager_replies SET created_at = now() - interval '3 days' WHERE cause = 'update:1'`);
  await replies.forget();
  expect(await claim()).toEqual(['update:2']);
});
