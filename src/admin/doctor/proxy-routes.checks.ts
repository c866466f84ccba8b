import type { RouteState } from '../../common/proxy-routes.js';
import type { Check } from './doctor.dto.js';
import { finding } from './finding.js';

/** How a proxy says that it does not know us: HTTP 407, and the words of the SOCKS library. */
const WRONG_PASSWORD = /\b407\b|authentication/i;

const OF_NETWORK = {
  Telegram: { id: 'telegram_proxies', variable: 'TG_PROXY_URL' },
  Bitrix24: { id: 'bitrix24_proxies', variable: 'B24_PROXY_URL' },
} as const;

/** The proxies towards a network. Nothing is said where none is set. */
export function routeChecks(network: keyof typeof OF_NETWORK, routes: RouteState[]): Check[] {
  if (routes.length === 0) return [];
  const { id, variable } = OF_NETWORK[network];
  const failing = routes.filter(({ failure }) => failure !== null);
  const connects = routes.flatMap(({ name, failure, connectMs }) =>
    failure === null && connectMs !== null ? [{ name, ms: connectMs }] : [],
  );
  const told = { network, variable, all: routes.length, connects };
  if (failing.length === 0) return [finding(id, 'routes.ok', told)];
  const said = failing.map(({ name, failure }) => `${name}: ${failure}`).join('; ');
  const isPassword = failing.some(({ failure }) => WRONG_PASSWORD.test(failure!));
  const code = failing.length < routes.length ? 'routes.some' : isPassword ? 'routes.password' : 'routes.none';
  return [finding(id, code, { ...told, failed: failing.length, said })];
}
