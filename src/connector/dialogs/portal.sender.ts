import { Injectable } from '@nestjs/common';
import { RestClient } from '../../bitrix/rest.client.js';
import type { LaneResult } from '../../relay/endpoint-driver.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { StatusLane } from '../../storage/work/delivery-reports.repository.js';
import { untried } from './lane-results.js';
import type { Caller } from './caller.js';
import { MessageRequests } from './message-requests.js';
import { PreparedMessages } from './prepared-messages.js';
import { RefusedCalls } from './refused-calls.js';
import { nextRun } from './service-lines.js';
import { StatusRequests } from './status-requests.js';

/**
 * Makes the `imconnector.*` calls that carry messages. Every method settles all of its lanes: what the network says
 * becomes their results; only what is not the network's doing is thrown.
 */
@Injectable()
export class PortalSender {
  private readonly requests: MessageRequests;
  private readonly statuses: StatusRequests;

  constructor(
    rest: RestClient,
    messages: PreparedMessages,
    private readonly refused: RefusedCalls,
  ) {
    this.requests = new MessageRequests(rest, messages, refused);
    this.statuses = new StatusRequests(rest, refused);
  }

  /** What one chat says, in order, as far as one request carries it; the rest is due at once. */
  async sendWords(portal: PortalRecord, lane: ClaimedLane, caller: Caller, permit = true): Promise<LaneResult> {
    const deliveries = nextRun(lane);
    const waiting = lane.deliveries.filter((delivery) => !deliveries.includes(delivery));
    const result: LaneResult =
      deliveries.length > 0
        ? await this.sendTogether(portal, { ...lane, deliveries }, caller, permit)
        : { deliveries: [] };
    return { ...result, deliveries: [...result.deliveries, ...waiting.map(untried)] };
  }

  /** All of these in one request; where it is refused as a whole, only what is refused alone fails. */
  async sendTogether(portal: PortalRecord, lane: ClaimedLane, caller: Caller, permit: boolean): Promise<LaneResult> {
    const [result] = await this.refused.settle(
      portal,
      [lane],
      (part, free) => this.requests.make(portal, part, caller, free),
      permit,
    );
    return result!;
  }

  /** Words of several chats, one command a chat, in one request. The lanes hold nothing but fresh messages. */
  sendBatch(portal: PortalRecord, lanes: ClaimedLane[], caller: Caller, permit = true): Promise<LaneResult[]> {
    return this.refused.settle(portal, lanes, (part, free) => this.requests.make(portal, part, caller, free), permit);
  }

  /** Reports operators' messages of these lanes as delivered, in one request: of several lines as a batch. */
  reportStatus<Lane extends StatusLane>(
    portal: PortalRecord,
    lanes: Lane[],
    caller: Caller,
    permit = true,
  ): Promise<LaneResult[]> {
    return this.refused.settle(portal, lanes, (part, free) => this.statuses.make(portal, part, caller, free), permit);
  }
}
