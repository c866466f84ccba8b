import { Injectable } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import {
  RangeTooLongError,
  StatisticsRepository,
  type StepCounts,
} from '../../storage/history/statistics.repository.js';
import { Cached } from '../cached.js';
import type { Statistics, StatisticsItem } from './statistics.dto.js';

/** How long an answer is kept: many may look at the same chart. */
const KEPT_MS = 10_000;
/** Answers that are kept; beyond it the oldest is made anew. */
const MOST_KEPT = 50;
const DAY_MS = 86_400_000;
const MOST_DAYS = 92;
/** Items without `step`; and with it. */
const USUAL_ITEMS = 96;
const MOST_ITEMS = 2_000;
/** Steps that a clock knows, in seconds: from a minute to a day. */
const USUAL_STEPS = [60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400];

export interface StatisticsQuery {
  from?: Date;
  to?: Date;
  stepSeconds?: number;
  portalId?: bigint;
  botId?: bigint;
}

/** The traffic over time. */
@Injectable()
export class StatisticsService {
  private readonly kept = new Map<string, Cached<Statistics>>();

  constructor(private readonly repository: StatisticsRepository) {}

  /** At most 10 s old. Throws a 400 problem for a range that is none, a 422 problem for one that is too long. */
  statistics(query: StatisticsQuery): Promise<Statistics> {
    const key = Object.values({ ...NOTHING, ...query }).join('/');
    const known = this.kept.get(key);
    if (known) return known.get();
    const made = new Cached(() => this.count(rangeOf(query, new Date()), query), KEPT_MS);
    if (this.kept.size >= MOST_KEPT) this.kept.delete(this.kept.keys().next().value!);
    this.kept.set(key, made);
    return made.get();
  }

  private async count(range: Range, { portalId, botId }: StatisticsQuery): Promise<Statistics> {
    try {
      return { ...range, items: itemsOf(range, await this.repository.steps({ ...range, portalId, botId })) };
    } catch (error) {
      if (!(error instanceof RangeTooLongError)) throw error;
      throw new Problem(422, 'range_too_long', 'There are too many messages to be counted at once: ask for less time.');
    }
  }
}

const NOTHING: Record<keyof StatisticsQuery, undefined> = {
  from: undefined,
  to: undefined,
  stepSeconds: undefined,
  portalId: undefined,
  botId: undefined,
};

interface Range {
  from: Date;
  to: Date;
  stepSeconds: number;
}

/** The last 24 hours unless asked otherwise, in steps of which there are 96 at most. */
export function rangeOf({ from, to, stepSeconds }: StatisticsQuery, now: Date): Range {
  const end = to ?? now;
  const begin = from ?? new Date(end.getTime() - DAY_MS);
  const length = end.getTime() - begin.getTime();
  if (length <= 0) throw invalid('from must be before to.');
  if (length > MOST_DAYS * DAY_MS) throw invalid(`from and to may be ${MOST_DAYS} days apart at most.`);
  const step = stepSeconds ?? USUAL_STEPS.find((usual) => length <= usual * 1_000 * USUAL_ITEMS) ?? 86_400;
  if (length > step * 1_000 * MOST_ITEMS)
    throw invalid(`That makes more than ${MOST_ITEMS} items: ask for a longer step.`);
  // Whole steps of the clock, unless somebody chose where they begin.
  const stepMs = step * 1_000;
  const aligned = from ? begin : new Date(Math.min(Math.ceil(begin.getTime() / stepMs) * stepMs, end.getTime() - 1));
  return { from: aligned, to: end, stepSeconds: step };
}

function invalid(detail: string): Problem {
  return new Problem(400, 'invalid_range', detail);
}

/** One item per step, also where nothing was said. */
function itemsOf({ from, to, stepSeconds }: Range, counts: StepCounts[]): StatisticsItem[] {
  const items = new Map<number, StatisticsItem>();
  for (let at = from.getTime(); at < to.getTime(); at += stepSeconds * 1_000) {
    items.set(at, {
      at: new Date(at),
      inbound: 0,
      outbound: 0,
      failed: 0,
      uncertain: 0,
      inboundLatencyMs: null,
      outboundLatencyMs: null,
    });
  }
  for (const { at, direction, count, failed, uncertain, latencyMs } of counts) {
    const item = items.get(at.getTime());
    if (!item) continue;
    item[direction] = count;
    item.failed += failed;
    item.uncertain += uncertain;
    item[`${direction}LatencyMs`] = latencyMs;
  }
  return [...items.values()];
}
