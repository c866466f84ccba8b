import { expect, it } from 'vitest';
import { pause } from './pause.js';

it('waits for its time', async () => {
  const began = performance.now();
  await pause(30);
  expect(performance.now() - began).toBeGreaterThan(25);
});

it('ends at once when the signal is aborted, then or before', async () => {
  const controller = new AbortController();
  const began = performance.now();
  const waiting = pause(60_000, controller.signal);
  controller.abort();
  await waiting;
  await pause(60_000, controller.signal);
  expect(performance.now() - began).toBeLessThan(10_000);
});
