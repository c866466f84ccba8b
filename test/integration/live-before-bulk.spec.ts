import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/common/upstream-error.js';
import type { EndpointDriver, HeldLease, LaneResult, Permits } from '../../src/relay/endpoint-driver.js';
import { EndpointWorker } from '../../src/relay/endpoint-worker.js';
import { LaneClaims } from '../../src/relay/lane-claims.js';
import { LaneSettlements } from '../../src/relay/lane-settlements.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { DecisionsRepository } from '../../src/storage/work/decisions.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import { appendDeliveries } from '../../src/storage/work/outbox.js';
import type { Lease } from '../../src/storage/work/lease.js';
import type { Settlement } from '../../src/storage/work/settlement.js';
import { createTestStorage, endHolds, operatorMessage, update } from '../support/storage.js';

const CHATS = Array.from({ length: 24 }, (_, index) => 10 + index);

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let lanes: LanesRepository;
let bot: Lease;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
  bot = leases.find(({ endpoint }) => endpoint === 'bot:1')!;
  await endHolds(storage.db);
  await intake.acceptClientUpdates(CHATS.map((chat, n) => update(n, chat, 'hello')));
});

afterEach(() => storage.close());

let messageId = 100;
/** `author` '0': the portal itself. */
const written = (author: string) => (chat: number, text: string) => {
  const message = operatorMessage(++messageId, chat, text);
  return intake.acceptOperatorMessages([{ ...message, said: { ...message.said, authorId: author } }]);
};
const news = written('0');
const answer = written('27');

const texts = (claimed: ClaimedLane[]) => claimed.map(({ deliveries }) => deliveries[0]!.message.text);
const delivered = (claimed: ClaimedLane[], more: Partial<Settlement> = {}) =>
  lanes.settle(
    [
      {
        lease: bot,
        lanes: claimed.map((lane) => ({
          lane,
          dueInMs: 0,
          deliveries: lane.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const, ...more })),
        })),
      },
    ],
    'me',
  );

/** As if all that waits had come so many seconds earlier. */
const waitsSince = (seconds: number) =>
  storage.db.query(`UPDATE lanes SET due_at = due_at - make_interval(secs => $1)`, [seconds]);

describe('a claim', () => {
  it('takes what people wrote before what nobody wrote, however long that waits', async () => {
    for (const chat of CHATS.slice(0, 5)) await news(chat, `news ${chat}`);
    await waitsSince(3_600);
    await answer(20, 'answer 20');
    await answer(21, 'answer 21');
    expect(texts(await lanes.claim(bot, 2, 1)).sort()).toEqual(['answer 20', 'answer 21']);
    expect(texts(await lanes.claim(bot, 2, 1)).sort()).toEqual(['news 10', 'news 11']);
    await answer(22, 'answer 22');
    expect(texts(await lanes.claim(bot, 1, 1, { bulkFirst: true }))).toEqual(['news 12']);
    expect(texts(await lanes.claim(bot, 10, 1, { bulk: 1 })).sort()).toEqual(['answer 22', 'news 13']);
    expect(await lanes.claim(bot, 10, 1, { bulk: 0 })).toEqual([]);
    expect(texts(await lanes.claim(bot, 10, 1))).toEqual(['news 14']);
  });

  it('takes a chat for a person’s as soon as a person’s words wait there, in their order, and no longer', async () => {
    await news(10, 'one');
    await news(11, 'other');
    await waitsSince(60);
    await answer(10, 'two');
    for (const text of ['one', 'two']) {
      const claimed = await lanes.claim(bot, 1, 1);
      expect(texts(claimed)).toEqual([text]);
      await delivered(claimed);
    }
    await news(10, 'three');
    await news(12, 'last');
    await answer(13, 'answer');
    expect(texts(await lanes.claim(bot, 1, 1))).toEqual(['answer']);
    expect(texts(await lanes.claim(bot, 1, 1))).toEqual(['other']);
    expect(texts(await lanes.claim(bot, 2, 1)).sort()).toEqual(['last', 'three']);
  });

  it('does not take a closing text behind an answer for more urgent than the answer of another', async () => {
    await answer(10, 'answer');
    await news(10, 'closed');
    await news(11, 'news');
    expect(texts(await lanes.claim(bot, 1, 1))).toEqual(['answer']);
  });

  it('knows again what a person sends anew', async () => {
    await news(10, 'in vain');
    const claimed = await lanes.claim(bot, 1, 1);
    await lanes.settle(
      [
        {
          lease: bot,
          lanes: [{ lane: claimed[0]!, dueInMs: 0, deliveries: [{ seq: 1n, outcome: 'failed', code: 'x' }] }],
        },
      ],
      'me',
    );
    await new DecisionsRepository(storage.db).retry([claimed[0]!.deliveries[0]!.message.id]);
    await waitsSince(60);
    await answer(11, 'answer');
    expect(texts(await lanes.claim(bot, 1, 1))).toEqual(['answer']);
  });

  it('takes a client’s words before ticks that the version before left in lanes, however long those wait', async () => {
    const portal = (await new EndpointsRepository(storage.db).heartbeat('me')).find((l) => l.endpoint === 'portal:1')!;
    await lanes.claim(portal, 50, 1);
    for (const chat of CHATS.slice(0, 3)) await answer(chat, 'answer');
    const claimed = await lanes.claim(bot, 3, 1);
    await delivered(claimed);
    const { endpoint } = portal;
    await storage.db.transaction((connection) =>
      appendDeliveries(
        connection,
        claimed.map(({ chat, deliveries }) => ({
          chatId: chat.id,
          channel: 'status',
          endpoint,
          messageId: deliveries[0]!.message.id,
          kind: 'status',
        })),
      ),
    );
    await waitsSince(3_600);
    await intake.acceptClientUpdates([update(900, 99, 'words')]);
    expect(texts(await lanes.claim(portal, 1, 1))).toEqual(['words']);
    const ticks = await lanes.claim(portal, 10, 1);
    expect(ticks.map(({ channel }) => channel)).toEqual(['status', 'status', 'status']);
  });

  it('of the version before finds all of it', async () => {
    await news(10, 'news');
    // The priorities for which that version looks, one by one.
    const { rows } = await storage.db.query(`SELECT FROM lanes WHERE channel = 'outbound' AND priority IN (0, 5, 9)`);
    expect(rows).toHaveLength(1);
  });
});

const AWAY = new UpstreamError({
  network: 'telegram',
  kind: 'not_sent',
  scope: 'endpoint',
  code: 'ECONNREFUSED',
  detail: 'as planned',
});

/** Lets the test answer, and grants what the test says. */
class PermittingDriver implements EndpointDriver {
  readonly concurrency = 20;
  readonly headsPerLane = 1;
  readonly sent: { lane: ClaimedLane; answer: () => void; fail: () => void }[] = [];
  given: Partial<Permits> = {};

  constructor(readonly inDoubt: number) {}

  permits(max: number): Promise<Permits> {
    const granted = Math.min(max, this.given.granted ?? max);
    return Promise.resolve({ retryInMs: 20, ...this.given, granted });
  }
  send(claimed: ClaimedLane[]): Promise<LaneResult>[] {
    return claimed.map(
      (lane) =>
        new Promise((resolve) => {
          const deliveries = lane.deliveries.map(({ seq }) => ({ seq, delivered: true as const }));
          const failures = lane.deliveries.map(({ seq }) => ({ seq, delivered: false as const, error: AWAY }));
          const [answer, fail] = [deliveries, failures].map((all) => () => resolve({ deliveries: all }));
          this.sent.push({ lane, answer: answer!, fail: fail! });
        }),
    );
  }
  giveBack(): void {}
  start(): void {}
  stop = () => Promise.resolve();
  refresh(): void {}
  health = () => ({ healthy: true });

  get texts(): string[] {
    return texts(this.sent.map(({ lane }) => lane));
  }
}

describe('a worker', () => {
  let controller: AbortController;
  let worker: EndpointWorker;

  function begin(driver: EndpointDriver): void {
    controller = new AbortController();
    const { signal } = controller;
    const held: HeldLease = {
      lease: bot,
      signal,
      get held() {
        return !signal.aborted;
      },
    };
    const events = new RelayEvents();
    worker = new EndpointWorker(held, driver, lanes, events, {
      policy: 'hold',
      claims: new LaneClaims(lanes, events),
      settlements: new LaneSettlements(lanes, events, 'me'),
    });
    worker.start();
  }

  afterEach(async () => {
    controller.abort();
    await worker.stop(0);
    await sleep(50);
  });

  it('keeps a place for people’s words while what nobody wrote is under way', async () => {
    for (const chat of CHATS.slice(0, 10)) await news(chat, 'news');
    const driver = new PermittingDriver(4);
    begin(driver);
    await expect.poll(() => driver.sent.length).toBe(3);
    await answer(30, 'answer');
    worker.wake();
    await expect.poll(() => driver.texts.at(-1), { timeout: 700 }).toBe('answer');
    driver.sent[3]!.answer();
    // A result makes room for the next one, without anybody's waking.
    driver.sent[0]!.answer();
    await expect.poll(() => driver.sent.length, { timeout: 700 }).toBe(5);
  });

  it('goes on with what nobody wrote as soon as its driver allows some', async () => {
    for (const chat of CHATS.slice(0, 3)) await news(chat, 'news');
    const driver = new PermittingDriver(20);
    driver.given = { bulk: 0, bulkInMs: 300 };
    begin(driver);
    await sleep(150);
    expect(driver.sent).toEqual([]);
    driver.given = {};
    await expect.poll(() => driver.sent.length, { timeout: 1_000 }).toBe(3);
  });

  it('does not let what nobody wrote wait for ever where people write all the time', async () => {
    for (const chat of CHATS.slice(0, 2)) await news(chat, 'news');
    for (const chat of CHATS.slice(2, 22)) await answer(chat, 'answer');
    const driver = new PermittingDriver(20);
    driver.given = { granted: 1 };
    begin(driver);
    await expect.poll(() => driver.sent.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(12);
    const first = driver.texts.indexOf('news');
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(10);
  });

  it('tries what nobody wrote, too, where the network is found ill', async () => {
    for (const chat of CHATS.slice(0, 6)) await news(chat, 'news');
    const driver = new PermittingDriver(4);
    begin(driver);
    await expect.poll(() => driver.sent.length).toBe(3);
    for (const { fail } of driver.sent.slice()) fail();
    // The pause after failures of three chats is a second; then one of them is tried, and nobody else is there.
    await expect.poll(() => driver.sent.length, { timeout: 4_000 }).toBe(4);
  });
});
