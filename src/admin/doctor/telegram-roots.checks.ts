import type { RootState } from '../../telegram/api/api-roots.js';
import type { Check } from './doctor.dto.js';
import { finding } from './finding.js';

/** How a proxy says that it does not know us: HTTP 407, and the words of the SOCKS library. */
const WRONG_PASSWORD = /\b407\b|authentication/i;

/** How Telegram is reached. Nothing is said where there is one root and no proxy: the bots tell. */
export function rootChecks(roots: RootState[]): Check[] {
  return [...severalRoots(roots), ...proxies(roots)];
}

/** @param unsaid the server is an own one, and TG_API_KIND says that it is Telegram's */
export function apiKindChecks(unsaid: boolean): Check[] {
  return unsaid ? [finding('telegram_api_kind', 'api_kind.limited', {})] : [];
}

function severalRoots(roots: RootState[]): Check[] {
  if (roots.length < 2) return [];
  const works = roots.some(({ failure }) => failure === null);
  const told = roots.map(({ name, failure, inUse, answerMs }) => ({ name, failure, inUse, ms: answerMs }));
  return [finding('telegram_roots', works ? 'roots.some' : 'roots.none', { roots: told })];
}

/** A proxy is said to have failed for one root: it may reach the others. */
function proxies(roots: RootState[]): Check[] {
  const routes = roots.flatMap((root) =>
    root.routes.map((route) => ({ ...route, name: roots.length > 1 ? `${root.name} → ${route.name}` : route.name })),
  );
  if (routes.length === 0) return [];
  const failing = routes.filter(({ failure }) => failure !== null);
  const connects = routes.flatMap(({ name, failure, connectMs }) =>
    failure === null && connectMs !== null ? [{ name, ms: connectMs }] : [],
  );
  const all = routes.length;
  if (failing.length === 0) return [finding('telegram_proxies', 'routes.ok', { all, connects })];
  const said = failing.map(({ name, failure }) => `${name}: ${failure}`).join('; ');
  const isPassword = failing.some(({ failure }) => WRONG_PASSWORD.test(failure!));
  const code = failing.length < all ? 'routes.some' : isPassword ? 'routes.password' : 'routes.none';
  return [finding('telegram_proxies', code, { failed: failing.length, all, said, connects })];
}
