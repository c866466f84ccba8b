import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Lease } from '../../src/storage/work/lease.js';
import { createTestStorage, endHolds, operatorMessage, update } from '../support/storage.js';

const CHATS = 60;
const SECONDS = 8;

let storage: Awaited<ReturnType<typeof createTestStorage>>;

beforeEach(async () => {
  storage = await createTestStorage();
});

afterEach(() => storage.close());

/** Both directions at work on the same chats, in batches of any order, as group commits make them. */
it('nobody waits in a circle: words, answers, edits, albums and settlements over the same chats', async () => {
  const intake = new IntakeRepository(storage.db);
  const lanes = new LanesRepository(storage.db);
  const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
  await endHolds(storage.db);
  // Created in an order that is not that of their ids.
  const chats = Array.from({ length: CHATS }, (_, index) => 100 + ((index * 37) % CHATS) * 7);
  let lastUpdate = 0;
  let lastAnswer = 0;
  const say = (chat: number, more: object = {}) => update(++lastUpdate, chat, 'hello', more);
  await intake.acceptClientUpdates(chats.map((chat) => say(chat)));

  const some = (count: number) =>
    chats
      .map((chat) => ({ chat, at: Math.random() }))
      .sort((one, other) => one.at - other.at)
      .slice(0, count)
      .map(({ chat }) => chat);
  const errors: unknown[] = [];
  const until = performance.now() + SECONDS * 1_000;
  const repeat = async (step: () => Promise<unknown>) => {
    while (performance.now() < until) await step().catch((error: unknown) => errors.push(error));
  };
  const settle = async (lease: Lease, more: object) => {
    const claimed = await lanes.claim(lease, 12, 1);
    if (claimed.length === 0) return new Promise((resolve) => setTimeout(resolve, 5));
    const done = (lane: ClaimedLane) => ({
      lane,
      dueInMs: 0,
      deliveries: lane.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const, ...more })),
    });
    return lanes.settle([{ lease, lanes: claimed.map(done) }], 'me');
  };
  const ofBot = leases.find(({ endpoint }) => endpoint === 'bot:1')!;
  const ofPortal = leases.find(({ endpoint }) => endpoint === 'portal:1')!;
  let lastEdit = 0;
  await Promise.all([
    repeat(() => intake.acceptClientUpdates(some(12).map((chat) => say(chat)))),
    repeat(() => intake.acceptClientUpdates(some(12).map((chat) => say(chat, { albumId: String(lastUpdate % 7) })))),
    repeat(() =>
      intake.acceptClientUpdates(
        some(6).map((chat) => say(chat, { edits: true, telegramMessageId: BigInt(1 + chats.indexOf(chat)) })),
      ),
    ),
    repeat(() => intake.acceptOperatorMessages(some(12).map((chat) => operatorMessage(++lastAnswer, chat, 'answer')))),
    repeat(() => {
      const edited = some(6).map((_, index) => Math.max(1, lastAnswer - index * 5));
      return intake.acceptOperatorChanges(
        edited.map((id) => ({
          portalId: 1n,
          bitrixMessageId: String(id),
          words: { text: `edit ${++lastEdit}`, marks: [] },
          telegramMessageIds: [],
          raw: {},
          name: 'ONIMCONNECTORMESSAGEUPDATE',
          source: 'bitrix24:1',
          key: `edit:${lastEdit}`,
        })),
      );
    }),
    repeat(() => settle(ofBot, { reportDelivery: true })),
    repeat(() => settle(ofPortal, {})),
  ]);
  expect(errors).toEqual([]);
  const deadlocks = async () =>
    (
      await storage.db.query<{ deadlocks: number }>(
        `SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()`,
      )
    ).rows[0]!.deadlocks;
  // The server tells of it up to a second later.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(await deadlocks()).toBe(0);
}, 60_000);
