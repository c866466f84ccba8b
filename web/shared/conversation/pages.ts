import { computed, ref, watch } from 'vue';
import { useInfiniteQuery, type QueryClient } from '@tanstack/vue-query';
import { useProblem } from '../use-problem.js';
import { oldestFirst } from './rows.js';
import type { SaidMessage } from './words.js';

const POLL_MS = 5_000;
/** Messages of the page that the conversation begins with, and of each further one. */
const FIRST = 50;
const FURTHER = 100;
/** Beyond it pages at the other end are forgotten; they are read again when somebody gets there. */
const MOST_PAGES = 8;

/** Where a page lies. */
type Place = { newest: true } | { around: string } | { cursor: string };

export interface ConversationPage<Message extends SaidMessage> {
  items: Message[];
  nextCursor: string | null;
  previousCursor?: string | null;
}

/** What is read of a conversation. */
export interface PageWish {
  limit: number;
  cursor?: string;
  /** Id of a message in the middle of the page. */
  around?: string;
}

interface Reading<Message extends SaidMessage> {
  chat: () => string;
  /** Id of the message to begin with; null: the newest. */
  around: () => string | null;
  read: (chat: string, wish: PageWish, signal: AbortSignal) => Promise<ConversationPage<Message>>;
  client: QueryClient;
}

/**
 * A stretch of a conversation without holes, around a message or at the newest ones (`around` null), which grows to both
 * sides. All of it is read again every few seconds, from its oldest page on, each page from the end of the one before:
 * what is new makes the last page longer, or leads to another one, however much it is.
 */
export function useConversation<Message extends SaidMessage>({ chat, around, read, client }: Reading<Message>) {
  const beginnings = ref(0);
  /** The 26th newest message of the first look: the page around it stays the same while others are written. */
  let anchor: string | null = null;
  const query = useInfiniteQuery(
    () => ({
      queryKey: ['conversation', chat(), around(), beginnings.value],
      queryFn: ({ pageParam, signal }: { pageParam: Place; signal: AbortSignal }) => readAt(pageParam, signal),
      initialPageParam: (around() === null ? { newest: true } : { around: around()! }) as Place,
      getNextPageParam: ({ previousCursor }: ConversationPage<Message>): Place | null =>
        previousCursor == null ? null : { cursor: previousCursor },
      getPreviousPageParam: ({ nextCursor }: ConversationPage<Message>): Place | null =>
        nextCursor === null ? null : { cursor: nextCursor },
      maxPages: MOST_PAGES,
      refetchInterval: POLL_MS,
      gcTime: 0,
      shallow: true,
    }),
    client,
  );

  async function readAt(place: Place, signal: AbortSignal): Promise<ConversationPage<Message>> {
    if ('cursor' in place) return read(chat(), { cursor: place.cursor, limit: FURTHER }, signal);
    if ('around' in place) return read(chat(), { around: place.around, limit: FIRST }, signal);
    if (anchor) return read(chat(), { around: anchor, limit: FIRST }, signal);
    const page = await read(chat(), { limit: FIRST }, signal);
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
