/**
 * SQLSTATE classes and codes that say "not now": connection trouble, no room for more connections, shutting down, a
 * statement or a lock that took too long.
 */
const SQLSTATES = /^(08...|57P0[1-5]|53...|25006|58030|55P03)$/;
const SOCKET_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
]);
/** Of node-postgres, and of PostgreSQL when the limits of a statement are over. */
const WORDS =
  /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error|Query read timeout|Cannot use a pool after calling end|canceling statement due to (statement|lock) timeout/;

/**
 * Whether PostgreSQL is away, full, read-only or shutting down, as opposed to a statement that is wrong. Looks through
 * wrappers (a cause, the AggregateError of a name with several addresses), a few levels deep.
 */
export function isStorageUnavailable(error: unknown, depth = 4): boolean {
  if (typeof error !== 'object' || error === null || depth === 0) return false;
  const { code, message, cause, errors } = error as Record<string, unknown>;
  if (typeof code === 'string' && (SQLSTATES.test(code) || SOCKET_CODES.has(code))) return true;
  if (typeof message === 'string' && WORDS.test(message)) return true;
  return [cause, ...(Array.isArray(errors) ? errors : [])].some((each) => isStorageUnavailable(each, depth - 1));
}
