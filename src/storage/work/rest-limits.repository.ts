import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';

/** A leaky bucket as GCRA sees it: one permit leaks in `intervalMs`, `toleranceMs` is the room above that. */
export interface Bucket {
  intervalMs: number;
  toleranceMs: number;
}

/** The bucket that an administrator set for this portal; null: as for all portals. */
export interface OwnBucket {
  requestsPerSecond: number | null;
  requestBurst: number | null;
}

/** In place of a method: the portal as a whole. */
export const WHOLE_PORTAL = '*';

/** Why a method, or the whole portal, is not called although no limit was reached. */
export interface Trouble {
  portalId: bigint;
  /** Lower case, or {@link WHOLE_PORTAL}. */
  method: string;
  /** As the portal spells it. */
  code: string;
  detail: string;
  since: Date;
}

/** A method that rests, or was in trouble when it was called last; `restMs`: for how long it is not called. */
export interface Rest {
  method: string;
  restMs: number;
  trouble: Trouble | null;
}

/** Milliseconds between two checks whether a trouble is over; each pause is twice the one before. */
export interface Pauses {
  first: number;
  longest: number;
}

/**
 * Table `rest_limits`: one bucket per portal (method '') and one pause per resting method; method '*' is the portal as
 * a whole. `until` of a bucket is its theoretical arrival time: the moment at which it would have leaked empty. All
 * times are the database's.
 */
@Injectable()
export class RestLimitsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Undefined: there is no such portal. */
  async ownBucket(portalId: bigint): Promise<OwnBucket | undefined> {
    const { rows } = await this.db.query<OwnBucket>(
      `SELECT requests_per_second AS "requestsPerSecond", request_burst AS "requestBurst" FROM portals WHERE id = $1`,
      [portalId],
      { prepared: true },
    );
    return rows[0];
  }

  /** Takes `permits` whatever the level; returns in how many milliseconds they may be used (0: now). */
  async take(portalId: bigint, permits: number, bucket: Bucket): Promise<number> {
    const { rows } = await this.db.query<{ wait: number }>(
      `INSERT INTO rest_limits AS bucket (portal_id, method, until)
       VALUES ($1, '', clock_timestamp() + $2::float8 * interval '1 ms')
       ON CONFLICT (portal_id, method) DO UPDATE
         SET until = greatest(bucket.until, clock_timestamp()) + $2::float8 * interval '1 ms'
       RETURNING (extract(epoch FROM until - clock_timestamp()) * 1000)::float8 - $3::float8 AS wait`,
      [portalId, permits * bucket.intervalMs, bucket.toleranceMs],
      { prepared: true },
    );
    return Math.max(0, Math.ceil(rows[0]?.wait ?? 0));
  }

  /**
   * Takes as many permits as may be used right now, at most `max`, leaving `keep` more, and returns how many. A bucket
   * without room is only read: waiting endpoints ask several times a second, and each lock or update would be a commit.
   */
  async takeFree(portalId: bigint, max: number, bucket: Bucket, keep = 0): Promise<number> {
    const { rows } = await this.db.query<{ permits: number | null; known: boolean }>(
      `WITH held AS MATERIALIZED (
         SELECT until FROM rest_limits
         WHERE portal_id = $1 AND method = ''
           AND until <= clock_timestamp() + ($4::float8 - ($5::int + 1) * $3::float8) * interval '1 ms'
         FOR UPDATE
       ), level AS MATERIALIZED (
         SELECT greatest(until, clock_timestamp()) AS until,
                extract(epoch FROM greatest(until - clock_timestamp(), interval '0'))::float8 * 1000 AS filled
         FROM held
       ), free AS (
         SELECT until, least($2::int, greatest(0, floor(($4::float8 - filled) / $3::float8)::int - $5::int)) AS permits FROM level
       ), taken AS (
         UPDATE rest_limits AS bucket
         SET until = free.until + free.permits * $3::float8 * interval '1 ms'
         FROM free WHERE bucket.portal_id = $1 AND bucket.method = ''
         RETURNING free.permits
       )
       SELECT (SELECT permits FROM taken) AS permits,
              EXISTS (SELECT FROM rest_limits WHERE portal_id = $1 AND method = '') AS known`,
      [portalId, max, bucket.intervalMs, bucket.toleranceMs, keep],
      { prepared: true },
    );
    if (rows[0]!.known) return rows[0]!.permits ?? 0;
    await this.db.query(
      `INSERT INTO rest_limits (portal_id, method, until) VALUES ($1, '', clock_timestamp()) ON CONFLICT DO NOTHING`,
      [portalId],
    );
    return this.takeFree(portalId, max, bucket, keep);
  }

  /** Returns unused permits. */
  async give(portalId: bigint, permits: number, { intervalMs }: Bucket): Promise<void> {
    await this.db.query(
      `UPDATE rest_limits SET until = until - $2::float8 * interval '1 ms' WHERE portal_id = $1 AND method = ''`,
      [portalId, permits * intervalMs],
      { prepared: true },
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

  /** What is resting at a portal, and what was in trouble when it was last tried. */
  async rests(portalId: bigint): Promise<Rest[]> {
    const { rows } = await this.db.query<TroubleRow & { rest: number }>(
      `SELECT portal_id, method, code, detail, since,
              (extract(epoch FROM until - clock_timestamp()) * 1000)::float8 AS rest
       FROM rest_limits
       WHERE portal_id = $1 AND method <> '' AND (until > clock_timestamp() OR code IS NOT NULL)`,
      [portalId],
    );
    return rows.map((row) => ({
      method: row.method,
      restMs: row.rest > 0 ? Math.max(1, Math.ceil(row.rest)) : 0,
      trouble: row.code === null ? null : troubleOf(row),
    }));
  }

  /**
   * Keeps a trouble and lets the method rest, longer each time that it was tried in vain; calls that fail while it
   * rests already were on their way. Answers for how many milliseconds.
   */
  async keepTrouble(
    portalId: bigint,
    { method, code, detail }: Pick<Trouble, 'method' | 'code' | 'detail'>,
    { first, longest }: Pauses,
  ): Promise<number> {
    const { rows } = await this.db.query<{ rest: number }>(
      `INSERT INTO rest_limits AS known (portal_id, method, until, code, detail, since, tries)
       VALUES ($1, $2, clock_timestamp() + $5::float8 * interval '1 ms', $3, $4, clock_timestamp(), 1)
       ON CONFLICT (portal_id, method) DO UPDATE SET
         code = EXCLUDED.code, detail = EXCLUDED.detail, since = coalesce(known.since, EXCLUDED.since),
         tries = known.tries + CASE WHEN known.code IS NOT NULL AND known.until > clock_timestamp() THEN 0 ELSE 1 END,
         until = CASE WHEN known.code IS NOT NULL AND known.until > clock_timestamp() THEN known.until
                      ELSE greatest(known.until, clock_timestamp()
                             + least($5::float8 * power(2, least(known.tries, 20)), $6::float8) * interval '1 ms') END
       RETURNING (extract(epoch FROM until - clock_timestamp()) * 1000)::float8 AS rest`,
      [portalId, method, code, detail, first, longest],
    );
    return Math.max(1, Math.ceil(rows[0]?.rest ?? first));
  }

  /** They work again. */
  async endTroubles(portalId: bigint, methods: string[]): Promise<void> {
    await this.db.query(
      `DELETE FROM rest_limits WHERE portal_id = $1 AND method = ANY($2::text[]) AND code IS NOT NULL`,
      [portalId, methods],
    );
  }

  /** Somebody may have fixed it: whatever is in trouble may be tried at once. `clientId`: only at its portals. */
  async endPauses(clientId: string | null = null): Promise<void> {
    await this.db.query(
      `UPDATE rest_limits SET until = clock_timestamp(), tries = 0
        WHERE code IS NOT NULL
          AND ($1::text IS NULL OR portal_id IN (SELECT id FROM portals WHERE client_id = $1))`,
      [clientId],
    );
  }

  /** Everything that is in trouble at portals that are connected. */
  async troubles(): Promise<Trouble[]> {
    const { rows } = await this.db.query<TroubleRow>(
      `SELECT portal_id, method, code, detail, since FROM rest_limits
        WHERE code IS NOT NULL AND portal_id IN (SELECT id FROM portals WHERE state = 'active')
        ORDER BY portal_id, method`,
    );
    return rows.map(troubleOf);
  }
}

interface TroubleRow {
  portal_id: bigint;
  method: string;
  code: string | null;
  detail: string | null;
  since: Date | null;
}

function troubleOf({ portal_id: portalId, method, code, detail, since }: TroubleRow): Trouble {
  return { portalId, method, code: code ?? '', detail: detail ?? '', since: since ?? new Date() };
}
