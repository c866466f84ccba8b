import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UpstreamError, type UpstreamErrorFields } from '../../src/common/upstream-error.js';
import type { EndpointDriver, HeldLease, LaneResult } from '../../src/relay/endpoint-driver.js';
import { EndpointWorker } from '../../src/relay/endpoint-worker.js';
import { LaneClaims } from '../../src/relay/lane-claims.js';
import { LaneSettlements } from '../../src/relay/lane-settlements.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { EndpointsRepository } from '../../src/storage/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake.repository.js';
import type { ClaimedLane } from '../../src/storage/claimed-lane.js';
import { LanesRepository } from '../../src/storage/lanes.repository.js';
import type { Lease } from '../../src/storage/lease.js';
import { createTestStorage, endHolds, operatorMessage, update } from '../support/storage.js';

const IN_DOUBT = 3;
const CHATS = [10, 11, 12, 13, 14, 15, 16, 17];

/** Sends at once, and is answered by the test. */
class ManualDriver implements EndpointDriver {
  readonly concurrency = 20;
  readonly inDoubt = IN_DOUBT;
  readonly headsPerLane = 1;
  readonly sent: { lane: ClaimedLane; at: number; answer: (result: LaneResult) => void }[] = [];

  permits(max: number) {
    return Promise.resolve({ granted: max, retryInMs: 0 });
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
