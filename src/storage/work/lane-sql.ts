import { botEndpointSql, portalEndpointSql } from './endpoint-id.js';
import { claimedLanes, type ClaimRow } from './claimed-rows.js';
import type { ClaimedLane } from './claimed-lane.js';
import type { Lease } from './lease.js';

/** Fence under which a lane is busy with nobody: fences of leases begin with 1. */
export const NOBODY = 0;

/** SQL: the endpoint where the lane l belongs, of whose chat k the bot is b; null without a chat. */
export const PLACE = `CASE WHEN l.channel = 'outbound' THEN ${botEndpointSql('k.bot_id')}
  WHEN k.id IS NOT NULL THEN ${portalEndpointSql('b.portal_id')} END`;

/** SQL: the state of the lane's next delivery. */
export const HEAD_STATE = `(SELECT state FROM deliveries h WHERE h.lane_id = l.id ORDER BY seq LIMIT 1)`;

/** SQL: the chat of a lane l, where it belongs. */
export const WITH_CHAT = `LEFT JOIN chat_links k ON k.id = l.chat_id LEFT JOIN bots b ON b.id = k.bot_id`;

/** Leases as three parameters: endpoints, owners, fences. */
export const leaseColumns = (leases: Lease[]) => [
  leases.map(({ endpoint }) => endpoint),
  leases.map(({ owner }) => owner),
  leases.map(({ fence }) => fence),
];

/** Rows that name their request, from 1, lane by lane. */
export function byRequest<Row extends ClaimRow & { request: number }>(
  requests: unknown[],
  rows: Row[],
): ClaimedLane[][] {
  const groups = requests.map((): Row[] => []);
  for (const row of rows) groups[row.request - 1]!.push(row);
  return groups.map(claimedLanes);
}
