import type { RestClient } from '../../bitrix/rest.client.js';
import { REPORT_DELIVERY } from '../../common/connector-methods.js';
import type { LaneResult } from '../../relay/endpoint-driver.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { StatusLane } from '../../storage/work/delivery-reports.repository.js';
import { groupStatuses } from './call-plan.js';
import { externalIdsOf, lineOf } from './dialog.message.js';
import { done } from './lane-results.js';
import type { Caller } from './caller.js';
import type { RefusedCalls } from './refused-calls.js';

/** Single requests that report operators' messages as delivered. */
export class StatusRequests {
  constructor(
    private readonly rest: RestClient,
    private readonly refused: RefusedCalls,
  ) {}

  /** One call a line; of several lines as a batch. Throws UpstreamError when the request had no success as a whole. */
  async make<Lane extends StatusLane>(
    portal: PortalRecord,
    lanes: Lane[],
    caller: Caller,
    permit: boolean,
  ): Promise<LaneResult[]> {
    const groups = groupStatuses(lanes);
    const commands = groups.map((group) => ({
      method: REPORT_DELIVERY,
      params: {
        CONNECTOR: portal.connectorId,
        LINE: lineOf(group[0]!),
        MESSAGES: group.flatMap((lane) => lane.deliveries.map((delivery) => statusOf(lane, delivery))),
      },
    }));
    const options = { permit, lease: caller.lease };
    if (commands.length === 1) {
      await this.rest.call(portal.id, REPORT_DELIVERY, commands[0]!.params, options);
      return lanes.map(done);
    }
    const keyed = Object.fromEntries(commands.map((command, index) => [`c${index}`, command]));
    const { results } = await this.rest.callBatch(portal.id, keyed, options);
    const settled = new Map<Lane, LaneResult>();
    for (const [index, group] of groups.entries()) {
      const outcome = results[`c${index}`]!;
      const again = (part: Lane[], free: boolean) => this.make(portal, part, caller, free);
      const made = outcome.ok ? group.map(done) : await this.refused.settleFailed(portal, group, again, outcome.error);
      for (const [place, lane] of group.entries()) settled.set(lane, made[place]!);
    }
    return lanes.map((lane) => settled.get(lane)!);
  }
}

function statusOf(lane: StatusLane, { message }: StatusLane['deliveries'][number]): Record<string, unknown> {
  return {
    im: {
      chat_id: numeric(message.bitrixChatId ?? lane.chat.bitrixChatId),
      message_id: numeric(message.bitrixMessageId),
    },
    // Ids only count in the first call, and always as an array: without them no edit or deletion ever comes.
    message: { id: externalIdsOf(lane.chat, message), date: Math.floor(Date.now() / 1000) },
    chat: { id: lane.chat.externalId },
  };
}

function numeric(id: string | null): number | string | null {
  return id !== null && /^\d{1,15}$/.test(id) ? Number(id) : id;
}
