import type { RootState } from '../../telegram/api/api-roots.js';
import { check } from './doctor.checks.js';
import type { Check } from './doctor.dto.js';

/** How Telegram is reached. Nothing is said where there is one root and no proxy: the bots tell. */
export function rootChecks(roots: RootState[]): Check[] {
  return [...severalRoots(roots), ...proxies(roots)];
}

/** @param unsaid the server is an own one, and TG_API_KIND says that it is Telegram's */
export function apiKindChecks(unsaid: boolean): Check[] {
  if (!unsaid) return [];
  return [
    check(
      'telegram_api_kind',
      false,
      'TG_API_ROOT leads to a Bot API server of your own, but files are limited as at Telegram: 20 MB from clients, 50 MB to them',
      'Set TG_API_KIND=local and restart: files of up to 2 GB go both ways.',
    ),
  ];
}

function severalRoots(roots: RootState[]): Check[] {
  if (roots.length < 2) return [];
  const told = roots.map(({ name, failure, inUse, answerMs }) => {
    if (failure !== null) return `${name}: ${failure}`;
    const measured = answerMs === null ? 'not tried yet' : `answers in ${answerMs} ms`;
    return `${name}: ${measured}${inUse ? ' (in use)' : ''}`;
  });
  return [
    check(
      'telegram_roots',
      roots.some(({ failure }) => failure === null),
      `Ways to the Bot API, in the order of TG_API_ROOT: ${told.join('; ')}`,
      'Start one of the relays of TG_API_ROOT again, or name another there and restart. Messages wait and go on by themselves.',
    ),
  ];
}

/** A proxy is said to have failed for one root: it may reach the others. */
function proxies(roots: RootState[]): Check[] {
  const routes = roots.flatMap((root) =>
    root.routes.map((route) => ({ ...route, name: roots.length > 1 ? `${root.name} by ${route.name}` : route.name })),
  );
  if (routes.length === 0) return [];
  const failing = routes.filter(({ failure }) => failure !== null);
  const working = routes.filter(({ failure }) => failure === null);
  const times = working.filter(({ connectMs }) => connectMs !== null);
  const measured = times.map(({ name, connectMs }) => `${name}: connects in ${connectMs} ms`);
  const told = [...failing.map(({ name, failure }) => `${name}: ${failure}`), ...measured].join('; ');
  return [
    check(
      'telegram_proxies',
      working.length > 0,
      failing.length === 0
        ? `Nothing is wrong with the ${routes.length} ways to Telegram${told && `: ${told}`}`
        : `${failing.length} of ${routes.length} ways to Telegram failed the last time: ${told}`,
      'Start one of the proxies of TG_PROXY_URL again, or name another there (direct: without proxy) and restart. Messages wait and go on by themselves.',
    ),
  ];
}
