import type { Span } from '@opentelemetry/api';
import { childOf, linksTo, tracer, under } from '../common/spans.js';
import type { ClaimedDelivery, ClaimedLane } from '../storage/work/claimed-lane.js';

interface DeliverySpans {
  delivery: Span;
  /** Its current step: `send` or `settle`. */
  stage: Span;
}

/**
 * Spans of what one worker claims: `dispatch` holds the claim and the calls to the network, and below it a `delivery`
 * for each message with its `send` and `settle`, linked to the `intake` of the message. A delivery is found by the id of
 * its message.
 */
export class DeliveryTraces {
  private readonly spans = new WeakMap<ClaimedLane, Map<bigint, DeliverySpans>>();

  constructor(private readonly endpoint: string) {}

  /** @param claim when it began and ended, in milliseconds since 1970 */
  begin<Sent extends Promise<unknown>[]>(
    lanes: ClaimedLane[],
    claim: { from: number; to: number },
    send: () => Sent,
  ): Sent {
    const attributes = { 'openlines.endpoint': this.endpoint };
    const dispatch = tracer.startSpan('dispatch', { root: true, startTime: claim.from, attributes });
    childOf(dispatch, 'claim', { 'openlines.chats': lanes.length }, { startTime: claim.from }).end(claim.to);
    for (const lane of lanes) {
      this.spans.set(lane, new Map(lane.deliveries.map((each) => [each.seq, this.spansOf(dispatch, each)])));
    }
    const sent = under(dispatch, send);
    void Promise.allSettled(sent).then(() => dispatch.end());
    return sent;
  }

  sent(lane: ClaimedLane, seq: bigint, outcome: string, code?: string): void {
    const spans = this.spans.get(lane)?.get(seq);
    if (!spans) return;
    spans.stage.end();
    spans.delivery.setAttribute('openlines.outcome', outcome);
    if (code) spans.delivery.setAttribute('error.type', code);
    spans.stage = childOf(spans.delivery, 'settle', {});
  }

  settled(lane: ClaimedLane): void {
    for (const { delivery, stage } of this.spans.get(lane)?.values() ?? []) {
      stage.end();
      delivery.end();
    }
    this.spans.delete(lane);
  }

  private spansOf(dispatch: Span, { kind, attempt, message }: ClaimedDelivery): DeliverySpans {
    const attributes = {
      'openlines.message_id': String(message.id),
      'openlines.kind': kind,
      'openlines.attempt': attempt,
    };
    // A trace may end days after it began, and a dispatch has many messages: so each links to where its own came in.
    const delivery = childOf(dispatch, 'delivery', attributes, {
      ...(dispatch.isRecording() && { links: linksTo(message.trace) }),
    });
    return { delivery, stage: childOf(delivery, 'send', {}) };
  }
}
