import type { RestClient } from '../../bitrix/rest.client.js';
import { BATCH_LIMIT, type BatchOptions, type RestCommand } from '../../bitrix/rest.types.js';
import type { UpstreamError } from '../../common/upstream-error.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';

/** One batch per 50 commands; answers the errors of those that failed. */
export async function callAll(
  rest: RestClient,
  portal: PortalRecord,
  commands: RestCommand[],
  options: BatchOptions = {},
): Promise<UpstreamError[]> {
  const errors: UpstreamError[] = [];
  for (let start = 0; start < commands.length; start += BATCH_LIMIT) {
    const keyed = commands.slice(start, start + BATCH_LIMIT).map((command, index) => [`c${index}`, command] as const);
    const { results } = await rest.callBatch(portal.id, Object.fromEntries(keyed), options);
    for (const outcome of Object.values(results)) if (!outcome.ok) errors.push(outcome.error);
  }
  return errors;
}
