import { describe, expect, it } from 'vitest';
import { TokenBuckets } from './token-bucket.js';

const granted = { granted: true };

describe('TokenBuckets', () => {
  it('gives a burst, then one per interval, to each caller on its own', () => {
    let now = 0;
    const buckets = new TokenBuckets(2, 3, () => now);
    expect([1, 2, 3].map(() => buckets.take('a'))).toEqual([granted, granted, granted]);
    expect(buckets.take('a')).toEqual({ granted: false, retryAfterMs: 500 });
    expect(buckets.take('b')).toEqual(granted);
    now = 500;
    expect(buckets.look('a')).toEqual(granted);
    expect(buckets.take('a')).toEqual(granted);
    expect(buckets.take('a')).toEqual({ granted: false, retryAfterMs: 500 });
  });

  it('never holds more than the burst', () => {
    let now = 0;
    const buckets = new TokenBuckets(2, 3, () => now);
    buckets.take('a');
    now = 3_600_000;
    expect([1, 2, 3].map(() => buckets.take('a'))).toEqual([granted, granted, granted]);
    expect(buckets.take('a').granted).toBe(false);
  });

  it('stays bounded however many callers there are', () => {
    const buckets = new TokenBuckets(1, 5, () => 0);
    for (let caller = 0; caller < 12_000; caller++) buckets.take(`caller ${caller}`);
    expect((buckets as unknown as { buckets: Map<string, unknown> }).buckets.size).toBeLessThanOrEqual(10_000);
  });
});
