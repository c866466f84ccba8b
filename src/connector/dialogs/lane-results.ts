import type { UpstreamError } from '../../common/upstream-error.js';
import type { DeliveryResult, LaneResult } from '../../relay/endpoint-driver.js';

interface Deliveries {
  deliveries: readonly { seq: bigint }[];
}

/** Nothing is left to do for the lane. */
export function done(lane: Deliveries): LaneResult {
  return { deliveries: lane.deliveries.map(({ seq }) => ({ seq, delivered: true })) };
}

/** The same went wrong with everything in the lane. */
export function failed(lane: Deliveries, error: UpstreamError): LaneResult {
  return { deliveries: lane.deliveries.map(({ seq }) => ({ seq, delivered: false, error })) };
}

/** It was not tried this time: nothing is wrong with it. */
export function untried({ seq }: { seq: bigint }): DeliveryResult {
  return { seq, delivered: false, postponed: { begun: false } };
}
