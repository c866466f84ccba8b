import { describe, expect, it } from 'vitest';
import { GroupCommit } from './group-commit.js';

describe('a group commit', () => {
  it('commits together what arrives together, in order', async () => {
    const commits: number[][] = [];
    const group = new GroupCommit<number>(async (items) => void commits.push(items));
    await Promise.all([1, 2, 3].map((item) => group.add(item)));
    expect(commits).toEqual([[1, 2, 3]]);
  });

  it('resolves only after the commit that holds the item', async () => {
    let commit = () => {};
    const group = new GroupCommit<number>(() => new Promise<void>((resolve) => (commit = resolve)));
    let acknowledged = false;
    const added = group.add(1).then(() => (acknowledged = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(acknowledged).toBe(false);
    commit();
    await added;
    expect(acknowledged).toBe(true);
  });

  it('never commits more than the most at once', async () => {
    const sizes: number[] = [];
    const group = new GroupCommit<number>(async (items) => void sizes.push(items.length), 4, 1);
    await Promise.all(Array.from({ length: 10 }, (_, item) => group.add(item)));
    expect(sizes).toEqual([4, 4, 2]);
  });

  it('refuses one bad item without its neighbours', async () => {
    const kept: number[] = [];
    const group = new GroupCommit<number>(async (items) => {
      if (items.includes(2)) throw new Error('bad');
      kept.push(...items);
    });
    const results = await Promise.allSettled([1, 2, 3].map((item) => group.add(item)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(kept).toEqual([1, 3]);
  });

  it('does not try one by one what took the database too long, nor what is left once it is away', async () => {
    const tried: number[][] = [];
    const group = new GroupCommit<number>(async (items) => {
      tried.push(items);
      if (items.includes(0)) {
        throw Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
      }
      if (items.length > 1) throw new Error('bad');
      if (items[0] === 2) throw new Error('Connection terminated');
    });
    const outcomes = async (items: number[]) =>
      (await Promise.allSettled(items.map((item) => group.add(item)))).map(({ status }) => status);
    expect(await outcomes([0, 1])).toEqual(['rejected', 'rejected']);
    expect(await outcomes([1, 2, 3, 4])).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
    expect(tried).toEqual([[0, 1], [1, 2, 3, 4], [1], [2]]);
  });

  it('goes on after a failure', async () => {
    let broken = true;
    const group = new GroupCommit<number>(async () => {
      if (broken) throw new Error('away');
    });
    await expect(group.add(1)).rejects.toThrow('away');
    broken = false;
    await expect(group.add(2)).resolves.toBeUndefined();
  });
});
