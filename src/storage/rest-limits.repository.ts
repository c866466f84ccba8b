import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';

/** A leaky bucket as GCRA sees it: one permit leaks in `intervalMs`, `toleranceMs` is the room above that. */
export interface Bucket {
  intervalMs: number;
  toleranceMs: number;
}

/**
 * Table `rest_limits`: one bucket per portal (method '') and one pause per resting method. `until` of a bucket is
 * its theoretical arrival time: the moment at which it would have leaked empty. All times are the database's.
 */
@Injectable()
export class RestLimitsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Takes `permits` whatever the level and answers in how many milliseconds they may be used (0: now). */
  async take(portalId: bigint, permits: number, bucket: Bucket): Promise<number> {
    const { rows } = await this.db.query<{ wait: number }>(
      `INSERT INTO rest_limits AS bucket (portal_id, method, until)
       VALUES ($1, '', clock_timestamp() + $2::float8 * interval '1 ms')
       ON CONFLICT (portal_id, method) DO UPDATE
         SET until = greatest(bucket.until, clock_timestamp()) + $2::float8 * interval '1 ms'
       RETURNING (extract(epoch FROM until - clock_timestamp()) * 1000)::float8 - $3::float8 AS wait`,
      [portalId, permits * bucket.intervalMs, bucket.toleranceMs],
    );
    return Math.max(0, Math.ceil(rows[0]?.wait ?? 0));
  }

  /**
   * Takes as many permits as may be used at once, at most `max`, and answers how many. A bucket without room is only
   * read: endpoints that wait ask several times a second, and a lock or an update would be a commit each time.
   */
  async takeFree(portalId: bigint, max: number, bucket: Bucket): Promise<number> {
    await this.db.query(
      `INSERT INTO rest_limits (portal_id, method, until) VALUES ($1, '', clock_timestamp()) ON CONFLICT DO NOTHING`,
      [portalId],
    );
    const { rows } = await this.db.query<{ permits: number }>(
      `WITH held AS MATERIALIZED (
         SELECT until FROM rest_limits
         WHERE portal_id = $1 AND method = '' AND until <= clock_timestamp() + ($4::float8 - $3::float8) * interval '1 ms'
         FOR UPDATE
       ), level AS MATERIALIZED (
         SELECT greatest(until, clock_timestamp()) AS until,
                extract(epoch FROM greatest(until - clock_timestamp(), interval '0'))::float8 * 1000 AS filled
         FROM held
       ), free AS (
         SELECT until, least($2::int, greatest(0, floor(($4::float8 - filled) / $3::float8)::int)) AS permits FROM level
       )
       UPDATE rest_limits AS bucket
       SET until = free.until + free.permits * $3::float8 * interval '1 ms'
       FROM free WHERE bucket.portal_id = $1 AND bucket.method = ''
       RETURNING free.permits`,
      [portalId, max, bucket.intervalMs, bucket.toleranceMs],
    );
    return rows[0]?.permits ?? 0;
  }

  /** Gives permits back that were not used. */
  async give(portalId: bigint, permits: number, { intervalMs }: Bucket): Promise<void> {
    await this.db.query(
      `UPDATE rest_limits SET until = until - $2::float8 * interval '1 ms' WHERE portal_id = $1 AND method = ''`,
      [portalId, permits * intervalMs],
    );
  }

  /** Lets the bucket, or a method, rest for at least `forMs` from now; never shortens a longer rest. */
  async rest(portalId: bigint, method: string, forMs: number): Promise<void> {
    await this.db.query(
      `INSERT INTO rest_limits AS known (portal_id, method, until)
       VALUES ($1, $2, clock_timestamp() + $3::float8 * interval '1 ms')
       ON CONFLICT (portal_id, method) DO UPDATE SET until = greatest(known.until, EXCLUDED.until)`,
      [portalId, method, forMs],
    );
  }

  /** The resting methods of a portal and for how many milliseconds more. */
  async restingMethods(portalId: bigint): Promise<Map<string, number>> {
    const { rows } = await this.db.query<{ method: string; rest: number }>(
      `SELECT method, (extract(epoch FROM until - clock_timestamp()) * 1000)::float8 AS rest
       FROM rest_limits WHERE portal_id = $1 AND method <> '' AND until > clock_timestamp()`,
      [portalId],
    );
    return new Map(rows.map(({ method, rest }) => [method, Math.max(1, Math.ceil(rest))]));
  }
}
