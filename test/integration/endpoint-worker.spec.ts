import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UpstreamError, type UpstreamErrorFields } from '../../src/common/upstream-error.js';
import type { EndpointDriver, HeldLease, LaneResult } from '../../src/relay/endpoint-driver.js';
import { EndpointWorker } from '../../src/relay/endpoint-worker.js';
import { LaneClaims } from '../../src/relay/lane-claims.js';
import { LaneSettlements } from '../../src/relay/lane-settlements.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Lease } from '../../src/storage/work/lease.js';
import { createTestStorage, endHolds, operatorMessage, update } from '../support/storage.js';

const IN_DOUBT = 3;
const CHATS = [10, 11, 12, 13, 14, 15, 16, 17];

/** Sends at once, and is answered by the test. */
class ManualDriver implements EndpointDriver {
  readonly concurrency = 20;
  readonly inDoubt = IN_DOUBT;
  readonly headsPerLane = 1;
  readonly sent: { lane: ClaimedLane; at: number; answer: (result: LaneResult) => void }[] = [];
  asked = 0;
  /** What the limits of the network allow; null: everything. */
  limit: { granted: number; retryInMs: number } | null = null;

  permits(max: number) {
    this.asked++;
    return Promise.resolve(this.limit ?? { granted: max, retryInMs: 0 });
  }
  send(lanes: ClaimedLane[]): Promise<LaneResult>[] {
    return lanes.map((lane) => new Promise((answer) => void this.sent.push({ lane, at: performance.now(), answer })));
  }
  giveBack(): void {}
  start(): void {}
  stop(): Promise<void> {
    return Promise.resolve();
  }
  refresh(): void {}
  health() {
    return { healthy: true };
  }

  /** As soon as so many were sent. */
  async sends(count: number, timeoutMs = 5_000): Promise<void> {
    for (const end = performance.now() + timeoutMs; this.sent.length < count; await sleep(5)) {
      if (performance.now() > end) throw new Error(`Only ${this.sent.length} of ${count} were sent`);
    }
  }

  delivered(n: number): void {
    const { lane, answer } = this.sent[n]!;
    answer({ deliveries: lane.deliveries.map(({ seq }) => ({ seq, delivered: true, telegramMessageIds: [1n] })) });
  }

  failed(n: number, fields: Pick<UpstreamErrorFields, 'kind' | 'scope' | 'code'> & { retryAfterMs?: number }): void {
    const { lane, answer } = this.sent[n]!;
    const error = new UpstreamError({ network: 'telegram', detail: 'as planned', ...fields });
    answer({ deliveries: lane.deliveries.map(({ seq }) => ({ seq, delivered: false, error })) });
  }
}

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let lanes: LanesRepository;
let lease: Lease;
let worker: EndpointWorker;
let claims: LaneClaims;
let driver: ManualDriver;
let controller: AbortController;

beforeAll(() => Logger.overrideLogger(false));
afterAll(() => Logger.overrideLogger(['log', 'warn', 'error']));

beforeEach(async () => {
  storage = await createTestStorage();
  lanes = new LanesRepository(storage.db);
  const intake = new IntakeRepository(storage.db);
  const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
  lease = leases.find(({ endpoint }) => endpoint === 'bot:1')!;
  await endHolds(storage.db);
  await intake.acceptClientUpdates(CHATS.map((chat, n) => update(n, chat, 'hello')));
  await intake.acceptOperatorMessages(CHATS.map((chat, n) => operatorMessage(n + 1, chat, `to ${chat}`)));
});

afterEach(async () => {
  controller.abort();
  await worker.stop(0);
  await sleep(50);
  await storage.close();
});

function begin(settle?: Promise<void>): void {
  controller = new AbortController();
  const { signal } = controller;
  const held: HeldLease = {
    lease,
    signal,
    get held() {
      return !signal.aborted;
    },
  };
  driver = new ManualDriver();
  const events = new RelayEvents();
  const slow: Pick<LanesRepository, 'settle'> = {
    settle: async (...args) => {
      await settle;
      return lanes.settle(...args);
    },
  };
  claims = new LaneClaims(lanes, events);
  worker = new EndpointWorker(held, driver, lanes, events, {
    policy: 'hold',
    claims,
    settlements: new LaneSettlements(slow as LanesRepository, events, 'me'),
  });
  events.on('work', () => worker.wake());
  worker.start();
}

const sending = async () => (await storage.db.query(`SELECT FROM deliveries WHERE state = 'sending'`)).rowCount;

describe('what a crash would leave in doubt', () => {
  it('is bounded while answers are awaited', async () => {
    begin();
    await driver.sends(IN_DOUBT);
    await sleep(200);
    expect(driver.sent).toHaveLength(IN_DOUBT);
    expect(await sending()).toBe(IN_DOUBT);
    driver.delivered(0);
    await driver.sends(IN_DOUBT + 1);
  });

  it('is bounded while answers cannot be written down', async () => {
    let writeDown = () => {};
    begin(new Promise((resolve) => (writeDown = resolve)));
    await driver.sends(IN_DOUBT);
    for (let n = 0; n < IN_DOUBT; n++) driver.delivered(n);
    await sleep(200);
    expect(driver.sent).toHaveLength(IN_DOUBT);
    writeDown();
    await driver.sends(2 * IN_DOUBT);
  });

  it('does not make anybody wait for chats whose calls hang', async () => {
    begin();
    await driver.sends(CHATS.length);
    expect(driver.sent[IN_DOUBT]!.at - driver.sent[0]!.at).toBeGreaterThan(900);
  });
});

it('sends what a claim took whose answer was lost', async () => {
  const claim = lanes.claimTogether.bind(lanes);
  lanes.claimTogether = async (...args) => {
    lanes.claimTogether = claim;
    await claim(...args);
    throw new Error('Connection terminated unexpectedly');
  };
  begin();
  await driver.sends(IN_DOUBT);
  expect(driver.sent.map(({ lane }) => lane.deliveries[0]!.attempt)).toEqual([1, 1, 1]);
  expect(await sending()).toBe(IN_DOUBT);
});

describe('trouble that is not the network’s', () => {
  const away = { kind: 'not_sent', scope: 'endpoint', code: '502' } as const;

  it('what a predecessor left in doubt slows nothing down', async () => {
    await lanes.claim(lease, 5, 1);
    await storage.db.query(`UPDATE endpoints SET fence = fence + 1 WHERE id = 'bot:1'`);
    lease = { ...lease, fence: lease.fence + 1n };
    begin();
    await claims.reconcile([worker]);
    await driver.sends(3, 3_000);
  });

  it('a 429 in one chat ends the slowness that an outage began', async () => {
    begin();
    await driver.sends(3);
    for (let n = 0; n < 3; n++) driver.failed(n, away);
    // The probe.
    await driver.sends(4);
    driver.failed(3, { kind: 'not_sent', scope: 'chat', code: '429', retryAfterMs: 60_000 });
    await driver.sends(7, 3_000);
  });
});

describe('the limits of the network', () => {
  it('are asked for when it is worth asking, not whenever there is new work', async () => {
    begin();
    await driver.sends(IN_DOUBT);
    driver.limit = { granted: 0, retryInMs: 900 };
    driver.delivered(0);
    await expect.poll(() => driver.asked).toBeGreaterThan(1);
    await sleep(300);
    const { asked } = driver;
    for (let n = 0; n < 20; n++) {
      worker.wake();
      await sleep(10);
    }
    expect(driver.asked).toBe(asked);
    driver.limit = null;
    await driver.sends(IN_DOUBT + 1, 3_000);
  });

  it('are asked for again at once after a result, and after the endpoint changed', async () => {
    begin();
    await driver.sends(IN_DOUBT);
    driver.limit = { granted: 0, retryInMs: 60_000 };
    driver.delivered(0);
    await expect.poll(() => driver.asked).toBeGreaterThan(1);
    await sleep(300);
    driver.limit = null;
    const before = performance.now();
    driver.delivered(1);
    await driver.sends(IN_DOUBT + 2, 900);
    driver.limit = { granted: 0, retryInMs: 60_000 };
    driver.delivered(2);
    await sleep(300);
    driver.limit = null;
    worker.refresh();
    await driver.sends(IN_DOUBT + 3, 900);
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  it('hold for every chat when the network names a pause for the whole endpoint', async () => {
    begin();
    await driver.sends(IN_DOUBT);
    driver.failed(0, { kind: 'not_sent', scope: 'endpoint', code: '429', retryAfterMs: 1_500 });
    // What was on its way already arrives, which says nothing about the pause.
    driver.delivered(1);
    driver.delivered(2);
    const from = performance.now();
    await driver.sends(IN_DOUBT + 3, 10_000);
    const pauses = driver.sent.slice(IN_DOUBT).map(({ at }) => Math.round(at - from));
    expect(Math.min(...pauses)).toBeGreaterThan(1_400);
    expect(Math.max(...pauses)).toBeLessThan(5_000);
  });
});

it('lets automatic texts go first in one of ten claims', async () => {
  const asked: boolean[] = [];
  lanes.claimTogether = (requests) => {
    asked.push(...requests.map(({ bulkFirst }) => bulkFirst));
    return Promise.resolve(requests.map(() => []));
  };
  begin();
  for (const end = performance.now() + 5_000; asked.length < 20 && performance.now() < end; await sleep(2)) {
    worker.wake();
  }
  expect(asked.slice(0, 20).flatMap((bulkFirst, n) => (bulkFirst ? [n + 1] : []))).toEqual([10, 20]);
});

it('records what was interrupted once, and goes on with the chat', async () => {
  const [left] = await lanes.claim(lease, 1, 1);
  await storage.db.query(`UPDATE endpoints SET fence = fence + 1 WHERE id = 'bot:1'`);
  lease = { ...lease, fence: lease.fence + 1n };
  let writeDown = () => {};
  begin(new Promise((resolve) => (writeDown = resolve)));
  await claims.reconcile([worker]);
  await claims.reconcile([worker]);
  writeDown();
  const message = left!.deliveries[0]!.message.id;
  const outcomes = async () =>
    (await storage.db.query(`SELECT outcome, code FROM attempts WHERE message_id = $1`, [message])).rows;
  await expect.poll(outcomes).toEqual([{ outcome: 'uncertain', code: 'INTERRUPTED' }]);
  await claims.reconcile([worker]);
  await sleep(100);
  expect(await outcomes()).toHaveLength(1);
});
