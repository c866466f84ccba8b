import { expect, it } from 'vitest';
import { Semaphore } from './semaphore.js';

const visit = () => {
  const controller = new AbortController();
  return { over: controller.signal, leave: () => controller.abort() };
};

it('lets in who comes first, and the next when somebody leaves', async () => {
  const semaphore = new Semaphore(1, 10);
  const [ann, bob, cid] = [visit(), visit(), visit()];
  const entered: string[] = [];
  expect(await semaphore.acquire(1_000, ann.over)).toBe(true);
  void semaphore.acquire(1_000, bob.over).then(() => entered.push('bob'));
  void semaphore.acquire(1_000, cid.over).then(() => entered.push('cid'));
  await Promise.resolve();
  expect(entered).toEqual([]);
  ann.leave();
  await expect.poll(() => entered).toEqual(['bob']);
  bob.leave();
  await expect.poll(() => entered).toEqual(['bob', 'cid']);
});

it('refuses who would wait too long, or finds a queue that is full', async () => {
  const semaphore = new Semaphore(1, 1);
  const ann = visit();
  await semaphore.acquire(1_000, ann.over);
  const waited = semaphore.acquire(20, visit().over);
  expect(await semaphore.acquire(1_000, visit().over)).toBe(false);
  expect(await waited).toBe(false);
  ann.leave();
  expect(await semaphore.acquire(0, visit().over)).toBe(true);
});

it('keeps no permit for those who went while they waited', async () => {
  const semaphore = new Semaphore(1, 10);
  const [ann, bob, cid] = [visit(), visit(), visit()];
  await semaphore.acquire(1_000, ann.over);
  const waits = semaphore.acquire(1_000, bob.over);
  bob.leave();
  expect(await waits).toBe(false);
  const next = semaphore.acquire(1_000, cid.over);
  ann.leave();
  // They leave in the very moment in which the permit is theirs.
  cid.leave();
  expect(await next).toBe(false);
  expect(await semaphore.acquire(0, visit().over)).toBe(true);
  expect(await semaphore.acquire(0, ann.over)).toBe(false);
});

it('gives a permit that is free now, or none, and queues nobody without room for it', async () => {
  const semaphore = new Semaphore(2);
  const [ann, bob] = [semaphore.tryAcquire(), semaphore.tryAcquire()];
  expect(semaphore.tryAcquire()).toBeNull();
  expect(await semaphore.acquire(1_000, visit().over)).toBe(false);
  ann!();
  expect(semaphore.isIdle).toBe(false);
  bob!();
  expect(semaphore.isIdle).toBe(true);
  // Given back twice it is still one.
  bob!();
  expect(semaphore.isIdle).toBe(true);
  expect(semaphore.tryAcquire()).not.toBeNull();
});

it('runs work with a permit, in the order of arrival, and gives the permit back after a failure', async () => {
  const semaphore = new Semaphore(1);
  const log: string[] = [];
  const work = (name: string, end: () => Promise<void>) => async () => {
    log.push(name);
    await end();
  };
  const ann = semaphore.run(work('ann', () => Promise.reject(new Error('ann failed'))));
  const bob = semaphore.run(work('bob', () => Promise.resolve()));
  const cid = semaphore.run(work('cid', () => Promise.resolve()));
  expect(log).toEqual(['ann']);
  await expect(ann).rejects.toThrow('ann failed');
  await Promise.all([bob, cid]);
  expect(log).toEqual(['ann', 'bob', 'cid']);
  expect(semaphore.isIdle).toBe(true);
});
