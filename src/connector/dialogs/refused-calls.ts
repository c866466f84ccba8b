import { Injectable } from '@nestjs/common';
import { bitrixError, bitrixProblem } from '../../bitrix/bitrix-problems.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { DELETE_MESSAGES, REPORT_DELIVERY, SEND_MESSAGES, UPDATE_MESSAGES } from '../../common/connector-methods.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { DeliveryResult, LaneResult } from '../../relay/endpoint-driver.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { failed, untried } from './lane-results.js';
import { partsOf } from './refused-call.plan.js';

/** What a request carries of one chat. */
export interface CarriedLane {
  id: bigint;
  chat: Pick<ClaimedLane['chat'], 'lineId'>;
  deliveries: Pick<ClaimedDelivery, 'seq' | 'kind'>[];
}

/**
 * Makes one request for these lanes; one result each. Throws UpstreamError when the request as a whole had no success.
 */
export type Attempt<Lane extends CarriedLane> = (lanes: Lane[], permit: boolean) => Promise<LaneResult[]>;

/**
 * Requests that one refused request may cost at most. Two culprits among fifty messages take 24; what is left over then
 * is due again at once. Each takes its turn in the portal's bucket, which refills with two a second.
 */
const MOST_REQUESTS = 24;

/** The code of every exception that has none of its own: it may mean anything, so it is believed the fourth time. */
const SAYS_NOTHING = 'ERROR_CORE';
/** Milliseconds before the second, third and fourth try: 17 s in all, and a refusal has to be told within 25. */
const AGAIN_MS = [2_000, 5_000, 10_000];
/** How long what a call without messages taught about its method counts. */
const VERDICT_MS = 5_000;
/** Messages of which is remembered how often they were refused; those of long ago are forgotten first. */
const MOST_REMEMBERED = 1_000;

interface Item<Lane extends CarriedLane> {
  lane: Lane;
  delivery: Lane['deliveries'][number];
}

/** What is known of a lane while a request that it shared is taken apart. */
interface Outcome {
  deliveries: DeliveryResult[];
  chat?: LaneResult['chat'];
  /** Why nothing more of it may be sent now: the order of the chat. */
  stopped?: UpstreamError;
}

/**
 * What becomes of requests that were refused. Where several messages shared one, it is taken apart, and only what is
 * refused alone fails. A refusal, by the application or by a page that stood in its place, is judged before anything
 * of the request is performed: nothing was taken, so nothing is repeated.
 */
@Injectable()
export class RefusedCalls {
  private readonly refusals = new Map<string, number>();
  private readonly verdicts = new Map<string, { until: number; verdict: Promise<UpstreamError | undefined> }>();

  constructor(private readonly rest: RestClient) {}

  /** Makes the attempt and settles every lane, whatever the network says; only what is not its doing is thrown. */
  async settle<Lane extends CarriedLane>(
    portal: PortalRecord,
    lanes: Lane[],
    attempt: Attempt<Lane>,
    permit: boolean,
  ): Promise<LaneResult[]> {
    try {
      return await attempt(lanes, permit);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      return this.settleFailed(portal, lanes, attempt, error);
    }
  }

  /** The same once the attempt has failed. */
  async settleFailed<Lane extends CarriedLane>(
    portal: PortalRecord,
    lanes: Lane[],
    attempt: Attempt<Lane>,
    error: UpstreamError,
  ): Promise<LaneResult[]> {
    if (error.kind !== 'refused') return lanes.map((lane) => failed(lane, error));
    const [first] = lanes;
    if (lanes.length > 1 || first!.deliveries.length > 1) return this.takeApart(portal, lanes, attempt);
    return [failed(first!, await this.judge(portal, first!, error))];
  }

  private async takeApart<Lane extends CarriedLane>(
    portal: PortalRecord,
    lanes: Lane[],
    attempt: Attempt<Lane>,
  ): Promise<LaneResult[]> {
    const outcomes = new Map<bigint, Outcome>(lanes.map(({ id }) => [id, { deliveries: [] }]));
    const items = lanes.flatMap((lane) => lane.deliveries.map((delivery): Item<Lane> => ({ lane, delivery })));
    const parts = partsOf(items, MOST_REQUESTS);
    let next = parts.next();
    while (!next.done) {
      const open: Item<Lane>[] = [];
      for (const item of next.value) {
        const outcome = outcomes.get(item.lane.id)!;
        if (outcome.stopped) outcome.deliveries.push(unsent(item, outcome.stopped));
        else open.push(item);
      }
      next = parts.next(await this.tryPart(portal, open, attempt, outcomes));
    }
    for (const item of next.value) {
      const { deliveries, stopped } = outcomes.get(item.lane.id)!;
      deliveries.push(stopped ? unsent(item, stopped) : untried(item.delivery));
    }
    return lanes.map(({ id }) => {
      const { deliveries, chat } = outcomes.get(id)!;
      return { deliveries, ...(chat && { chat }) };
    });
  }

  private async tryPart<Lane extends CarriedLane>(
    portal: PortalRecord,
    items: Item<Lane>[],
    attempt: Attempt<Lane>,
    outcomes: Map<bigint, Outcome>,
  ): Promise<'refused' | 'done'> {
    if (items.length === 0) return 'done';
    const lanes = together(items);
    let results: LaneResult[];
    try {
      results = await attempt(lanes, false);
    } catch (cause) {
      if (!(cause instanceof UpstreamError)) throw cause;
      if (cause.kind === 'refused' && items.length > 1) return 'refused';
      const error = cause.kind === 'refused' ? await this.judge(portal, lanes[0]!, cause) : cause;
      results = lanes.map((lane) => failed(lane, error));
      // Whoever is next would meet the same.
      if (['method', 'portal', 'endpoint'].includes(error.scope)) {
        for (const outcome of outcomes.values()) outcome.stopped ??= behind(error);
      }
    }
    lanes.forEach((lane, index) => {
      const outcome = outcomes.get(lane.id)!;
      const { deliveries, chat } = results[index]!;
      outcome.deliveries.push(...deliveries);
      if (chat) outcome.chat = { ...outcome.chat, ...chat };
      const last = deliveries.at(-1)!;
      if ('error' in last && last.error.kind !== 'refused') outcome.stopped ??= behind(last.error);
      if ('postponed' in last) outcome.stopped ??= bitrixProblem('WAITS', 'Waits for the message before it.');
    });
    return 'done';
  }

  /**
   * What the refusal of a single message means. `ERROR_CORE` is asked about: where the method fails without any message
   * too, it is the method that waits; otherwise the message is tried some times more.
   */
  private async judge(portal: PortalRecord, lane: CarriedLane, error: UpstreamError): Promise<UpstreamError> {
    if (error.code.toUpperCase() !== SAYS_NOTHING) return error;
    const [delivery] = lane.deliveries;
    const method = methodOf(delivery!);
    const trouble = await this.troubleOf(portal, lane, method);
    if (trouble?.code.toUpperCase() === SAYS_NOTHING) return this.rest.holdMethod(portal.id, method, trouble);
    if (trouble && trouble.kind !== 'refused') return bitrixError('not_sent', trouble.code, trouble.detail, 'message');
    const key = `${method}:${lane.id}:${delivery!.seq}`;
    const before = this.refusals.get(key) ?? 0;
    this.refusals.delete(key);
    const retryAfterMs = AGAIN_MS[before];
    if (retryAfterMs === undefined) return error;
    this.refusals.set(key, before + 1);
    if (this.refusals.size > MOST_REMEMBERED) this.refusals.delete(this.refusals.keys().next().value!);
    return bitrixError('not_sent', error.code, error.detail, 'message', retryAfterMs);
  }

  /** How the method ends when it is given no message: refused for that (ERROR_ARGUMENT) where it is well. */
  private troubleOf(portal: PortalRecord, lane: CarriedLane, method: string): Promise<UpstreamError | undefined> {
    const key = `${portal.id}:${method}`;
    const last = this.verdicts.get(key);
    if (last && performance.now() < last.until) return last.verdict;
    const params = { CONNECTOR: portal.connectorId, LINE: Number(lane.chat.lineId), MESSAGES: [] };
    const verdict = this.rest.call(portal.id, method, params).then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof UpstreamError) return error;
        throw error;
      },
    );
    this.verdicts.set(key, { until: performance.now() + VERDICT_MS, verdict });
    verdict.catch(() => this.verdicts.delete(key));
    return verdict;
  }
}

/** The lanes of these items, each with its deliveries among them. */
function together<Lane extends CarriedLane>(items: Item<Lane>[]): Lane[] {
  const lanes = new Map<bigint, Lane>();
  for (const { lane, delivery } of items) {
    const known = lanes.get(lane.id);
    if (known) known.deliveries.push(delivery);
    else lanes.set(lane.id, { ...lane, deliveries: [delivery] });
  }
  return [...lanes.values()];
}

function methodOf({ kind }: CarriedLane['deliveries'][number]): string {
  switch (kind) {
    case 'edit':
      return UPDATE_MESSAGES;
    case 'delete':
      return DELETE_MESSAGES;
    case 'status':
      return REPORT_DELIVERY;
    default:
      return SEND_MESSAGES;
  }
}

function unsent<Lane extends CarriedLane>({ delivery: { seq } }: Item<Lane>, error: UpstreamError): DeliveryResult {
  return { seq, delivered: false, error };
}

/** Behind a message that must wait, the order of the chat makes the others wait, unsent. */
function behind(error: UpstreamError): UpstreamError {
  const { code, scope, retryAfterMs } = error;
  const detail = `Waits for the message before it (${code}).`;
  return bitrixError('not_sent', 'WAITS', detail, scope === 'endpoint' ? 'message' : scope, retryAfterMs);
}
