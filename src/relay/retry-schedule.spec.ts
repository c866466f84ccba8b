import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryDelay } from './retry-schedule.js';

const HOUR = 3_600_000;

describe('the delay before the next try', () => {
  it('is 1, 2, 4 and then 5 s for a young message', () => {
    expect([1, 2, 3, 4, 5, 50].map((attempt) => retryDelay(attempt, 0, 0.5))).toEqual([
      1_000, 2_000, 4_000, 5_000, 5_000, 5_000,
    ]);
  });

  it('grows with the age of the message, up to ten minutes', () => {
    expect([HOUR / 6, HOUR, 10 * HOUR, 100 * HOUR].map((age) => retryDelay(99, age, 0.5))).toEqual([
      5_000, 30_000, 300_000, 600_000,
    ]);
  });

  it('is spread by a fifth to both sides, whatever comes in', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: -1_000, max: 1_000 * HOUR }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, age, random) => {
          const delay = retryDelay(attempt, age, random);
          const middle = retryDelay(attempt, age, 0.5);
          expect(delay).toBeGreaterThanOrEqual(Math.floor(middle * 0.8) - 1);
          expect(delay).toBeLessThanOrEqual(Math.ceil(middle * 1.2) + 1);
          expect(delay).toBeLessThanOrEqual(720_000);
        },
      ),
    );
  });
});
