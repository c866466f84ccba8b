import { computed } from 'vue';
import type { SaidMessage } from '../shared/conversation/words.js';
import type { BotItem, PortalItem } from './api.js';
import { t } from './language.js';
import { everyPage, useData } from './queries.js';
import { api } from './session.js';

/** Portals and bots are few beside what is said there: all of them are read, and kept for a while. */
const FRESH_MS = 60_000;

/** Who said it; Bitrix24 does not always tell an operator's name. */
export function authorOf({ authorName, authorId, direction, kind }: SaidMessage): string {
  if (authorName) return authorName;
  const source = t.conversation.sources[kind];
  if (direction === 'outbound' && source) return source;
  return direction === 'outbound' && authorId ? t.conversation.operator(authorId) : t.directions[direction];
}

/** Every portal. `everyMs`: read again after so many milliseconds. */
export function usePortals(everyMs?: number) {
  return useData<PortalItem[]>(
    () => ['portals'],
    () => everyPage((cursor) => api().portals(cursor)),
    {
      freshMs: everyMs === undefined ? FRESH_MS : 0,
      ...(everyMs === undefined ? {} : { everyMs }),
    },
  );
}

/** Every bot, likewise. */
export function useBots(everyMs?: number) {
  return useData<BotItem[]>(
    () => ['bots'],
    () => everyPage((cursor) => api().bots(cursor)),
    {
      freshMs: everyMs === undefined ? FRESH_MS : 0,
      ...(everyMs === undefined ? {} : { everyMs }),
    },
  );
}

/** Portals and bots, for filters and for naming what only has an id. */
export function useNames() {
  const { data: portals } = usePortals();
  const { data: bots } = useBots();
  const domains = computed(() => new Map(portals.value?.map(({ id, domain }) => [id, domain])));
  const users = computed(() => new Map(bots.value?.map((bot) => [bot.id, nameOf(bot)])));
  const portalName = (id: string | null): string =>
    id === null ? t.common.none : (domains.value.get(id) ?? (portals.value ? `#${id}` : '…'));
  const botName = (id: string | null): string =>
    id === null ? t.common.none : (users.value.get(id) ?? (bots.value ? `#${id}` : '…'));
  const choices = (names: Map<string, string>) => [
    { value: '', label: t.common.any },
    ...[...names].map(([value, label]) => ({ value, label })),
  ];
  return {
    portals: computed(() => portals.value ?? []),
    bots: computed(() => bots.value ?? []),
    portalName,
    botName,
    portalChoices: computed(() => choices(domains.value)),
    botChoices: computed(() => choices(users.value)),
  };
}

/** As people call it. */
export function nameOf({ id, username, name }: Pick<BotItem, 'id' | 'username' | 'name'>): string {
  return username ? `@${username}` : (name ?? `#${id}`);
}
