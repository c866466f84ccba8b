import { computed, ref, watch, type Ref } from 'vue';

/** So many are drawn at once: a browser is slow with thousands. */
const STEP = 50;

/**
 * Of a list that is at hand as a whole: those of which one of the texts has the words (`begin` at first), and as many as
 * are to be drawn.
 */
export function useFound<Item>(items: Ref<Item[] | undefined>, textsOf: (item: Item) => string[], begin = '') {
  const words = ref(begin);
  const drawn = ref(STEP);
  watch(words, () => (drawn.value = STEP));
  const found = computed(() => {
    const wanted = words.value.trim().toLowerCase();
    const all = items.value ?? [];
    return wanted === ''
      ? all
      : all.filter((item) => textsOf(item).some((text) => text.toLowerCase().includes(wanted)));
  });
  return {
    words,
    found,
    shown: computed(() => found.value.slice(0, drawn.value)),
    hasMore: computed(() => found.value.length > drawn.value),
    more: () => void (drawn.value += STEP),
  };
}
