import { computed, ref, watch } from 'vue';
import { useInfiniteQuery } from '@tanstack/vue-query';
import type { MessageItem } from './api.js';
import { oldestFirst } from './conversation.js';
import { queryClient, useProblem } from './queries.js';
import { api } from './session.js';

const POLL_MS = 5_000;
/** Messages of the page that the conversation begins with, and of each further one. */
const FIRST = 50;
const FURTHER = 100;
/** Beyond it pages at the other end are forgotten; they are read again when somebody gets there. */
const MOST_PAGES = 8;

/** Where a page lies. */
type Place = { newest: true } | { around: string } | { cursor: string };

interface ConversationPage {
  items: MessageItem[];
  nextCursor: string | null;
  previousCursor?: string | null;
}

/**
 * A stretch of a conversation without holes, around a message or at the newest ones (`around` null), which grows to both
 * sides. All of it is read again every few seconds, from its oldest page on, each page from the end of the one before:
 * what is new makes the last page longer, or leads to another one, however much it is.
 */
export function useConversation(chat: () => string, around: () => string | null) {
  const beginnings = ref(0);
  /** The 26th newest message of the first look: the page around it stays the same while others are written. */
  let anchor: string | null = null;
  const query = useInfiniteQuery(
    () => ({
      queryKey: ['conversation', chat(), around(), beginnings.value],
      queryFn: ({ pageParam, signal }: { pageParam: Place; signal: AbortSignal }) => read(pageParam, signal),
      initialPageParam: (around() === null ? { newest: true } : { around: around()! }) as Place,
      getNextPageParam: ({ previousCursor }: ConversationPage): Place | null =>
        previousCursor == null ? null : { cursor: previousCursor },
      getPreviousPageParam: ({ nextCursor }: ConversationPage): Place | null =>
        nextCursor === null ? null : { cursor: nextCursor },
      maxPages: MOST_PAGES,
      refetchInterval: POLL_MS,
      gcTime: 0,
      shallow: true,
    }),
    queryClient,
  );

  async function read(place: Place, signal: AbortSignal): Promise<ConversationPage> {
    const filter = { chat: chat() };
    if ('cursor' in place) return api().messages(filter, place.cursor, FURTHER, signal);
    if ('around' in place) return api().messages({ ...filter, around: place.around }, undefined, FIRST, signal);
    if (anchor) return api().messages({ ...filter, around: anchor }, undefined, FIRST, signal);
    const page = await api().messages(filter, undefined, FIRST, signal);
    anchor = (page.items[FIRST / 2] ?? page.items.at(-1))?.id ?? null;
    return page;
  }

  const messages = computed(() => oldestFirst((query.data.value?.pages ?? []).flatMap(({ items }) => items)));
  const begin = () => {
    anchor = null;
    beginnings.value += 1;
  };
  watch([chat, around], () => (anchor = null), { flush: 'sync' });
  // What a page hung on was erased meanwhile.
  watch(query.data, (data) => {
    const first = data?.pageParams[0] as Place | undefined;
    if (messages.value.length === 0 && first && 'cursor' in first) begin();
  });

  return {
    messages,
    loadedOnce: query.isSuccess,
    problem: useProblem(query),
    hasOlder: query.hasPreviousPage,
    hasNewer: query.hasNextPage,
    loadingOlder: query.isFetchingPreviousPage,
    load: () => query.refetch(),
    loadOlder: async () => {
      if (query.hasPreviousPage.value && !isGrowing()) await query.fetchPreviousPage();
    },
    loadNewer: async () => {
      if (query.hasNextPage.value && !isGrowing()) await query.fetchNextPage();
    },
    /** From the start, as if it were opened now. */
    begin,
  };

  function isGrowing(): boolean {
    return query.isFetchingPreviousPage.value || query.isFetchingNextPage.value;
  }
}
