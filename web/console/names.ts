import { computed, shallowRef } from 'vue';
import type { BotItem, MessageItem, PortalItem } from './api.js';
import { t } from './language.js';
import { api } from './session.js';

const portals = shallowRef<PortalItem[]>([]);
const bots = shallowRef<BotItem[]>([]);
const loaded = shallowRef(false);

/** Who said it; Bitrix24 does not always tell an operator's name. */
export function authorOf({ authorName, authorId, direction }: MessageItem): string {
  if (authorName) return authorName;
  return direction === 'outbound' && authorId ? t.conversation.operator(authorId) : t.directions[direction];
}

/** Portals and bots, for filters and for naming what only has an id. */
export function useNames() {
  const load = async (): Promise<void> => {
    [portals.value, bots.value] = await Promise.all([
      api()
        .portals()
        .then(({ items }) => items),
      api()
        .bots()
        .then(({ items }) => items),
    ]);
    loaded.value = true;
  };
  const unknown = (id: string): string => (loaded.value ? `#${id}` : '…');
  const portalName = (id: string | null): string =>
    id === null ? t.common.none : (portals.value.find((portal) => portal.id === id)?.domain ?? unknown(id));
  const botName = (id: string | null): string => {
    if (id === null) return t.common.none;
    const bot = bots.value.find((bot) => bot.id === id);
    return bot?.username ? `@${bot.username}` : (bot?.name ?? unknown(id));
  };
  const portalChoices = computed(() => [
    { value: '', label: t.common.any },
    ...portals.value.map(({ id, domain }) => ({ value: id, label: domain })),
  ]);
  const botChoices = computed(() => [
    { value: '', label: t.common.any },
    ...bots.value.map(({ id }) => ({ value: id, label: botName(id) })),
  ]);
  return { portals, bots, load, portalName, botName, portalChoices, botChoices };
}
