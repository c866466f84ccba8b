import { environmentManager, focusManager } from '@tanstack/vue-query';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { effectScope, nextTick, ref, type EffectScope } from 'vue';
import { ProblemError, type Page } from './api.js';
import { everyPage, queryClient, refreshShown, useData, useList, useSettled } from './queries.js';

let page: EffectScope;

beforeEach(() => {
  vi.useFakeTimers();
  environmentManager.setIsServer(() => false);
  focusManager.setFocused(true);
  queryClient.mount();
  page = effectScope();
});
afterEach(() => {
  page.stop();
  queryClient.clear();
  queryClient.unmount();
  vi.useRealTimers();
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
const settled = () => vi.advanceTimersByTimeAsync(1);

it('shows the answer of the latest read, whichever comes last', async () => {
  const { asked, read } = answers<string>();
  const { data, loading, load } = inPage(() => useData(() => ['one'], read));
  asked[0]!.give('first');
  await settled();
  void load();
  void load();
  expect(asked[1]!.signal.aborted).toBe(true);
  asked[2]!.give('new');
  await settled();
  asked[1]!.give('old');
  await settled();
  expect([data.value, loading.value]).toEqual(['new', false]);
});

it('keeps what it shows when a later read fails, says so and of when it is', async () => {
  const { asked, read } = answers<string>();
  const { data, problem, readAt, load } = inPage(() => useData(() => ['one'], read));
  asked[0]!.give('shown');
  await settled();
  const before = readAt.value;
  void load();
  const refusal = new ProblemError(404, 'not_found', 'gone', null);
  asked[1]!.fail(refusal);
  await settled();
  expect([data.value, problem.value, readAt.value]).toEqual(['shown', refusal, before]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(2);
  void load();
  expect(problem.value).toBe(refusal);
  asked[2]!.give('again');
  await settled();
  expect([data.value, problem.value]).toEqual(['again', null]);
});

it('shows nothing of one thing under the name of another', async () => {
  const { asked, read } = answers<string>();
  const name = ref('day');
  const { data, problem } = inPage(() => useData(() => ['statistics', name.value], read));
  asked[0]!.give('of the day');
  await settled();
  name.value = 'month';
  await nextTick();
  expect(data.value).toBeUndefined();
  asked[1]!.fail(new ProblemError(422, 'range_too_long', '', null));
  await settled();
  expect([data.value, (problem.value as ProblemError).code]).toEqual([undefined, 'range_too_long']);
});

it.each([
  [new ProblemError(0, 'unreachable', '', null), 5],
  [new ProblemError(503, 'unavailable', '', 2), 2],
  [new ProblemError(429, 'too_many_requests', '', 7), 7],
])('reads again by itself after %s, and says meanwhile why there is nothing', async (error, seconds) => {
  const { asked, read } = answers<string>();
  const { data, problem } = inPage(() => useData(() => ['one'], read));
  asked[0]!.fail(error);
  await settled();
  expect(problem.value).toBe(error);
  await vi.advanceTimersByTimeAsync(seconds * 1_000 - 2);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2);
  asked[1]!.give('there');
  await settled();
  expect([data.value, problem.value]).toEqual(['there', null]);
});

it('reads nothing any more once the page is left', async () => {
  const { asked, read } = answers<string>();
  inPage(() => useData(() => ['one'], read, { everyMs: 1_000 }));
  asked[0]!.give('shown');
  await settled();
  page.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(1);
});

it('reads again only while somebody looks, and at once when they look again', async () => {
  const read = vi.fn(async () => 'shown');
  inPage(() => useData(() => ['one'], read, { everyMs: 1_000 }));
  await vi.advanceTimersByTimeAsync(2_100);
  expect(read).toHaveBeenCalledTimes(3);
  focusManager.setFocused(false);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(read).toHaveBeenCalledTimes(3);
  focusManager.setFocused(true);
  await settled();
  expect(read).toHaveBeenCalledTimes(4);
});

it('a change makes all that is shown be read again, but not the doctor examine', async () => {
  const [read, examine] = [vi.fn(async () => 'shown'), vi.fn(async () => 'well')];
  inPage(() => [useData(() => ['one'], read), useData(() => ['doctor'], examine)]);
  await settled();
  refreshShown();
  await settled();
  expect([read.mock.calls.length, examine.mock.calls.length]).toEqual([2, 1]);
});

/** Pages of two of the numbers, newest first; a cursor is the last number of the page before. */
const pageOf = (numbers: number[], cursor: string | undefined): Page<{ id: string }> => {
  const rest = [...numbers].sort((a, b) => b - a).filter((number) => cursor === undefined || number < Number(cursor));
  const items = rest.slice(0, 2).map((number) => ({ id: String(number) }));
  return { items, nextCursor: rest.length > 2 ? items.at(-1)!.id : null };
};

it('a list is read again as far as it is shown, without a hole where much was added', async () => {
  const numbers = [1, 2, 3, 4, 5];
  const list = inPage(() =>
    useList(
      () => ['list'],
      async (cursor) => pageOf(numbers, cursor),
      { everyMs: 1_000 },
    ),
  );
  const ids = () => list.items.value.map(({ id }) => Number(id));
  await settled();
  expect([ids(), list.hasMore.value]).toEqual([[5, 4], true]);
  await Promise.all([list.loadMore(), list.loadMore()]);
  expect(ids()).toEqual([5, 4, 3, 2]);
  numbers.push(6, 7, 8);
  await vi.advanceTimersByTimeAsync(2_000);
  expect([ids(), list.hasMore.value]).toEqual([[8, 7, 6, 5], true]);
});

it('a list shows once what moved to the next page while both were read', async () => {
  const pages: Record<string, Page<{ id: string }>> = {
    first: { items: [{ id: '2' }], nextCursor: 'second' },
    second: { items: [{ id: '2' }, { id: '1' }], nextCursor: null },
  };
  const list = inPage(() =>
    useList(
      () => ['list'],
      async (cursor) => pages[cursor ?? 'first']!,
    ),
  );
  await settled();
  await list.loadMore();
  expect(list.items.value.map(({ id }) => id)).toEqual(['2', '1']);
});

it('a list stays until there is an answer to the next filter, and goes when that is refused', async () => {
  const filter = ref('a');
  const { asked, read } = answers<Page<{ id: string }>>();
  const list = inPage(() =>
    useList(
      () => ['list', filter.value],
      (_, signal) => read(signal),
    ),
  );
  asked[0]!.give({ items: [{ id: '1' }], nextCursor: null });
  await settled();
  filter.value = 'b';
  await nextTick();
  expect(list.items.value).toHaveLength(1);
  asked[1]!.fail(new ProblemError(422, 'search_too_long', '', null));
  await settled();
  expect([list.items.value, (list.problem.value as ProblemError).code]).toEqual([[], 'search_too_long']);
});

it('reads a list that is needed as a whole to its end', async () => {
  const numbers = [1, 2, 3, 4, 5];
  expect(await everyPage(async (cursor) => pageOf(numbers, cursor))).toHaveLength(5);
});

it('waits until nothing was typed for a moment', async () => {
  const typed = ref('');
  const words = inPage(() => useSettled(typed));
  typed.value = 'a';
  await vi.advanceTimersByTimeAsync(299);
  typed.value = 'ab';
  await vi.advanceTimersByTimeAsync(299);
  expect(words.value).toBe('');
  await vi.advanceTimersByTimeAsync(1);
  expect(words.value).toBe('ab');
});
