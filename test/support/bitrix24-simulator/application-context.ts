import type { PortalApp } from './portal-model.js';
import { RestError } from './rest-error.js';
import type { RestContext } from './rest-method.js';

/** main/lib/rest/accessexception.php: 403, and what is meant behind "Access denied!". */
export const accessDenied = (why = ''): RestError =>
  new RestError(403, 'ACCESS_DENIED', `Access denied!${why === '' ? '' : ` ${why}`}`);

/** For methods that an application calls on behalf of an administrator. */
export function adminApp({ app, user }: RestContext): PortalApp {
  if (app === null) throw accessDenied('Application context required');
  if (!user.admin) throw accessDenied();
  return app;
}

/** rest/lib/handlerhelper.php, checkCallback. */
export function checkCallback(address: string): void {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || url.hostname.indexOf('.') < 1)
    throw new RestError(400, 'ERROR_WRONG_HANDLER_URL', 'Wrong handler URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new RestError(400, 'ERROR_UNSUPPORTED_PROTOCOL', 'Unsupported handler protocol');
}

/** `^[a-z0-9.\-_]+$` without regard to case: codes of robots, senders and triggers. */
export const isCode = (value: unknown): value is string => typeof value === 'string' && /^[a-z0-9.\-_]+$/i.test(value);
