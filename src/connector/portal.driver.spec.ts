import { beforeEach, describe, expect, it } from 'vitest';
import { claimedChat, claimedDelivery } from '../../test/support/claimed-work.js';
import type { HeldLease } from '../relay/endpoint-driver.js';
import type { ClaimedLane } from '../storage/work/claimed-lane.js';
import { PortalDriver } from './portal.driver.js';

/** What the driver asked for, and the calls that it made: whether they brought a permit of the bucket. */
let asked: number;
let released: number;
let made: { kind: string; permit: boolean }[];
let free: number;
let restMs: number;

function driver(): PortalDriver {
  const held = { held: true, signal: new AbortController().signal } as HeldLease;
  const sent =
    (kind: string) =>
    (_portal: unknown, lanes: ClaimedLane | ClaimedLane[], ...rest: unknown[]) => {
      made.push({ kind, permit: rest.at(-1) as boolean });
      const results = [lanes].flat().map(({ deliveries }) => ({
        deliveries: deliveries.map(({ seq }) => ({ seq, delivered: true })),
      }));
      return Promise.resolve(Array.isArray(lanes) ? results : results[0]);
    };
  const limiter = {
    tryReserve: (_id: bigint, max: number) => {
      asked++;
      return Promise.resolve(Math.min(max, free));
    },
    release: (_id: bigint, permits: number) => {
      released += permits;
      return Promise.resolve();
    },
  };
  return new PortalDriver(
    ...([
      1n,
      held,
      { findById: () => Promise.resolve({ state: 'active' }) },
      limiter,
      { portalRestMs: () => Promise.resolve(restMs) },
      { sendWords: sent('words'), sendBatch: sent('batch'), reportStatus: sent('status') },
      {},
      {},
      {},
      {},
      2,
    ] as unknown as ConstructorParameters<typeof PortalDriver>),
  );
}

beforeEach(() => {
  [asked, released, made, free, restMs] = [0, 0, [], 10, 0];
});

let id = 0n;
const lane = (channel: 'inbound' | 'status', { lineId = '7', ageMs = 0 } = {}): ClaimedLane => ({
  id: ++id,
  claim: 1n,
  channel,
  chat: claimedChat(Number(id), { lineId }),
  deliveries: [
    claimedDelivery(
      { text: 'words' },
      { kind: channel === 'status' ? 'status' : 'message', queuedAt: new Date(Date.now() - ageMs) },
    ),
  ],
});

async function results(lanes: ClaimedLane[]) {
  const portal = driver();
  await portal.permits(50);
  return Promise.all(portal.send(lanes));
}

describe('the driver of a portal', () => {
  it('gives what the portal allows to words, and lets ticks wait for the next request', async () => {
    free = 1;
    const [tick, words] = await results([lane('status'), lane('inbound')]);
    expect(made).toEqual([{ kind: 'words', permit: true }]);
    expect(words!.deliveries).toMatchObject([{ delivered: true }]);
    expect(tick).toMatchObject({ deliveries: [{ delivered: false, postponed: { begun: false } }], nextInMs: 500 });
  });

  it('brings ticks, too, where there is room, and gives back what it does not use', async () => {
    await results([lane('status'), lane('inbound'), lane('status', { lineId: '8' })]);
    expect(made).toEqual(['words', 'status', 'status'].map((kind) => ({ kind, permit: true })));
    expect(released).toBe(7);
  });

  it('lets ticks that have waited for long take a turn all the same, one request at a time', async () => {
    free = 1;
    const old = ['7', '8', '9'].map((lineId) => lane('status', { lineId, ageMs: 11_000 }));
    const answers = await results([...old, lane('inbound')]);
    expect(made).toEqual([
      { kind: 'words', permit: true },
      { kind: 'status', permit: false },
    ]);
    expect(answers.map(({ nextInMs }) => nextInMs)).toEqual([undefined, 500, 500, undefined]);
  });

  it('does not ask a full bucket again before there can be room', async () => {
    free = 0;
    const portal = driver();
    for (let n = 0; n < 20; n++) {
      const { granted, retryInMs, obstacle } = await portal.permits(50);
      expect({ granted, obstacle }).toEqual({ granted: 0, obstacle: 'limit' });
      expect(retryInMs).toBeGreaterThan(0);
      expect(retryInMs).toBeLessThanOrEqual(500);
    }
    expect(asked).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 520));
    free = 1;
    expect((await portal.permits(50)).granted).toBeGreaterThan(0);
  });

  it('asks for nothing while the portal as a whole rests', async () => {
    restMs = 60_000;
    expect(await driver().permits(50)).toMatchObject({ granted: 0, obstacle: 'trouble' });
    expect(asked).toBe(0);
  });
});
