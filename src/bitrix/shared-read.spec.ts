import { describe, expect, it } from 'vitest';
import { SharedRead } from './shared-read.js';

describe('a shared read', () => {
  it('is made once for all who ask in the same turn, for each key, and again for the next turn', async () => {
    const reads: string[] = [];
    const shared = new SharedRead((key: string) => {
      reads.push(key);
      return Promise.resolve(`${key}${reads.length}`);
    });
    expect(await Promise.all([shared.get('a'), shared.get('a'), shared.get('b')])).toEqual(['a1', 'a1', 'b2']);
    expect(await shared.get('a')).toBe('a3');
  });

  it('begins after everyone who shares it asked: a change in between is seen', async () => {
    let state = 'active';
    const shared = new SharedRead(() => Promise.resolve(state));
    const first = shared.get(1);
    state = 'uninstalled';
    const second = shared.get(1);
    expect(await Promise.all([first, second])).toEqual(['uninstalled', 'uninstalled']);
  });

  it('shares a failure and keeps nothing of it', async () => {
    let fails = true;
    const shared = new SharedRead(() => (fails ? Promise.reject(new Error('away')) : Promise.resolve('back')));
    const both = await Promise.allSettled([shared.get(1), shared.get(1)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fails = false;
    expect(await shared.get(1)).toBe('back');
  });
});
