import type { Queryable } from '../postgres/database.service.js';
import type { ClaimedLane } from './claimed-lane.js';
import { WORK_COLUMNS, type ClaimRow } from './claimed-rows.js';
import { byRequest, HEAD_STATE, leaseColumns, NOBODY, PLACE, WITH_CHAT } from './lane-sql.js';
import type { Lease } from './lease.js';

/** Most interrupted lanes that are read at once. */
const INTERRUPTED_AT_ONCE = 500;

/**
 * Repairs lanes that cannot be claimed: those that claims have set aside or, with `all`, every lane that holds work.
 * Deletes a lane whose chat is gone, moves one that lies at an endpoint where its bot does not belong, and leaves one
 * that was free although its head was being sent as interrupted: its outcome is unknown. Returns the endpoints that get
 * work by it.
 */
export async function putRight(db: Queryable, { all }: { all: boolean }): Promise<string[]> {
  const { rows } = await db.query<{ endpoint: string }>(
    `WITH seen AS MATERIALIZED (
       SELECT l.id, l.endpoint, ${PLACE} AS place FROM lanes l ${WITH_CHAT}
        WHERE l.busy_fence = ${NOBODY}
           OR $1 AND (l.busy_fence IS NOT NULL OR l.pending > 0) AND (${PLACE}) IS DISTINCT FROM l.endpoint
     ), astray AS MATERIALIZED (
       SELECT l.id, l.endpoint, s.place, ${HEAD_STATE} = 'sending' AS begun
         FROM seen s JOIN lanes l ON l.id = s.id
        -- Unless it was moved meanwhile. What is being sent is its owner's, unless there is no chat any more.
        WHERE l.endpoint = s.endpoint AND (coalesce(l.busy_fence, ${NOBODY}) = ${NOBODY} OR s.place IS NULL)
        ORDER BY l.chat_id, l.channel FOR UPDATE OF l SKIP LOCKED
     ), gone AS (
       DELETE FROM lanes USING astray a WHERE lanes.id = a.id AND a.place IS NULL RETURNING lanes.id
     ), undone AS (
       DELETE FROM deliveries USING gone WHERE lane_id = gone.id
     ), put_right AS (
       UPDATE lanes SET endpoint = a.place, busy_fence = CASE WHEN a.begun THEN ${NOBODY} END
         FROM astray a WHERE lanes.id = a.id AND a.place IS NOT NULL AND (a.place <> a.endpoint OR a.begun IS NOT TRUE)
       RETURNING lanes.endpoint
     )
     SELECT DISTINCT endpoint FROM put_right WHERE endpoint <> ''`,
    [all],
  );
  return rows.map((row) => row.endpoint);
}

/**
 * Undoes claims under these leases that were committed but whose answer never came, so nothing of them was sent: all
 * claims except those that the caller knows. No claim under these leases may be under way. Returns the endpoints that
 * get work by it.
 */
export async function undoUnanswered(db: Queryable, leases: Lease[], known: ClaimedLane[]): Promise<string[]> {
  const { rows } = await db.query<{ endpoint: string }>(
    `WITH leased AS MATERIALIZED (
       SELECT a.endpoint, a.fence FROM unnest($1::text[], $2::text[], $3::bigint[]) AS a(endpoint, owner, fence)
         JOIN endpoints e ON e.id = a.endpoint AND e.owner = a.owner AND e.fence = a.fence
          FOR KEY SHARE OF e SKIP LOCKED
     ), unanswered AS MATERIALIZED (
       SELECT l.id FROM lanes l JOIN leased a ON a.endpoint = l.busy_endpoint AND a.fence = abs(l.busy_fence)
        WHERE l.busy_fence IS NOT NULL AND NOT ${isKnown('$4', '$5')}
        ORDER BY l.chat_id, l.channel FOR UPDATE OF l SKIP LOCKED
     ), freed AS (
       UPDATE lanes SET busy_fence = NULL, busy_endpoint = NULL FROM unanswered u WHERE lanes.id = u.id
       RETURNING lanes.id, lanes.endpoint
     ), queued AS (
       UPDATE deliveries SET state = 'queued', attempts = attempts - 1
         FROM freed WHERE lane_id = freed.id AND state = 'sending'
     )
     SELECT DISTINCT endpoint FROM freed WHERE endpoint <> ''`,
    [...leaseColumns(leases), ...claimColumns(known)],
    { prepared: true },
  );
  return rows.map((row) => row.endpoint);
}

/**
 * For each of these leases, lanes of its endpoint that are busy under a lease that nobody holds any more: their owner
 * was killed, or lost the endpoint, in the middle of a send, perhaps before the bot moved here. Leaves out the claims
 * that the caller knows; a lane that moved while its owner is still at work is that owner's.
 */
export async function interruptedLanes(db: Queryable, leases: Lease[], known: ClaimedLane[]): Promise<ClaimedLane[][]> {
  const { rows } = await db.query<ClaimRow & { request: number }>(
    `SELECT t.request::int, t.id AS lane_id, t.claim, t.channel, ${WORK_COLUMNS}
       FROM (
         SELECT l.*, a.request FROM unnest($1::text[]) WITH ORDINALITY AS a(endpoint, request)
           JOIN lanes l ON l.endpoint = a.endpoint
           LEFT JOIN endpoints e ON e.id = coalesce(l.busy_endpoint, l.endpoint)
          WHERE l.busy_fence IS NOT NULL AND e.fence IS DISTINCT FROM abs(l.busy_fence) AND NOT ${isKnown('$2', '$3')}
          LIMIT $4) t
       JOIN chat_links c ON c.id = t.chat_id JOIN bots b ON b.id = c.bot_id
       LEFT JOIN lines o ON o.portal_id = c.portal_id AND o.line_id = b.line_id
       LEFT JOIN deliveries d ON d.lane_id = t.id AND d.state = 'sending' LEFT JOIN messages m ON m.id = d.message_id
      ORDER BY t.id, d.seq`,
    [leases.map(({ endpoint }) => endpoint), ...claimColumns(known), INTERRUPTED_AT_ONCE],
    { prepared: true },
  );
  return byRequest(leases, rows);
}

/** SQL: this claim of the lane l is one of those whose lanes and numbers are in these parameters. */
const isKnown = (ids: string, numbers: string) =>
  `EXISTS (SELECT FROM unnest(${ids}::bigint[], ${numbers}::bigint[]) AS k(id, claim) WHERE k.id = l.id AND k.claim = l.claim)`;

const claimColumns = (lanes: ClaimedLane[]) => [lanes.map(({ id }) => id), lanes.map(({ claim }) => claim)];
