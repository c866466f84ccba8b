import { Logger } from '@nestjs/common';
import { Subject } from 'rxjs';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it, vi } from 'vitest';
import type { EndpointsRepository } from '../storage/work/endpoints.repository.js';
import type { LanesRepository } from '../storage/work/lanes.repository.js';
import type { Lease } from '../storage/work/lease.js';
import { EndpointDrivers } from './endpoint-driver.js';
import { EndpointSupervisor } from './endpoint-supervisor.js';
import { RelayEvents } from './relay-events.js';

beforeAll(() => Logger.overrideLogger(false));
afterAll(() => Logger.overrideLogger(['log', 'warn', 'error']));
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const OURS = 40;
const bots = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, n): Lease => ({ endpoint: `bot:${first + n}`, owner: '', fence: 1n }));

/** The table of endpoints, as far as one owner sees it; what is free is taken. */
class Endpoints {
  free = bots(1, OURS);
  leases: Lease[] = [];
  readonly beats: number[] = [];
  readonly released: string[] = [];
  answersLost = 0;

  async acquire(owner: string) {
    const taken = this.free.splice(0).map((lease) => ({ ...lease, owner }));
    this.leases = [...this.leases.filter((lease) => taken.every((t) => t.endpoint !== lease.endpoint)), ...taken];
    if (taken.length > 0 && this.answersLost-- > 0) throw new Error('Connection terminated unexpectedly');
    return taken;
  }
  async heartbeat() {
    this.beats.push(performance.now());
    return this.leases;
  }
  fairShare = async () => Infinity;
  leave = async () => {};
  async release({ endpoint, fence }: Lease) {
    this.released.push(endpoint);
    this.leases = this.leases.filter((lease) => lease.endpoint !== endpoint);
    this.free.push({ endpoint, owner: '', fence: fence + 1n });
  }
}

const lanes = {
  claimTogether: async (requests: unknown[]) => requests.map(() => []),
  interrupted: async (leases: unknown[]) => leases.map(() => []),
  undoUnanswered: async () => [],
  putRight: async () => [],
  withWorkDue: async () => [],
  wake: async () => {},
};

function begin(table: Endpoints) {
  const drivers = new EndpointDrivers();
  let stops = (): Promise<void> => Promise.resolve();
  drivers.register('bot', () => ({
    concurrency: 1,
    inDoubt: 1,
    headsPerLane: 1,
    permits: async () => ({ granted: 0, retryInMs: 5_000, obstacle: 'limit' as const }),
    giveBack() {},
    send: () => [],
    start() {},
    stop: () => stops(),
    refresh() {},
    health: () => ({ healthy: true }),
  }));
  const listen$ = new Subject<void>();
  const supervisor = new EndpointSupervisor(
    table as unknown as EndpointsRepository,
    lanes as unknown as LanesRepository,
    drivers,
    new RelayEvents(),
    { mayHaveMissed() {} } as never,
    { UNCERTAIN_POLICY: 'hold' } as never,
    { listen$ } as never,
  );
  supervisor.onApplicationBootstrap();
  listen$.next();
  return { supervisor, callsHang: () => (stops = () => new Promise(() => {})) };
}

const driven = (supervisor: EndpointSupervisor) => supervisor.status().filter(({ owned }) => owned).length;

it('tells what keeps the messages of an endpoint back', async () => {
  const { supervisor } = begin(new Endpoints());
  await vi.advanceTimersByTimeAsync(3_000);
  const [first] = supervisor.status();
  expect(first).toMatchObject({ id: 'bot:1', owned: true, healthy: true, heldBackBy: 'limit' });
});

describe('a replica that loses some of its endpoints', () => {
  it('goes on beating for the others, however long the lost ones take to end', async () => {
    const table = new Endpoints();
    const { supervisor, callsHang } = begin(table);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(driven(supervisor)).toBe(OURS);
    callsHang();
    table.leases = table.leases.slice(OURS / 2);
    await vi.advanceTimersByTimeAsync(30_000);
    const gaps = table.beats.slice(1).map((beat, n) => beat - table.beats[n]!);
    expect(Math.max(...gaps)).toBeLessThan(3_000);
    expect(driven(supervisor)).toBe(OURS / 2);
  });

  it('drives them again when they come back, all at once', async () => {
    const table = new Endpoints();
    const { supervisor, callsHang } = begin(table);
    await vi.advanceTimersByTimeAsync(5_000);
    callsHang();
    // They ran out unnoticed, and come back with another fence before any heartbeat.
    table.free = table.leases.slice(0, 20).map((lease) => ({ ...lease, fence: lease.fence + 1n }));
    await vi.advanceTimersByTimeAsync(4_000);
    expect(driven(supervisor)).toBe(OURS);
    expect(table.released).toEqual([]);
  });
});

it('gives up endpoints that it took without ever hearing of it, and takes them again', async () => {
  const table = new Endpoints();
  const { supervisor } = begin(table);
  await vi.advanceTimersByTimeAsync(3_000);
  table.free = bots(41, 45);
  table.answersLost = 1;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(table.released.sort()).toEqual(bots(41, 45).map(({ endpoint }) => endpoint));
  expect(driven(supervisor)).toBe(45);
});

it('keeps what it takes while a heartbeat, which does not know of it yet, is under way', async () => {
  const table = new Endpoints();
  const { supervisor } = begin(table);
  await vi.advanceTimersByTimeAsync(3_000);
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const beat = table.heartbeat.bind(table);
  const take = table.acquire.bind(table);
  table.heartbeat = async () => {
    const found = await beat();
    await pause(900);
    return found;
  };
  // Asked for before the heartbeat, committed after its snapshot.
  table.acquire = async (owner) => {
    await pause(700);
    return take(owner);
  };
  const drivenAt: number[] = [];
  for (let second = 0; second < 40; second++) {
    table.free.push(...bots(100 + second, 100 + second));
    await vi.advanceTimersByTimeAsync(990);
    drivenAt.push(driven(supervisor));
  }
  expect(drivenAt).toEqual(drivenAt.toSorted((a, b) => a - b));
  expect(table.released).toEqual([]);
});
