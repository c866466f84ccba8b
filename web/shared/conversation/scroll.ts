import { computed, nextTick, onMounted, onScopeDispose, ref, watch, type Ref } from 'vue';
import type { useConversation } from './pages.js';

/** So near to an end of what is shown more is read; CSS pixels. */
const NEAR = 300;

/**
 * Where a conversation is scrolled to: at the message that the address names or at the newest, which it follows; it
 * keeps its place while older messages are put above, and reads more near both ends.
 *
 * @param goTo makes the address name this message; null: none
 */
export function useConversationScroll({
  conversation,
  wanted,
  scroller,
  content,
  goTo,
}: {
  conversation: ReturnType<typeof useConversation>;
  wanted: Ref<string | null>;
  scroller: Ref<HTMLElement | undefined>;
  content: Ref<HTMLElement | undefined>;
  goTo: (message: string | null) => Promise<unknown>;
}) {
  const { messages, hasNewer } = conversation;
  const marked = ref<string | null>(null);
  /** Whether the place to begin with is reached: reading upwards must not begin before. */
  const settled = ref(false);
  const atBottom = ref(true);
  /** Whoever looks at the newest message goes on doing so. */
  let following = false;

  const isRead = (message: string) => messages.value.some(({ id }) => id === message);
  const missing = computed(() => settled.value && wanted.value !== null && !isRead(wanted.value));

  // Begins before the new messages are drawn: then the place of those that are seen is still known.
  watch(messages, async () => {
    const place = settled.value ? topmostSeen() : undefined;
    await nextTick();
    if (!settled.value) await settle();
    else if (following) toBottom();
    else if (place) keep(place);
    await nextTick();
    growWhereNear();
  });
  watch(
    () => conversation.loadedOnce.value,
    (loaded) => void (loaded && messages.value.length === 0 && (settled.value = true)),
    { immediate: true },
  );
  watch(wanted, (message) => {
    marked.value = null;
    if (message !== null && isRead(message)) jump(message);
  });

  async function settle(): Promise<void> {
    if (messages.value.length === 0) return;
    following = wanted.value === null;
    settled.value = true;
    await nextTick();
    if (wanted.value === null) toBottom();
    else if (isRead(wanted.value)) jump(wanted.value);
    else document.getElementById(`m${nearest(wanted.value)}`)?.scrollIntoView({ block: 'center' });
  }

  function scrolled(): void {
    const box = scroller.value;
    // It may scroll once more on the way out.
    if (!box) return;
    atBottom.value = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
    following = atBottom.value && (following || !hasNewer.value);
    growWhereNear();
  }
  function growWhereNear(): void {
    const box = scroller.value;
    if (!box || !settled.value) return;
    if (following || box.scrollHeight - box.scrollTop - box.clientHeight < NEAR) void conversation.loadNewer();
    if (box.scrollTop < NEAR) void conversation.loadOlder();
  }

  // Files are drawn later than the words around them.
  const resized = new ResizeObserver(() => {
    if (following) toBottom();
    else if (settled.value) scrolled();
  });
  onMounted(() => resized.observe(content.value!));
  onScopeDispose(() => resized.disconnect());

  function topmostSeen() {
    const edge = scroller.value?.getBoundingClientRect().top ?? 0;
    const element = messages.value
      .map(({ id }) => document.getElementById(`m${id}`))
      .find((element) => element && element.getBoundingClientRect().bottom > edge);
    return element ? { element, top: element.getBoundingClientRect().top } : undefined;
  }
  function keep({ element, top }: { element: HTMLElement; top: number }): void {
    if (element.isConnected) scroller.value!.scrollTop += element.getBoundingClientRect().top - top;
  }

  /** The last message before one that is gone. */
  function nearest(message: string): string | undefined {
    return (messages.value.filter(({ id }) => BigInt(id) < BigInt(message)).at(-1) ?? messages.value[0])?.id;
  }
  function toBottom(): void {
    scroller.value?.scrollTo({ top: scroller.value.scrollHeight });
  }
  function jump(message: string): void {
    if (!isRead(message)) return void goTo(message);
    document.getElementById(`m${message}`)?.scrollIntoView({ block: 'center' });
    marked.value = message;
  }
  async function toLatest(): Promise<void> {
    if (!hasNewer.value) return toBottom();
    marked.value = null;
    settled.value = false;
    if (wanted.value === null) conversation.begin();
    else await goTo(null);
  }

  return { marked, settled, atBottom, missing, scrolled, jump, toLatest };
}
