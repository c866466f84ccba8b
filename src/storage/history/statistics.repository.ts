import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import type { Direction } from '../prisma/client.js';

/** Longest time that counting may take, in milliseconds: beyond it the caller should ask for less. */
const STATISTICS_TIMEOUT_MS = 10_000;
/** For one row per step, direction, state and latency of a long range, without a file. */
const WORK_MEMORY = '32MB';
/** Latencies are sorted into classes of which each ends 2 % above the one before, so what is told is right within 1 %. */
const CLASSES_PER_E = 50;

/** Which messages are counted: those stored from `from` on and before `to`. */
export interface StatisticsFilter {
  from: Date;
  to: Date;
  stepSeconds: number;
  portalId?: bigint;
  botId?: bigint;
}

/** Messages of one direction that were stored within one step. */
export interface StepCounts {
  /** Beginning of the step. */
  at: Date;
  direction: Direction;
  count: number;
  failed: number;
  uncertain: number;
  /** From stored to delivered, of those that are; right within 1 %. Null: none is. */
  latencyMs: { p50: number; p95: number } | null;
}

/** Thrown when there are too many messages in the range to be counted in the time given. */
export class RangeTooLongError extends Error {
  override readonly name = 'RangeTooLongError';
}

/** How many messages there were, how they ended and how long they took, over time. Reads `messages`, changes nothing. */
@Injectable()
export class StatisticsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Steps without a message are left out. Throws {@link RangeTooLongError}. */
  async steps({ from, to, stepSeconds, portalId, botId }: StatisticsFilter): Promise<StepCounts[]> {
    const values: unknown[] = [from, to, stepSeconds];
    const narrowed = Object.entries({ portal_id: portalId, bot_id: botId })
      .filter(([, id]) => id !== undefined)
      .map(([column, id]) => ` AND ${column} = $${values.push(id)}`);
    // Grouped once, which several processes can do together; percentiles of all messages would be sorted by one.
    const text = `
      WITH grouped AS MATERIALIZED (
        SELECT date_bin(make_interval(secs => $3), created_at, $1::timestamptz) AS at, direction, state,
               floor(ln(1 + greatest(0, date_part('epoch', delivered_at - created_at)) * 1000) * ${CLASSES_PER_E})::int AS class,
               count(*) AS count
          FROM messages WHERE created_at >= $1 AND created_at < $2${narrowed.join('')}
         GROUP BY 1, 2, 3, 4
      ), classes AS (
        SELECT at, direction, class, sum(count) AS count FROM grouped WHERE class IS NOT NULL AND state = 'delivered'
         GROUP BY 1, 2, 3
      ), ranks AS (
        SELECT at, direction, class, sum(count) OVER (PARTITION BY at, direction ORDER BY class) AS rank,
               sum(count) OVER (PARTITION BY at, direction) AS all
          FROM classes
      ), latencies AS (
        SELECT at, direction, min(class) FILTER (WHERE rank >= 0.5 * "all") AS p50,
               min(class) FILTER (WHERE rank >= 0.95 * "all") AS p95
          FROM ranks GROUP BY 1, 2
      )
      SELECT at, direction, sum(count)::float8 AS count,
             coalesce(sum(count) FILTER (WHERE state = 'failed'), 0)::float8 AS failed,
             coalesce(sum(count) FILTER (WHERE state = 'uncertain'), 0)::float8 AS uncertain, p50, p95
        FROM grouped LEFT JOIN latencies USING (at, direction)
       GROUP BY at, direction, p50, p95 ORDER BY at, direction`;
    const rows = await this.read(text, values);
    return rows.map(({ p50, p95, ...counts }) => ({
      ...counts,
      latencyMs: p50 === null || p95 === null ? null : { p50: middleOf(p50), p95: middleOf(p95) },
    }));
  }

  private async read(text: string, values: unknown[]): Promise<StepRow[]> {
    try {
      return await this.db.transaction(async (connection) => {
        await connection.query(
          `SET LOCAL statement_timeout = ${STATISTICS_TIMEOUT_MS}; SET LOCAL work_mem = '${WORK_MEMORY}'; SET LOCAL jit = off`,
        );
        return (await connection.query<StepRow>(text, values)).rows;
      });
    } catch (error) {
      const QUERY_CANCELED = '57014';
      if ((error as { code?: string }).code !== QUERY_CANCELED) throw error;
      throw new RangeTooLongError('Counting was given up', { cause: error });
    }
  }
}

type StepRow = Omit<StepCounts, 'latencyMs'> & { p50: number | null; p95: number | null };

/** Milliseconds. */
function middleOf(latencyClass: number): number {
  return Math.round(Math.exp((latencyClass + 0.5) / CLASSES_PER_E) - 1);
}
