import { array, assert, integer, nat, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partsOf } from './refused-call.plan.js';

/** Tries the parts as a network would that refuses whatever `minds`. */
function play(items: number[], requests: number, minds: (part: readonly number[]) => boolean) {
  const parts = partsOf(items, requests);
  const tried: (readonly number[])[] = [];
  const taken: number[] = [];
  const failed: number[] = [];
  let next = parts.next();
  while (!next.done) {
    const part = next.value;
    tried.push(part);
    const refused = minds(part);
    if (!refused) taken.push(...part);
    else if (part.length === 1) failed.push(part[0]!);
    next = parts.next(refused ? 'refused' : 'done');
  }
  return { tried, taken, failed, left: next.value };
}

const upTo = (n: number) => Array.from({ length: n }, (_, index) => index);

describe('a request that was refused as a whole', () => {
  it('goes in two halves when each is well', () => {
    expect(play(upTo(5), 20, () => false).tried).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
  });

  it('finds one culprit among fifty with a dozen requests', () => {
    for (const culprit of upTo(50)) {
      const { tried, taken, failed } = play(upTo(50), 20, (part) => part.includes(culprit));
      expect(failed).toEqual([culprit]);
      expect(taken).toEqual(upTo(50).filter((item) => item !== culprit));
      expect(tried.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(50)));
    }
  });

  it('makes what is too large small enough', () => {
    const { taken, failed } = play(upTo(20), 40, (part) => part.length > 3);
    expect([taken, failed]).toEqual([upTo(20), []]);
  });

  it('leaves what the requests do not suffice for, and always gets somewhere', () => {
    const { tried, failed, left } = play(upTo(50), 8, () => true);
    expect(tried).toHaveLength(8);
    expect(failed.length).toBeGreaterThan(0);
    expect([...failed, ...left]).toEqual(upTo(50));
  });

  it('keeps the order, takes nothing twice, fails only what is refused alone', () => {
    assert(
      property(integer({ min: 1, max: 60 }), array(nat(59), { maxLength: 8 }), nat(80), (n, bad, budget) => {
        const { tried, taken, failed, left } = play(upTo(n), budget, (part) => bad.some((item) => part.includes(item)));
        expect(tried.length).toBeLessThanOrEqual(budget);
        expect(taken).toEqual([...new Set(taken)].sort((a, b) => a - b));
        expect(failed.every((item) => bad.includes(item))).toBe(true);
        expect(left).toEqual([...left].sort((a, b) => a - b));
        expect([...taken, ...failed, ...left].sort((a, b) => a - b)).toEqual(upTo(n));
        // Nothing that waits stands before anything that was settled.
        expect(Math.max(-1, ...taken, ...failed)).toBeLessThan(Math.min(Infinity, ...left));
      }),
    );
  });
});
