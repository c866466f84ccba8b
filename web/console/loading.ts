import { onScopeDispose, ref, shallowRef } from 'vue';
import { ProblemError, type Page } from './api.js';

const AFTER_NO_ANSWER_SECONDS = 5;

/**
 * Something that is read from the service. A read that was too early (429), or that found the service away, is
 * repeated by itself; a newer `load` makes an older one forgotten.
 */
export function useLoaded<Value>(read: (signal: AbortSignal) => Promise<Value>) {
  const data = shallowRef<Value>();
  const problem = shallowRef<unknown>(null);
  const loading = ref(false);
  let current: AbortController | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;

  const load = async (): Promise<void> => {
    current?.abort();
    clearTimeout(again);
    const mine = (current = new AbortController());
    loading.value = true;
    try {
      const value = await read(mine.signal);
      if (mine.signal.aborted) return;
      data.value = value;
      problem.value = null;
    } catch (error) {
      if (mine.signal.aborted) return;
      problem.value = error;
      if (isPassing(error)) again = setTimeout(() => void load(), waitOf(error) * 1_000);
    }
    loading.value = false;
  };
  onScopeDispose(() => {
    current?.abort();
    clearTimeout(again);
  });
  return { data, problem, loading, load };
}

/** A list that is read page by page. */
export function useList<Item>(read: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Item>>) {
  const items = shallowRef<Item[]>([]);
  const loadedOnce = ref(false);
  let cursor: string | undefined;
  let more = false;
  const { problem, loading, load } = useLoaded<void>(async (signal) => {
    const wanted = more ? cursor : undefined;
    const page = await read(wanted, signal);
    if (signal.aborted) return;
    items.value = wanted === undefined ? page.items : [...items.value, ...page.items];
    cursor = page.nextCursor ?? undefined;
    hasMore.value = cursor !== undefined;
    loadedOnce.value = true;
  });
  const hasMore = ref(false);
  return {
    items,
    problem,
    loading,
    loadedOnce,
    hasMore,
    /** From the beginning. */
    load: () => {
      more = false;
      return load();
    },
    loadMore: () => {
      more = true;
      return load();
    },
  };
}

/** Repeats while somebody looks at the page. */
export function useRepeated(work: () => unknown, everyMs: number): void {
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') work();
  }, everyMs);
  const shown = () => {
    if (document.visibilityState === 'visible') work();
  };
  document.addEventListener('visibilitychange', shown);
  onScopeDispose(() => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', shown);
  });
}

/** Calls once nothing was typed for a moment. */
export function useDelayed(work: () => unknown, ms = 300): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  onScopeDispose(() => clearTimeout(timer));
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
}

function isPassing(error: unknown): boolean {
  return error instanceof ProblemError && (error.status === 0 || error.status === 429 || error.status === 503);
}

function waitOf(error: unknown): number {
  return (error instanceof ProblemError && error.retryAfter) || AFTER_NO_ANSWER_SECONDS;
}
