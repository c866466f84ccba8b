import { Injectable } from '@nestjs/common';
import { answersPaused } from './answer-pauses.js';
import type { ClaimedLane } from './claimed-lane.js';
import { WORK_COLUMNS, type ClaimRow } from './claimed-rows.js';
import { DatabaseService } from '../postgres/database.service.js';
import { HOT_LIMIT_MS } from '../postgres/session-limits.js';
import { botOfSql } from './endpoint-id.js';
import { interruptedLanes, putRight, undoUnanswered } from './lane-repairs.js';
import { byRequest, HEAD_STATE, leaseColumns, NOBODY, PLACE, WITH_CHAT } from './lane-sql.js';
import type { Lease } from './lease.js';
import { BEHIND, BULK, PRIORITY } from './outbox.js';
import { settle } from './settle.js';
import type { EndpointSettlements } from './settlement.js';

/** SQL: every priority that a lane may have. */
const PRIORITIES = [...new Set([...Object.values(PRIORITY), BULK])]
  .map((priority) => `(${priority}::smallint)`)
  .join(', ');

/** Statuses of one chat that are claimed together. */
const STATUS_HEADS = 20;

/** SQL: the endpoint is a bot, and the answers of its portal are paused. */
const isPausedBot = (endpoint: string) => `EXISTS (
  SELECT FROM bots o JOIN portals p ON p.id = o.portal_id
   WHERE o.id = ${botOfSql(endpoint)} AND ${answersPaused('p')})`;

/** What one worker asks for. */
export interface ClaimRequest {
  lease: Lease;
  /** Most lanes. */
  limit: number;
  /** Most lanes among them that yield to the others (see `BULK`); absent: no limit of their own. */
  bulk?: number;
  /** Most messages of one chat. */
  heads: number;
  /** This time those that yield go first. */
  bulkFirst: boolean;
}

/** The tables `lanes`, `deliveries` and `attempts`: what is still to be done, and every try. */
@Injectable()
export class LanesRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Which of these endpoints have work due that they may do now. */
  async withWorkDue(endpoints: string[]): Promise<string[]> {
    const { rows } = await this.db.query<{ endpoint: string }>(
      `WITH due AS MATERIALIZED (
         SELECT e.id FROM unnest($1::text[]) AS e(id)
          -- Priority by priority: so the index leads to what is due, past all that is due later.
          WHERE EXISTS (
            SELECT FROM (VALUES ${PRIORITIES}) AS p(priority) CROSS JOIN LATERAL (
              SELECT FROM lanes l
               WHERE l.endpoint = e.id AND l.priority = p.priority AND l.pending > 0 AND l.busy_fence IS NULL
                 AND l.due_at <= now()
               LIMIT 1) l)
       )
       SELECT id AS endpoint FROM due WHERE NOT ${isPausedBot('due.id')}`,
      [endpoints],
      { prepared: true },
    );
    return rows.map((row) => row.endpoint);
  }

  /** {@link claimTogether} for one. */
  async claim(
    lease: Lease,
    limit: number,
    heads: number,
    { bulk, bulkFirst = false }: { bulk?: number; bulkFirst?: boolean } = {},
  ): Promise<ClaimedLane[]> {
    const [lanes] = await this.claimTogether([{ lease, limit, heads, bulk, bulkFirst }]);
    return lanes!;
  }

  /**
   * Claims lanes that are due, for each request up to its limit: those that yield behind the others, and among themselves
   * the most urgent first (a lane's priority is the head start in seconds that it gives to others, so that nothing
   * waits for ever). Their heads — up to so many words of a chat — become `sending`, with the attempt.
   * Claims nothing for a lease that is lost, nor for a bot while the answers of its portal are paused. A lane whose bot
   * does not belong to the endpoint, or whose head somebody has begun to send, is set aside for {@link putRight}.
   * Answers by request, in their order.
   */
  async claimTogether(requests: ClaimRequest[]): Promise<ClaimedLane[][]> {
    const { rows } = await this.db.query<ClaimRow & { request: number }>(
      `WITH asked AS (
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::int[], $6::boolean[], $8::int[])
           WITH ORDINALITY AS a(endpoint, owner, fence, most, heads, bulk_first, bulk, request)
       ), leased AS MATERIALIZED (
         SELECT a.* FROM asked a JOIN endpoints e ON e.id = a.endpoint AND e.owner = a.owner AND e.fence = a.fence
          WHERE NOT ${isPausedBot('a.endpoint')}
            -- The lease cannot change hands before the commit; one that is about to claims nothing.
            FOR KEY SHARE OF e SKIP LOCKED
       ), candidates AS (
         SELECT a.request, a.endpoint, a.fence, a.heads, c.id
           FROM leased a CROSS JOIN LATERAL (
             SELECT d.id
               FROM (VALUES ${PRIORITIES}) AS p(priority) CROSS JOIN LATERAL (
                 SELECT id, due_at FROM lanes
                  WHERE endpoint = a.endpoint AND priority = p.priority AND pending > 0 AND busy_fence IS NULL
                    AND due_at <= now()
                  ORDER BY due_at LIMIT CASE WHEN p.priority >= ${BULK} THEN least(a.most, a.bulk) ELSE a.most END) d
              ORDER BY (p.priority >= ${BULK}) <> a.bulk_first, d.due_at + make_interval(secs => p.priority)
              LIMIT a.most) c
       ), due AS MATERIALIZED (
         SELECT l.id, l.claim + 1 AS claim, l.chat_id, l.channel, c.request, c.endpoint, c.fence, c.heads,
                (${PLACE}) IS DISTINCT FROM c.endpoint OR ${HEAD_STATE} = 'sending' AS astray
           FROM candidates c CROSS JOIN LATERAL (
             SELECT * FROM lanes
              -- Asked again of the row as it is once it is locked.
              WHERE id = c.id AND endpoint = c.endpoint AND pending > 0 AND busy_fence IS NULL AND due_at <= now()
                FOR UPDATE SKIP LOCKED) l ${WITH_CHAT}
       ), set_aside AS (
         UPDATE lanes SET busy_fence = ${NOBODY}, busy_endpoint = NULL, claim = due.claim
           FROM due WHERE lanes.id = due.id AND due.astray
       ), heads AS (
         SELECT due.*, h.seq, h.version
           FROM due CROSS JOIN LATERAL (
             SELECT seq, xmin AS version, bool_and(state = 'queued') OVER (ORDER BY seq) AS in_turn
               FROM deliveries WHERE lane_id = due.id
              ORDER BY seq LIMIT CASE WHEN due.channel IN ('status', 'reading') THEN $7::int ELSE due.heads END) h
          WHERE NOT due.astray AND h.in_turn
       ), d AS (
         UPDATE deliveries SET state = 'sending', attempts = attempts + 1, started_at = clock_timestamp()
           FROM heads h
          -- What was changed after this statement's snapshot (another message in this place, one more part of an album)
          -- cannot be read by it: the next claim takes it.
          WHERE deliveries.lane_id = h.id AND deliveries.seq = h.seq AND deliveries.xmin = h.version
            AND deliveries.state = 'queued'
          RETURNING deliveries.*, h.claim, h.chat_id, h.channel, h.request, h.endpoint, h.fence
       ), taken AS (
         UPDATE lanes SET busy_fence = d.fence, busy_endpoint = d.endpoint, claim = d.claim
           FROM d WHERE lanes.id = d.lane_id
       )
       SELECT d.request::int, d.lane_id, d.claim, d.channel, ${WORK_COLUMNS}
         FROM d JOIN chat_links c ON c.id = d.chat_id JOIN bots b ON b.id = c.bot_id
         LEFT JOIN lines o ON o.portal_id = c.portal_id AND o.line_id = b.line_id
         JOIN messages m ON m.id = d.message_id
        ORDER BY d.lane_id, d.seq`,
      [
        ...leaseColumns(requests.map(({ lease }) => lease)),
        requests.map(({ limit }) => limit),
        requests.map(({ heads }) => heads),
        requests.map(({ bulkFirst }) => bulkFirst),
        STATUS_HEADS,
        requests.map(({ limit, bulk = limit }) => bulk),
      ],
      { prepared: true },
    );
    return byRequest(requests, rows);
  }

  /** See {@link putRight}. */
  putRight(lanes: { all: boolean }): Promise<string[]> {
    return putRight(this.db, lanes);
  }

  /** See {@link undoUnanswered}. */
  undoUnanswered(leases: Lease[], known: ClaimedLane[]): Promise<string[]> {
    return undoUnanswered(this.db, leases, known);
  }

  /** See {@link interruptedLanes}. */
  interrupted(leases: Lease[], known: ClaimedLane[]): Promise<ClaimedLane[][]> {
    return interruptedLanes(this.db, leases, known);
  }

  /**
   * Records what became of claimed lanes of any endpoints, in one transaction: attempts, messages, links, what was
   * learned, the lanes themselves and the follow-up work. Returns the endpoints that have work due now. May be repeated
   * when nobody knows whether it was committed: what is settled stays as it is. Throws LeaseLostError, and writes
   * nothing, when another replica has taken over one of the endpoints.
   */
  settle(settlements: EndpointSettlements[], instance: string): Promise<string[]> {
    return this.db.transaction((connection) => settle(connection, settlements, instance), {
      limitMs: HOT_LIMIT_MS,
      prepared: true,
    });
  }

  /**
   * Makes lanes due that wait for the client's words although they hold some, appended by an older version that does
   * not know such waiting.
   */
  async wakeForgotten(endpoint: string): Promise<void> {
    await this.db.query(
      `UPDATE lanes SET due_at = now() WHERE id IN (
         SELECT l.id FROM lanes l
          WHERE endpoint = $1 AND due_at = 'infinity' AND pending > 0 AND busy_fence IS NULL
            AND EXISTS (SELECT FROM deliveries d WHERE d.lane_id = l.id AND d.seq < ${BEHIND})
          ORDER BY chat_id, channel FOR UPDATE)`,
      [endpoint],
    );
  }

  /**
   * Makes waiting lanes of the endpoint (all, or these) due now, because the trouble that delayed them is over. Those
   * that wait for a client keep waiting.
   */
  async wake(endpoint: string, laneIds: bigint[] | null = null): Promise<void> {
    await this.db.query(
      `UPDATE lanes SET due_at = now() WHERE id IN (
         SELECT id FROM lanes
          WHERE endpoint = $1 AND pending > 0 AND due_at > now() AND due_at < 'infinity'
            AND ($2::bigint[] IS NULL OR id = ANY($2::bigint[]))
          ORDER BY chat_id, channel FOR UPDATE)`,
      [endpoint, laneIds],
    );
  }
}
