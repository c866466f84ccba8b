import type { RouteState } from '../../common/proxy-routes.js';
import type { RootState } from '../../telegram/api/api-roots.js';
import type { BotFacts } from '../../storage/history/overview.repository.js';
import { botName } from './doctor.checks.js';
import type { Check } from './doctor.dto.js';
import { finding } from './finding.js';
import { routeChecks } from './proxy-routes.checks.js';

/** How Telegram is reached. Nothing is said where there is one root and no proxy: the bots tell. */
export function rootChecks(roots: RootState[]): Check[] {
  return [
    ...severalRoots(roots),
    ...routeChecks(
      'Telegram',
      roots.flatMap((root) => routesOf(root, roots.length > 1)),
    ),
  ];
}

/** How a bot that has Bot API servers of its own reaches them. */
export function botRootChecks(bot: BotFacts, roots: RootState[]): Check[] {
  const code = roots.some(({ failure }) => failure === null) ? 'bot.roots' : 'bot.roots_none';
  return [finding(`bot:${bot.id}:roots`, code, { bot: botName(bot), roots: told(roots) })];
}

/** @param unsaid the server is an own one, and TG_API_KIND says that it is Telegram's */
export function apiKindChecks(unsaid: boolean): Check[] {
  return unsaid ? [finding('telegram_api_kind', 'api_kind.limited', {})] : [];
}

function severalRoots(roots: RootState[]): Check[] {
  if (roots.length < 2) return [];
  const works = roots.some(({ failure }) => failure === null);
  return [finding('telegram_roots', works ? 'roots.some' : 'roots.none', { roots: told(roots) })];
}

const told = (roots: RootState[]) =>
  roots.map(({ name, failure, inUse, answerMs }) => ({ name, failure, inUse, ms: answerMs }));

/** A proxy is said to have failed for one root: it may reach the others. */
function routesOf({ name: root, routes }: RootState, isOneOfSeveral: boolean): RouteState[] {
  return routes.map((route) => ({ ...route, name: isOneOfSeveral ? `${root} → ${route.name}` : route.name }));
}
