import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { effectScope, type EffectScope } from 'vue';
import { ProblemError, type Page } from './api.js';
import { useDelayed, useList, useLoaded, useRepeated } from './loading.js';

/** Stands for the page: visible or not. */
class Tab extends EventTarget {
  visibilityState = 'visible';
  show(state: 'visible' | 'hidden'): void {
    this.visibilityState = state;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

let page: EffectScope;
let tab: Tab;

beforeEach(() => {
  vi.useFakeTimers();
  tab = new Tab();
  vi.stubGlobal('document', tab);
  page = effectScope();
});
afterEach(() => {
  page.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
const inPage = <Value>(work: () => Value): Value => page.run(work)!;

/** Answers that come when the test says so, in the order in which they were asked for. */
function answers<Value>() {
  const asked: { signal: AbortSignal; give: (value: Value) => void; fail: (error: unknown) => void }[] = [];
  const read = (signal: AbortSignal) =>
    new Promise<Value>((give, fail) => {
      asked.push({ signal, give, fail });
    });
  return { asked, read };
}
const settled = () => vi.advanceTimersByTimeAsync(0);

it('shows the answer of the latest read, whichever comes last', async () => {
  const { asked, read } = answers<string>();
  const loaded = inPage(() => useLoaded(read));
  void loaded.load();
  void loaded.load();
  expect(asked[0]!.signal.aborted).toBe(true);
  asked[1]!.give('new');
  await settled();
  asked[0]!.give('old');
  await settled();
  expect(loaded.data.value).toBe('new');
  expect(loaded.loading.value).toBe(false);
});

it('keeps what it shows when a later read fails, and says so', async () => {
  const { asked, read } = answers<string>();
  const loaded = inPage(() => useLoaded(read));
  void loaded.load();
  asked[0]!.give('shown');
  await settled();
  void loaded.load();
  const refusal = new ProblemError(404, 'not_found', 'gone', null);
  asked[1]!.fail(refusal);
  await settled();
  expect(loaded.data.value).toBe('shown');
  expect(loaded.problem.value).toBe(refusal);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(2);
});

it.each([
  [new ProblemError(0, 'unreachable', '', null), 5],
  [new ProblemError(503, 'unavailable', '', 2), 2],
  [new ProblemError(429, 'too_many_requests', '', 7), 7],
])('reads again by itself after %s', async (error, seconds) => {
  const { asked, read } = answers<string>();
  const loaded = inPage(() => useLoaded(read));
  void loaded.load();
  asked[0]!.fail(error);
  await vi.advanceTimersByTimeAsync(seconds * 1_000 - 1);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  asked[1]!.give('there');
  await settled();
  expect(loaded.data.value).toBe('there');
  expect(loaded.problem.value).toBeNull();
});

it('reads nothing any more once the page is left', async () => {
  const { asked, read } = answers<string>();
  const loaded = inPage(() => useLoaded(read));
  void loaded.load();
  asked[0]!.fail(new ProblemError(0, 'unreachable', '', null));
  await settled();
  page.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(1);
});

it('a list grows by pages, and begins anew', async () => {
  const pages: Record<string, Page<number>> = {
    first: { items: [1, 2], nextCursor: 'second' },
    second: { items: [3], nextCursor: null },
  };
  const list = inPage(() => useList((cursor) => Promise.resolve(pages[cursor ?? 'first']!)));
  await list.load();
  expect([list.items.value, list.hasMore.value]).toEqual([[1, 2], true]);
  await list.loadMore();
  expect([list.items.value, list.hasMore.value]).toEqual([[1, 2, 3], false]);
  pages['first'] = { items: [0, 1, 2], nextCursor: 'second' };
  await list.load();
  expect([list.items.value, list.hasMore.value]).toEqual([[0, 1, 2], true]);
});

it('a list asks for the next page once, however often somebody scrolls', async () => {
  const { asked, read } = answers<Page<number>>();
  const list = inPage(() => useList((_, signal) => read(signal)));
  void list.load();
  asked[0]!.give({ items: [1], nextCursor: 'next' });
  await settled();
  void list.loadMore();
  void list.loadMore();
  asked[1]!.give({ items: [2], nextCursor: null });
  asked[2]!.give({ items: [2], nextCursor: null });
  await settled();
  expect(list.items.value).toEqual([1, 2]);
});

it('repeats only while somebody looks, and at once when they look again', async () => {
  const work = vi.fn();
  inPage(() => useRepeated(work, 1_000));
  await vi.advanceTimersByTimeAsync(2_000);
  expect(work).toHaveBeenCalledTimes(2);
  tab.show('hidden');
  await vi.advanceTimersByTimeAsync(5_000);
  expect(work).toHaveBeenCalledTimes(2);
  tab.show('visible');
  expect(work).toHaveBeenCalledTimes(3);
  page.stop();
  tab.show('visible');
  await vi.advanceTimersByTimeAsync(5_000);
  expect(work).toHaveBeenCalledTimes(3);
});

it('waits until nothing was typed for a moment', async () => {
  const work = vi.fn();
  const typed = inPage(() => useDelayed(work));
  typed();
  await vi.advanceTimersByTimeAsync(299);
  typed();
  await vi.advanceTimersByTimeAsync(299);
  expect(work).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(work).toHaveBeenCalledOnce();
});
