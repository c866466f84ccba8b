import { expect, it } from 'vitest';
import { Turnstile } from './turnstile.js';

const visit = () => {
  const controller = new AbortController();
  return { over: controller.signal, leave: () => controller.abort() };
};

it('lets in who comes first, and the next when somebody leaves', async () => {
  const turnstile = new Turnstile(1, 10);
  const [ann, bob, cid] = [visit(), visit(), visit()];
  const entered: string[] = [];
  expect(await turnstile.enter(1_000, ann.over)).toBe(true);
  void turnstile.enter(1_000, bob.over).then(() => entered.push('bob'));
  void turnstile.enter(1_000, cid.over).then(() => entered.push('cid'));
  await Promise.resolve();
  expect(entered).toEqual([]);
  ann.leave();
  await expect.poll(() => entered).toEqual(['bob']);
  bob.leave();
  await expect.poll(() => entered).toEqual(['bob', 'cid']);
});

it('sends away who would wait too long, or finds a line that is too long', async () => {
  const turnstile = new Turnstile(1, 1);
  const ann = visit();
  await turnstile.enter(1_000, ann.over);
  const waited = turnstile.enter(20, visit().over);
  expect(await turnstile.enter(1_000, visit().over)).toBe(false);
  expect(await waited).toBe(false);
  ann.leave();
  expect(await turnstile.enter(0, visit().over)).toBe(true);
});

it('keeps no place for those who went while they waited', async () => {
  const turnstile = new Turnstile(1, 10);
  const [ann, bob, cid] = [visit(), visit(), visit()];
  await turnstile.enter(1_000, ann.over);
  const waits = turnstile.enter(1_000, bob.over);
  bob.leave();
  expect(await waits).toBe(false);
  const next = turnstile.enter(1_000, cid.over);
  ann.leave();
  // He leaves in the very moment in which the place is his.
  cid.leave();
  expect(await next).toBe(false);
  expect(await turnstile.enter(0, visit().over)).toBe(true);
  expect(await turnstile.enter(0, ann.over)).toBe(false);
});
