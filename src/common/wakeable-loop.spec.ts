import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { drain, WakeableLoop } from './wakeable-loop.js';

let looks: number;
let errors: unknown[];
let loop: WakeableLoop;
let look: () => Promise<void>;

beforeEach(() => {
  [looks, errors] = [0, []];
  look = () => Promise.resolve();
  loop = new WakeableLoop({
    look: () => {
      looks++;
      return look();
    },
    onError: (error) => errors.push(error),
    everyMs: 200,
    gatherMs: 50,
  });
});
afterEach(() => loop.stop());

const moment = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it('looks at once, then at its interval', async () => {
  loop.start();
  expect(looks).toBe(1);
  await moment(120);
  expect(looks).toBe(1);
  await vi.waitFor(() => expect(looks).toBe(2), { timeout: 1_000 });
});

it('looks early when woken, but gathers first', async () => {
  loop.start();
  loop.wake();
  await moment(20);
  expect(looks).toBe(1);
  await vi.waitFor(() => expect(looks).toBe(2), { timeout: 150, interval: 5 });
});

it('does not lose a call that comes while it looks', async () => {
  let end = (): void => undefined;
  look = () => new Promise((resolve) => (end = resolve));
  loop.start();
  loop.wake();
  look = () => Promise.resolve();
  end();
  await vi.waitFor(() => expect(looks).toBe(2), { timeout: 150, interval: 5 });
});

it('goes on after a look that failed', async () => {
  const error = new Error('away');
  look = () => Promise.reject(error);
  loop.start();
  loop.wake();
  await vi.waitFor(() => expect(looks).toBe(2));
  expect(errors[0]).toBe(error);
});

it('stops when the look that is under way has ended', async () => {
  let end = (): void => undefined;
  look = () => new Promise((resolve) => (end = resolve));
  loop.start();
  let stopped = false;
  const stopping = loop.stop().then(() => (stopped = true));
  await moment(10);
  expect({ stopped, aborted: loop.signal.aborted }).toEqual({ stopped: false, aborted: true });
  end();
  await stopping;
  await moment(60);
  expect(looks).toBe(1);
});

it('drains for no longer than it may', async () => {
  const begun = performance.now();
  await drain([Promise.resolve(), Promise.reject(new Error('x')), undefined], 10_000);
  await drain([new Promise(() => undefined)], 30);
  expect(performance.now() - begun).toBeLessThan(5_000);
});
