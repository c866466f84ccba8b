import type { RestClient } from '../../bitrix/rest.client.js';
import type { RestTime } from '../../bitrix/rest.types.js';
import { DELETE_MESSAGES, SEND_MESSAGES, UPDATE_MESSAGES } from '../../common/connector-methods.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { LaneResult } from '../../relay/endpoint-driver.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { Caller } from './caller.js';
import { lineOf } from './dialog.message.js';
import { done } from './lane-results.js';
import type { Prepared, PreparedMessages } from './prepared-messages.js';
import type { RefusedCalls } from './refused-calls.js';
import { hasPicture, readSentElements, type SentElement, settledBy } from './sent-elements.js';

/** Bitrix24 ends a request after 60 s (apidocs.bitrix24.com, "Limits"): until then the answer may still come. */
const SEND_TIMEOUT_MS = 65_000;

/** Single requests that carry messages. */
export class MessageRequests {
  constructor(
    private readonly rest: RestClient,
    private readonly messages: PreparedMessages,
    private readonly refused: RefusedCalls,
  ) {}

  /** One request. Throws UpstreamError when it had no success as a whole. */
  async make(portal: PortalRecord, lanes: ClaimedLane[], caller: Caller, permit: boolean): Promise<LaneResult[]> {
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
    const { result, time } = await this.rest.call<unknown>(portal.id, SEND_MESSAGES, paramsOf(portal, lane, elements), {
      permit,
      lease: caller.lease,
      timeoutMs: SEND_TIMEOUT_MS,
    });
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
      const { result } = await this.rest.call<unknown>(portal.id, SEND_MESSAGES, paramsOf(portal, lane, elements), {
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
    const { result } = await this.rest.call<unknown>(portal.id, method, paramsOf(portal, lane, changed.elements), {
      permit,
      lease: caller.lease,
    });
    const { deliveries } = settledBy([changed], readSentElements(result));
    return { deliveries };
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
        params: paramsOf(
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
        const again = (part: ClaimedLane[], free: boolean) => this.make(portal, part, caller, free);
        settled.push(...(await this.refused.settleFailed(portal, [lane], again, outcome.error)));
      }
    }
    return settled;
  }
}

function paramsOf(portal: PortalRecord, lane: ClaimedLane, elements: unknown[]): Record<string, unknown> {
  return { CONNECTOR: portal.connectorId, LINE: lineOf(lane), MESSAGES: elements };
}

function observe({ timing }: Caller, time: RestTime | undefined, messages: number): void {
  if (time?.duration !== undefined && messages > 0) timing(time.duration, messages);
}
