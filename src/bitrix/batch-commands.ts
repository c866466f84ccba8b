import qs from 'qs';
import { isObject } from '../common/json-fields.js';
import type { UpstreamError } from '../common/upstream-error.js';
import { bitrixProblem } from './bitrix-problems.js';
import { classifyFault, readFault } from './rest-errors.js';
import type { CommandOutcome, RestCommand, RestTime } from './rest.types.js';

/**
 * A command as Bitrix24 wants it, `method?query`, the query by the rules of PHP's http_build_query: indexed
 * brackets, booleans as 1 and 0, null left out, space as +.
 */
export function encodeCommand({ method, params }: RestCommand): string {
  const query = qs.stringify(params, {
    arrayFormat: 'indices',
    format: 'RFC1738',
    skipNulls: true,
    filter: (_key, value: unknown) => (typeof value === 'boolean' ? Number(value) : value),
  });
  return query ? `${method}?${query}` : method;
}

/** What became of the command `key`. `batch` is the answer's `result`; `halt`: the batch stops at the first failure. */
export function readCommand(key: string, batch: unknown, halt: boolean): CommandOutcome {
  // Errors first: a command that answers `{result: false, error}` is in both lists.
  const fault = readFault(member(batch, 'result_error', key));
  const time = commandTime(key, batch);
  if (fault) return { ok: false, error: classifyFault(fault, { ...(time && { time }) }) };
  const result = member(batch, 'result', key);
  if (result !== undefined) return { ok: true, result, ...(time && { time }) };
  if (halt && hasErrors(batch)) return { ok: false, error: batchHalted() };
  return { ok: false, error: bitrixProblem('NO_RESULT', 'the batch answered without this command') };
}

/** What the command `key` cost; undefined where the portal does not say. */
export function commandTime(key: string, batch: unknown): RestTime | undefined {
  const time = member(batch, 'result_time', key);
  return isObject(time) ? time : undefined;
}

export function batchHalted(): UpstreamError {
  return bitrixProblem('BATCH_HALTED', 'an earlier command of the batch failed');
}

/** PHP writes an empty map as `[]`, and one with the keys 0, 1, 2 as a list. */
function member(batch: unknown, list: string, key: string): unknown {
  const entries = isObject(batch) ? batch[list] : undefined;
  if (typeof entries !== 'object' || entries === null || !Object.hasOwn(entries, key)) return undefined;
  return (entries as Record<string, unknown>)[key];
}

function hasErrors(batch: unknown): boolean {
  const errors = isObject(batch) ? batch['result_error'] : undefined;
  return typeof errors === 'object' && errors !== null && Object.keys(errors).length > 0;
}
