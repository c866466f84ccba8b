import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { periodOf, RANGES } from './period.js';

beforeEach(() => void vi.useFakeTimers({ now: new Date('2026-11-21T10:17:23Z') }));
afterEach(() => void vi.useRealTimers());

it.each(RANGES)('the last $name ends with the step that is under way', ({ name, seconds, step }) => {
  const period = periodOf(name);
  const [from, to] = [Date.parse(period.from), Date.parse(period.to)];
  expect(to - from).toBe(seconds * 1_000);
  expect(to).toBeGreaterThanOrEqual(Date.now());
  expect(to - Date.now()).toBeLessThan(step * 1_000);
  const zone = new Date().getTimezoneOffset() * 60_000;
  expect((to - zone) % (step * 1_000)).toBe(0);
});
