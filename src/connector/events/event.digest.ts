import { createHash } from 'node:crypto';

const CREDENTIALS = new Set([
  'auth',
  'access_token',
  'refresh_token',
  'application_token',
  'auth_id',
  'refresh_id',
  'client_secret',
]);
/** Real events are seven levels deep; deeper JSON is somebody trying the recursion of whatever reads it next. */
const DEEPEST = 24;

/** The value without tokens and secrets, wherever they stand in it. */
export function withoutCredentials(value: unknown, depth = 0): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (depth === DEEPEST) return null;
  if (Array.isArray(value)) return value.map((inner) => withoutCredentials(inner, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !CREDENTIALS.has(key.toLowerCase()))
      .map(([key, inner]) => [key, withoutCredentials(inner, depth + 1)]),
  );
}

/** Tells contents apart; credentials do not count. 32 hexadecimal digits. */
export function digest(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(withoutCredentials(value) ?? null))
    .digest('hex')
    .slice(0, 32);
}
