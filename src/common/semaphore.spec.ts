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
  expect(await semaphore.enter(1_000, ann.over)).toBe(true);
  void semaphore.enter(1_000, bob.over).then(() => entered.push('bob'));
  void semaphore.enter(1_000, cid.over).then(() => entered.push('cid'));
  await Promise.resolve();
  expect(entered).toEqual([]);
  ann.leave();
  await expect.poll(() => entered).toEqual(['bob']);
  bob.leave();
  await expect.poll(() => entered).toEqual(['bob', 'cid']);
});

it('sends away who would wait too long, or finds a line that is too long', async () => {
  const semaphore = new Semaphore(1, 1);
  const ann = visit();
  await semaphore.enter(1_000, ann.over);
  const waited = semaphore.enter(20, visit().over);
  expect(await semaphore.enter(1_000, visit().over)).toBe(false);
  expect(await waited).toBe(false);
  ann.leave();
  expect(await semaphore.enter(0, visit().over)).toBe(true);
});

it('keeps no place for those who went while they waited', async () => {
  const semaphore = new Semaphore(1, 10);
  const [ann, bob, cid] = [visit(), visit(), visit()];
  await semaphore.enter(1_000, ann.over);
  const waits = semaphore.enter(1_000, bob.over);
  bob.leave();
  expect(await waits).toBe(false);
  const next = semaphore.enter(1_000, cid.over);
  ann.leave();
  // He leaves in the very moment in which the place is his.
  cid.leave();
  expect(await next).toBe(false);
  expect(await semaphore.enter(0, visit().over)).toBe(true);
  expect(await semaphore.enter(0, ann.over)).toBe(false);
});

it('gives a place that is free now, or none, and lets nobody in beyond the line who waits for it', async () => {
  const semaphore = new Semaphore(2);
  const [ann, bob] = [semaphore.tryEnter(), semaphore.tryEnter()];
  expect(semaphore.tryEnter()).toBeNull();
  expect(await semaphore.enter(1_000, visit().over)).toBe(false);
  ann!();
  expect(semaphore.isEmpty).toBe(false);
  bob!();
  expect(semaphore.isEmpty).toBe(true);
  expect(semaphore.tryEnter()).not.toBeNull();
});
