import { redact } from '../../common/redact.js';
import { UpstreamError } from '../../common/upstream-error.js';

/** An error in one line without secrets, at most 200 characters. */
export function describeError(error: unknown): string {
  if (error instanceof UpstreamError) return `${error.code}: ${error.detail}`;
  const { message, code } = (error ?? {}) as { message?: string; code?: string };
  return redact(message || code || 'unknown error').slice(0, 200);
}
