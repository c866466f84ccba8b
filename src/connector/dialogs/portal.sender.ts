import { Injectable } from '@nestjs/common';
import { RestClient } from '../../bitrix/rest.client.js';
import type { RestTime } from '../../bitrix/rest.types.js';
import { DELETE_MESSAGES, REPORT_DELIVERY, SEND_MESSAGES, UPDATE_MESSAGES } from '../../common/connector-methods.js';
import type { Fence } from '../../common/http-exchange.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { LaneResult } from '../../relay/endpoint-driver.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { StatusLane } from '../../storage/work/delivery-reports.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { groupStatuses } from './call-plan.js';
import { externalIdsOf, lineOf } from './dialog.message.js';
import { done, untried } from './lane-results.js';
import { type Prepared, PreparedMessages } from './prepared-messages.js';
import { RefusedCalls } from './refused-calls.js';
import { hasPicture, readSentElements, type SentElement, settledBy } from './sent-elements.js';
import { nextRun } from './service-lines.js';

/** Bitrix24 ends a request after 60 s (apidocs.bitrix24.com, "Limits"): until then the answer may still come. */
const SEND_TIMEOUT_MS = 65_000;

/** On whose behalf calls are made. */
export interface Caller {
  /** Once it is over nothing leaves any more; without: whoever calls needs none. */
  lease?: Fence;
  /** Told how long the portal took for how many messages, seconds. */
  timing: (seconds: number, messages: number) => void;
}

/**
 * Makes the `imconnector.*` calls that carry messages. Every method settles all of its lanes: what the network says
 * becomes their results; only what is not the network's doing is thrown.
 */
@Injectable()
export class PortalSender {
  constructor(
    private readonly rest: RestClient,
    private readonly messages: PreparedMessages,
    private readonly refused: RefusedCalls,
  ) {}

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
      (part, free) => this.request(portal, part, caller, free),
      permit,
    );
    return result!;
  }

  /** One request. Throws UpstreamError when it had no success as a whole. */
  private async request(
    portal: PortalRecord,
    lanes: ClaimedLane[],
    caller: Caller,
    permit: boolean,
  ): Promise<LaneResult[]> {
    return lanes.length > 1
      ? this.batch(portal, lanes, caller, permit)
      : [await this.sendRun(portal, lanes[0]!, caller, permit)];
  }

  private async sendRun(portal: PortalRecord, lane: ClaimedLane, caller: Caller, permit: boolean): Promise<LaneResult> {
    const [first] = lane.deliveries;
    if (first!.kind === 'edit' || first!.kind === 'delete') return this.change(portal, lane, first!, caller, permit);
    const prepared: Prepared[] = [];
    for (const delivery of lane.deliveries) prepared.push(await this.messages.prepare(portal, lane, delivery));
    const elements = prepared.flatMap((item) => item.elements);
    if (elements.length === 0) return settledBy(prepared, []);
    const { result, time } = await this.rest.call<unknown>(
      portal.id,
      SEND_MESSAGES,
      this.params(portal, lane, elements),
      {
        permit,
        lease: caller.lease,
        timeoutMs: SEND_TIMEOUT_MS,
      },
    );
    // Files take the time of their size, which says nothing about the next message.
    if (prepared.every(({ files }) => files === 0)) observe(caller, time, elements.length);
    return this.withoutRefusedFiles(portal, lane, caller, prepared, readSentElements(result));
  }

  /** A message that is nothing but files is refused when the portal could fetch none: then their names go. */
  private async withoutRefusedFiles(
    portal: PortalRecord,
    lane: ClaimedLane,
    caller: Caller,
    prepared: Prepared[],
    answers: SentElement[],
  ): Promise<LaneResult> {
    const last = prepared.at(-1)!;
    const refused = last.files > 0 && answers.at(-last.elements.length)?.isRefused === true;
    if (!refused || hasPicture(last)) return settledBy(prepared, answers);
    const before = prepared.slice(0, -1);
    const kept = answers.slice(0, -last.elements.length);
    const { elements } = this.messages.withoutFiles(portal, lane, last.delivery);
    try {
      const { result } = await this.rest.call<unknown>(portal.id, SEND_MESSAGES, this.params(portal, lane, elements), {
        lease: caller.lease,
        timeoutMs: SEND_TIMEOUT_MS,
      });
      return settledBy([...before, { ...last, elements }], [...kept, ...readSentElements(result)]);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const arrived = settledBy(before, kept);
      return { ...arrived, deliveries: [...arrived.deliveries, { seq: last.delivery.seq, delivered: false, error }] };
    }
  }

  /** A newer version of a message, or its end. Both may be said twice: the portal looks for the message by our id. */
  private async change(
    portal: PortalRecord,
    lane: ClaimedLane,
    delivery: ClaimedDelivery,
    caller: Caller,
    permit: boolean,
  ): Promise<LaneResult> {
    const changed = this.messages.change(portal, lane, delivery);
    if (changed.elements.length === 0) return done({ deliveries: [delivery] });
    const method = delivery.kind === 'delete' ? DELETE_MESSAGES : UPDATE_MESSAGES;
    const { result } = await this.rest.call<unknown>(portal.id, method, this.params(portal, lane, changed.elements), {
      permit,
      lease: caller.lease,
    });
    const { deliveries } = settledBy([changed], readSentElements(result));
    return { deliveries };
  }

  /** Words of several chats, one command a chat, in one request. The lanes hold nothing but fresh messages. */
  sendBatch(portal: PortalRecord, lanes: ClaimedLane[], caller: Caller, permit = true): Promise<LaneResult[]> {
    return this.refused.settle(portal, lanes, (part, free) => this.request(portal, part, caller, free), permit);
  }

  private async batch(
    portal: PortalRecord,
    lanes: ClaimedLane[],
    caller: Caller,
    permit: boolean,
  ): Promise<LaneResult[]> {
    const prepared = lanes.map((lane) =>
      lane.deliveries.map((delivery) => this.messages.fresh(portal, lane, delivery)),
    );
    const commands = lanes.map((lane, index) => [
      `c${index}`,
      {
        method: SEND_MESSAGES,
        params: this.params(
          portal,
          lane,
          prepared[index]!.flatMap((item) => item.elements),
        ),
      },
    ]);
    const { results } = await this.rest.callBatch(portal.id, Object.fromEntries(commands), {
      permit,
      lease: caller.lease,
      timeoutMs: SEND_TIMEOUT_MS,
    });
    const settled: LaneResult[] = [];
    for (const [index, lane] of lanes.entries()) {
      const outcome = results[`c${index}`]!;
      if (outcome.ok) {
        observe(caller, outcome.time, prepared[index]!.length);
        settled.push(settledBy(prepared[index]!, readSentElements(outcome.result)));
      } else {
        const again = (part: ClaimedLane[], free: boolean) => this.request(portal, part, caller, free);
        settled.push(...(await this.refused.settleFailed(portal, [lane], again, outcome.error)));
      }
    }
    return settled;
  }

  /** Reports operators' messages of these lanes as delivered, in one request: of several lines as a batch. */
  reportStatus<Lane extends StatusLane>(
    portal: PortalRecord,
    lanes: Lane[],
    caller: Caller,
    permit = true,
  ): Promise<LaneResult[]> {
    return this.refused.settle(portal, lanes, (part, free) => this.report(portal, part, caller, free), permit);
  }

  private async report<Lane extends StatusLane>(
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
      const again = (part: Lane[], free: boolean) => this.report(portal, part, caller, free);
      const made = outcome.ok ? group.map(done) : await this.refused.settleFailed(portal, group, again, outcome.error);
      for (const [place, lane] of group.entries()) settled.set(lane, made[place]!);
    }
    return lanes.map((lane) => settled.get(lane)!);
  }

  private params(portal: PortalRecord, lane: ClaimedLane, elements: unknown[]): Record<string, unknown> {
    return { CONNECTOR: portal.connectorId, LINE: lineOf(lane), MESSAGES: elements };
  }
}

function observe({ timing }: Caller, time: RestTime | undefined, messages: number): void {
  if (time?.duration !== undefined && messages > 0) timing(time.duration, messages);
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
