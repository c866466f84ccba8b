import { isStorageUnavailable } from './storage-unavailable.js';
import { redact } from './redact.js';

/** SQLSTATE classes of failures that the data of one statement caused: values (22), constraints (23). */
const OF_THE_DATA = /^2[23]/;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Whether nothing can be stored now, as opposed to this one thing: PostgreSQL is away or full, or a right or a table is missing. */
export function keepsNothing(error: unknown): boolean {
  if (isStorageUnavailable(error)) return true;
  const code = codeOf(error);
  return code !== null && SQLSTATE.test(code) && !OF_THE_DATA.test(code);
}

/** What PostgreSQL said, with its code and without what people wrote: of quoted parts only names of its objects stay. */
export function describeStorageFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const safe = redact(message.replace(/"([^"]*)"/g, (quoted, inner: string) => (/^\w+$/.test(inner) ? quoted : '"…"')));
  const code = codeOf(error);
  return `${code && !safe.includes(code) ? `${code}: ` : ''}${safe}`.slice(0, 200);
}

function codeOf(error: unknown): string | null {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : null;
}
