import { computed, customRef, onScopeDispose, toValue, watch, type MaybeRefOrGetter, type Ref } from 'vue';
import { keepPreviousData, QueryClient, useInfiniteQuery, useQuery } from '@tanstack/vue-query';
import { useProblem } from '../shared/use-problem.js';
import { ProblemError, type Page } from './api.js';

const AFTER_NO_ANSWER_SECONDS = 5;

/** Examining every portal and bot costs the networks calls: nothing but its own time makes it happen again. */
export const DOCTOR = 'doctor';

/**
 * What was read from the service, each by its key. Somebody looks at it: it is read again when they come back to the
 * tab, and not while they are away. A read that was too early (429), or that found the service away, is repeated until
 * it is answered.
 */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: 'always',
      refetchOnWindowFocus: (query) => query.queryKey[0] !== DOCTOR,
      retry: (_, error) => isPassing(error),
      retryDelay: (_, error) => waitSecondsOf(error) * 1_000,
    },
  },
});

/** Something was changed: all that is shown is read again. */
export function refreshShown(): void {
  void queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== DOCTOR });
}

type Key = () => readonly unknown[];

interface Reading {
  /** Milliseconds after which it is read again. */
  everyMs?: number;
  enabled?: () => boolean;
}

/** One thing that is read; with another key it is another thing, and `data` is undefined until that is there. */
export function useData<Value>(
  key: Key,
  read: (signal: AbortSignal) => Promise<Value>,
  { everyMs, enabled, freshMs = 0 }: Reading & { freshMs?: number } = {},
) {
  const refetchInterval: number | false = everyMs ?? false;
  const query = useQuery(
    () => ({
      queryKey: key(),
      queryFn: ({ signal }: { signal: AbortSignal }) => read(signal),
      refetchInterval,
      staleTime: freshMs,
      enabled: enabled?.() ?? true,
      shallow: true,
    }),
    queryClient,
  );
  return {
    data: query.data as Ref<Value | undefined>,
    problem: useProblem(query),
    loading: query.isFetching,
    /** When `data` was read. */
    readAt: useTime(query.dataUpdatedAt),
    load: () => query.refetch(),
  };
}

/**
 * A list that is read page by page. All pages that are shown are read again together, each from the end of the one
 * before: nothing is missing between them. The more there are the less often, so that the calls stay as many.
 */
export function useList<Item extends { id: string | null }>(
  key: Key,
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Item>>,
  { everyMs, enabled }: Reading = {},
) {
  const query = useInfiniteQuery(
    () => ({
      queryKey: key(),
      queryFn: ({ pageParam, signal }: { pageParam: string | undefined; signal: AbortSignal }) =>
        read(pageParam, signal),
      initialPageParam: undefined as string | undefined,
      getNextPageParam: (last: Page<Item>) => last.nextCursor,
      refetchInterval: (current: { state: { data?: { pages: unknown[] } | undefined } }) =>
        everyMs === undefined ? false : everyMs * Math.max(1, current.state.data?.pages.length ?? 1),
      enabled: enabled?.() ?? true,
      // Another filter: the list of the one before stays until there is an answer.
      placeholderData: keepPreviousData,
      gcTime: 0,
      shallow: true,
    }),
    queryClient,
  );
  return {
    items: computed(() => distinct((query.data.value?.pages ?? []).flatMap(({ items }) => items))),
    problem: useProblem(query),
    loading: query.isFetching,
    loadingMore: query.isFetchingNextPage,
    loadedOnce: query.isSuccess,
    hasMore: query.hasNextPage,
    readAt: useTime(query.dataUpdatedAt),
    /** All that is shown. */
    load: () => query.refetch(),
    loadMore: async () => {
      if (query.hasNextPage.value && !query.isFetchingNextPage.value) await query.fetchNextPage();
    },
  };
}

/** Every page of a list that is needed as a whole. */
export async function everyPage<Item>(read: (cursor: string | undefined) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

/** Follows `source` once that has not changed for a moment. */
export function useSettled<Value>(source: MaybeRefOrGetter<Value>, ms = 300): Readonly<Ref<Value>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  onScopeDispose(() => clearTimeout(timer));
  return customRef((track, trigger) => {
    let settled = toValue(source);
    watch(
      () => toValue(source),
      (value) => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          settled = value;
          trigger();
        }, ms);
      },
    );
    return {
      get: () => {
        track();
        return settled;
      },
      set: () => undefined,
    };
  });
}

/** What moved from one page to the next while they were read is shown once, where it stands first. */
function distinct<Item extends { id: string | null }>(items: Item[]): Item[] {
  const seen = new Set<string>();
  return items.filter(({ id }) => {
    if (id === null) return true;
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  });
}

function useTime(updatedAt: Ref<number>) {
  return computed(() => (updatedAt.value === 0 ? null : new Date(updatedAt.value).toISOString()));
}

function isPassing(error: unknown): boolean {
  return error instanceof ProblemError && [0, 429, 503].includes(error.status);
}

function waitSecondsOf(error: unknown): number {
  return (error instanceof ProblemError && error.retryAfter) || AFTER_NO_ANSWER_SECONDS;
}
