import { Injectable } from '@nestjs/common';
import { PAUSE_ANSWERS_ANEW } from './answer-pauses.js';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { botEndpointSql, isPortalSql, portalEndpointSql } from './endpoint-id.js';
import type { Lease } from './lease.js';

/** How long a lease lives without a heartbeat: an owner that was killed is replaced after this. */
export const LEASE_SECONDS = 10;

/** How long a replica counts after it last asked for its share; less than its leases live. */
const SEEN_SECONDS = 5;

/** Code of a trouble: updates cannot be stored. Most others have the code of the network's error. */
export const STORING_FAILS = 'storing_fails';
/** Code of a trouble: a bot has a webhook, and nobody knows under which address. */
export const NO_WEBHOOK_ADDRESS = 'no_webhook_address';
/** Of a trouble that has no code. */
export const ILL = 'ill';

/** Trouble that the driver of an endpoint has met and that is not over. */
export interface EndpointTrouble {
  code: string;
  /** As the refusing side worded it. */
  detail: string;
  since: Date;
}

/** The condition of an endpoint; `trouble` is null when nothing is wrong. */
export interface EndpointCondition {
  lease: Lease;
  trouble: Omit<EndpointTrouble, 'since'> | null;
}

/** The tables `endpoints`: who drives which bot and portal, and `replicas`: who could. All times are the database's. */
@Injectable()
export class EndpointsRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Prolongs every lease that nobody took from this owner, also one that ran out while the database was away; the
   * answer lists them.
   */
  async heartbeat(owner: string): Promise<Lease[]> {
    const { rows } = await this.db.query<{ id: string; fence: bigint }>(
      `UPDATE endpoints e SET expires_at = now() + make_interval(secs => $2)
         FROM (SELECT id FROM endpoints WHERE owner = $1 AND expires_at > '-infinity' ORDER BY id FOR NO KEY UPDATE) mine
        WHERE e.id = mine.id RETURNING e.id, e.fence`,
      [owner, LEASE_SECONDS],
      { prepared: true },
    );
    return rows.map((row) => ({ endpoint: row.id, owner, fence: row.fence }));
  }

  /**
   * Takes up to `limit` endpoints that nobody drives, new bots and portals included. The new fence shuts out
   * whoever drove them before. Unless they were handed over in good order, events may have been lost with whoever
   * drove them: the answers of the portals concerned are paused. With a bot that nobody ever drove nothing was lost.
   */
  async acquire(owner: string, limit: number): Promise<Lease[]> {
    await this.db.query(
      `INSERT INTO endpoints (id)
       SELECT id FROM (SELECT ${botEndpointSql('id')} FROM bots UNION ALL SELECT ${portalEndpointSql('id')} FROM portals) AS known(id)
        WHERE NOT EXISTS (SELECT FROM endpoints e WHERE e.id = known.id)
       ON CONFLICT (id) DO NOTHING`,
    );
    const { rows } = await this.db.query<{ id: string; fence: bigint }>(
      `WITH free AS (
         SELECT id, owner IS NULL AND expires_at > '-infinity' AS handed_over, fence = 0 AS is_new
           FROM endpoints WHERE expires_at <= now()
          ORDER BY ${isPortalSql('id')} DESC, expires_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
       ), taken AS (
         UPDATE endpoints e SET owner = $1, fence = e.fence + 1, expires_at = now() + make_interval(secs => $2)
           FROM free WHERE e.id = free.id RETURNING e.id, e.fence, free.handed_over, free.is_new
       ), concerned AS (
         SELECT id FROM portals
          WHERE state = 'active' AND id IN (
            SELECT p.id FROM taken t JOIN portals p ON t.id = ${portalEndpointSql('p.id')} WHERE NOT t.handed_over
            UNION SELECT b.portal_id FROM taken t JOIN bots b ON t.id = ${botEndpointSql('b.id')}
             WHERE NOT t.handed_over AND NOT t.is_new)
          ORDER BY id FOR NO KEY UPDATE
       ), paused AS (
         UPDATE portals SET ${PAUSE_ANSWERS_ANEW} WHERE id IN (SELECT id FROM concerned)
       )
       SELECT id, fence FROM taken ORDER BY ${isPortalSql('id')} DESC, id`,
      [owner, LEASE_SECONDS, limit],
      { prepared: true },
    );
    return rows.map((row) => ({ endpoint: row.id, owner, fence: row.fence }));
  }

  /**
   * Counts this replica among those that take endpoints, and answers how many each of them may have for all of them
   * to have the same (rounded up, so that none is left over); Infinity for the only one.
   */
  async fairShare(instance: string): Promise<number> {
    const { rows } = await this.db.query<{ share: number | null }>(
      `WITH seen AS (
         INSERT INTO replicas (instance, seen_at) VALUES ($1, now())
         ON CONFLICT (instance) DO UPDATE SET seen_at = now()
       ), forgotten AS (
         DELETE FROM replicas WHERE instance IN (
           SELECT instance FROM replicas WHERE instance <> $1 AND seen_at < now() - interval '1 minute'
              FOR UPDATE SKIP LOCKED)
       ), others AS (
         SELECT count(*) AS count FROM replicas
          WHERE instance <> $1 AND seen_at > now() - make_interval(secs => $2)
       ), known AS (
         SELECT greatest((SELECT count(*) FROM endpoints),
                         (SELECT count(*) FROM bots) + (SELECT count(*) FROM portals)) AS count
       )
       SELECT CASE WHEN others.count > 0
              THEN ceil((SELECT count FROM known)::numeric / (others.count + 1))::int END AS share
         FROM others`,
      [instance, SEEN_SECONDS],
      { prepared: true },
    );
    return rows[0]!.share ?? Infinity;
  }

  /** The network wants nothing from the whole endpoint for this long; never shortens a longer wait. */
  async coolDown({ endpoint, owner, fence }: Lease, forMs: number): Promise<void> {
    await this.db.query(
      `UPDATE endpoints SET cooldown_until = greatest(cooldown_until, now() + $4 * interval '1 millisecond')
        WHERE id = $1 AND owner = $2 AND fence = $3`,
      [endpoint, owner, fence, forMs],
    );
  }

  /** How many milliseconds the network still wants nothing from the whole endpoint. */
  async cooldownMs(endpoint: string): Promise<number> {
    const { rows } = await this.db.query<{ ms: number | null }>(
      `SELECT extract(epoch FROM cooldown_until - now())::float8 * 1000 AS ms FROM endpoints WHERE id = $1`,
      [endpoint],
    );
    return Math.max(0, Math.ceil(rows[0]?.ms ?? 0));
  }

  /** Saves conditions of endpoints whose leases hold; `since` stays for as long as a trouble lasts. */
  async keepConditions(conditions: EndpointCondition[]): Promise<void> {
    await this.db.query(
      `WITH told AS (
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS t (id, owner, fence, code, detail)
       ), changed AS (
         SELECT e.id, t.code, t.detail FROM endpoints e JOIN told t USING (id, owner, fence)
          WHERE (e.trouble_code, e.trouble_detail) IS DISTINCT FROM (t.code, t.detail)
          ORDER BY e.id FOR NO KEY UPDATE OF e
       )
       UPDATE endpoints e SET trouble_code = c.code, trouble_detail = c.detail,
              trouble_since = CASE WHEN c.code IS NOT NULL THEN coalesce(e.trouble_since, now()) END
         FROM changed c WHERE e.id = c.id`,
      [
        conditions.map(({ lease }) => lease.endpoint),
        conditions.map(({ lease }) => lease.owner),
        conditions.map(({ lease }) => lease.fence),
        conditions.map(({ trouble }) => trouble?.code ?? null),
        conditions.map(({ trouble }) => trouble?.detail ?? null),
      ],
    );
  }

  /** Endpoints that no replica drives at this moment. */
  async idleEndpoints(): Promise<Set<string>> {
    const { rows } = await this.db.query<{ id: string }>(`SELECT id FROM endpoints WHERE expires_at <= now()`);
    return new Set(rows.map((row) => row.id));
  }

  /** Endpoints whose drivers have met trouble, and which. */
  async endpointTroubles(): Promise<Map<string, EndpointTrouble>> {
    const { rows } = await this.db.query<EndpointTrouble & { id: string }>(
      `SELECT id, trouble_code AS code, trouble_detail AS detail, trouble_since AS since
         FROM endpoints WHERE trouble_code IS NOT NULL`,
    );
    return new Map(rows.map(({ id, ...trouble }) => [id, trouble]));
  }

  /** Whether a replica drives the endpoint at this moment. */
  async isDriven(endpoint: string): Promise<boolean> {
    const { rows } = await this.db.query(`SELECT FROM endpoints WHERE id = $1 AND expires_at > now()`, [endpoint]);
    return rows.length > 0;
  }

  /** This replica takes no more endpoints: the others' shares grow at once. */
  async leave(instance: string): Promise<void> {
    await this.db.query('DELETE FROM replicas WHERE instance = $1', [instance]);
  }

  /**
   * Gives the endpoint up at once, so that another replica need not wait for the lease to run out. `handOver`: this
   * replica goes on taking events, so none is lost meanwhile.
   */
  async release(lease: Lease, { handOver }: { handOver: boolean }): Promise<void> {
    await this.db.query(
      `UPDATE endpoints SET owner = CASE WHEN $4 THEN NULL ELSE owner END,
                            expires_at = CASE WHEN $4 THEN now() ELSE '-infinity' END
        WHERE id = $1 AND owner = $2 AND fence = $3`,
      [lease.endpoint, lease.owner, lease.fence, handOver],
    );
  }
}

/**
 * Inside a transaction: those of the leases that still hold; they do not change hands until the commit. Locked in the
 * order of their ids, as the heartbeat does, so that the two never deadlock.
 */
export async function heldLeases(connection: Queryable, leases: Lease[]): Promise<Set<Lease>> {
  if (leases.length === 0) return new Set();
  const { rows } = await connection.query<{ id: string; owner: string; fence: bigint }>(
    `SELECT id, owner, fence FROM endpoints
      WHERE (id, owner, fence) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]))
      ORDER BY id FOR KEY SHARE`,
    [leases.map(({ endpoint }) => endpoint), leases.map(({ owner }) => owner), leases.map(({ fence }) => fence)],
  );
  const held = new Map(rows.map((row) => [row.id, row]));
  return new Set(
    leases.filter(({ endpoint, owner, fence }) => {
      const row = held.get(endpoint);
      return row !== undefined && row.owner === owner && row.fence === fence;
    }),
  );
}
