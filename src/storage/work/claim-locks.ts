import type { ClaimedLane } from './claimed-lane.js';
import type { Queryable } from '../postgres/database.service.js';
import { LeaseLostError, type Lease } from './lease.js';

/** What a settlement is about to write to. */
export interface ClaimLocks {
  leases: Lease[];
  lanes: ClaimedLane[];
  /** Chats into whose `inbound` lanes something may be appended. */
  notedChats: bigint[];
  /** Messages of which a portal may be told. */
  toldMessages: bigint[];
}

/**
 * Locks until the commit, in the one order of all that write (portals, endpoints, chats, lanes; each by its key), and
 * returns those lanes whose claim still stands: a lane that was settled or claimed again since is left alone. A move of
 * a bot to another line waits for its chats, so from here on where a chat belongs stays what the next statement sees.
 * Throws {@link LeaseLostError} when one of the endpoints has changed hands.
 */
export async function lockClaims(
  connection: Queryable,
  { leases, lanes, notedChats, toldMessages }: ClaimLocks,
): Promise<ClaimedLane[]> {
  // Each count makes a step wait for the one before it.
  const { rows } = await connection.query<{ endpoint: string | null; lane_id: bigint | null; claim: bigint | null }>(
    `WITH told_portals AS MATERIALIZED (
       SELECT FROM portals WHERE id IN (SELECT portal_id FROM messages WHERE id = ANY($1::bigint[]))
        ORDER BY id FOR KEY SHARE
     ), held AS MATERIALIZED (
       SELECT id FROM endpoints
        WHERE (SELECT count(*) FROM told_portals) >= 0
          AND (id, owner, fence) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::bigint[]))
        ORDER BY id FOR KEY SHARE
     ), chats AS MATERIALIZED (
       SELECT FROM chat_links WHERE (SELECT count(*) FROM held) >= 0 AND id = ANY($5::bigint[])
        ORDER BY bot_id, external_id FOR NO KEY UPDATE
     ), locked AS MATERIALIZED (
       SELECT id, claim, busy_fence FROM lanes
        WHERE (SELECT count(*) FROM chats) >= 0
          AND (id = ANY($6::bigint[]) OR (chat_id = ANY($7::bigint[]) AND channel = 'inbound'))
        ORDER BY chat_id, channel FOR UPDATE
     )
     SELECT id AS endpoint, NULL::bigint AS lane_id, NULL::bigint AS claim FROM held
     UNION ALL SELECT NULL, id, claim FROM locked WHERE busy_fence IS NOT NULL`,
    [
      toldMessages,
      leases.map(({ endpoint }) => endpoint),
      leases.map(({ owner }) => owner),
      leases.map(({ fence }) => fence),
      lanes.map(({ chat }) => chat.id),
      lanes.map(({ id }) => id),
      notedChats,
    ],
  );
  const held = new Set(rows.map(({ endpoint }) => endpoint));
  const lost = leases.find(({ endpoint }) => !held.has(endpoint));
  if (lost) throw new LeaseLostError(lost);
  const standing = new Map(rows.map(({ lane_id, claim }) => [lane_id, claim]));
  return lanes.filter(({ id, claim }) => standing.get(id) === claim);
}
