import { Injectable } from '@nestjs/common';
import { answersPaused } from './answer-pauses.js';
import { claimedLanes, WORK_COLUMNS, type ClaimedLane, type ClaimRow } from './claimed-lane.js';
import { DatabaseService, HOT_LIMIT_MS, type Queryable } from '../postgres/database.service.js';
import { reportDelivered } from './delivery-reports.js';
import { botEndpointSql, botOfSql, endpointOf, portalEndpointSql } from './endpoint-id.js';
import type { Lease } from './lease.js';
import { lockChatsOf } from './lock-order.js';
import { appendDeliveries, BEHIND, BULK, PRIORITY, type NewDelivery } from './outbox.js';
import { settle, type EndpointSettlements } from './settlement.js';

/** SQL: every priority that a lane may have. */
const PRIORITIES = [...new Set([...Object.values(PRIORITY), BULK])]
  .map((priority) => `(${priority}::smallint)`)
  .join(', ');

/** Statuses of one chat travel together. */
const STATUS_HEADS = 20;

/** Lanes left in the middle of a send that are looked at in one go. */
const INTERRUPTED_AT_ONCE = 500;

/** Fence under which a lane is busy with nobody: fences of leases begin with 1. */
const NOBODY = 0;

/** SQL: the endpoint is a bot, and the answers of its portal are paused. */
const isPausedBot = (endpoint: string) => `EXISTS (
  SELECT FROM bots o JOIN portals p ON p.id = o.portal_id
   WHERE o.id = ${botOfSql(endpoint)} AND ${answersPaused('p')})`;

/** SQL: the endpoint where the lane l belongs, of whose chat k the bot is b; null without a chat. */
const PLACE = `CASE WHEN l.channel = 'outbound' THEN ${botEndpointSql('k.bot_id')}
  WHEN k.id IS NOT NULL THEN ${portalEndpointSql('b.portal_id')} END`;

/** SQL: the state of the lane's next delivery. */
const HEAD_STATE = `(SELECT state FROM deliveries h WHERE h.lane_id = l.id ORDER BY seq LIMIT 1)`;

/** SQL: the chat of a lane l, where it belongs. */
const WITH_CHAT = `LEFT JOIN chat_links k ON k.id = l.chat_id LEFT JOIN bots b ON b.id = k.bot_id`;

/** What one worker wants. */
export interface ClaimRequest {
  lease: Lease;
  /** Lanes at most. */
  limit: number;
  /** Of these, lanes that yield to the others (see `BULK`) at most; absent: all of them. */
  bulk?: number;
  /** Words of one chat at most. */
  heads: number;
  /** Those that yield go first, for once. */
  bulkFirst: boolean;
}

/** The tables `lanes`, `deliveries` and `attempts`: what is still to be done, and every try. */
@Injectable()
export class LanesRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Of these endpoints, those that have work due now and may do it. */
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

  /**
   * Puts lanes right that nobody may claim: those that claims have set aside or, with `all`, every one that holds work.
   * One whose chat is gone is deleted, one that lies at an endpoint where its bot does not belong is moved, and of one
   * that was free although its head was being sent nobody knows the outcome: it is interrupted. Returns the endpoints
   * that have work by it.
   */
  async putRight({ all }: { all: boolean }): Promise<string[]> {
    const { rows } = await this.db.query<{ endpoint: string }>(
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
   * Undoes claims under these leases that were committed although their answer never came, so that nothing of them was
   * sent: of all lanes but those of the claims that the caller knows of. No claim under these leases may be under way.
   * Returns the endpoints that have work by it.
   */
  async undoUnanswered(leases: Lease[], known: ClaimedLane[]): Promise<string[]> {
    const { rows } = await this.db.query<{ endpoint: string }>(
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
   * For each of these leases, lanes of its endpoint that are busy under a lease which nobody holds any more: their owner
   * was killed, or lost the endpoint, in the middle of a send, perhaps before the bot moved here. Without the claims that
   * the caller knows of; a lane that moved while its owner goes on is its owner's.
   */
  async interrupted(leases: Lease[], known: ClaimedLane[]): Promise<ClaimedLane[][]> {
    const { rows } = await this.db.query<ClaimRow & { request: number }>(
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
   * Makes lanes due that wait for the client's words although they hold some: a version that knows no such waiting has
   * appended them, before or beside this one.
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
   * Makes waiting lanes of the endpoint (all, or these) due now: the trouble that they waited for is over. Those that
   * wait for a client go on waiting.
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

  /**
   * Puts failed or uncertain messages back to the end of their lanes, unless their authors took them back. Returns
   * the endpoints with new work and how many messages that were.
   */
  retry(messageIds: bigint[]): Promise<{ retried: number; endpoints: string[] }> {
    return this.db.transaction(async (connection) => {
      await lockChatsOf(connection, messageIds);
      const { rows } = await connection.query<{
        id: bigint;
        chat_id: bigint;
        bot_id: bigint;
        portal_id: bigint | null;
        direction: 'inbound' | 'outbound';
      }>(
        `UPDATE messages m SET state = 'queued', error_code = NULL, error_detail = NULL
           FROM chat_links c
          WHERE m.id = ANY($1::bigint[]) AND m.state IN ('failed', 'uncertain') AND m.deleted_at IS NULL AND c.id = m.chat_id
          RETURNING m.id, c.id AS chat_id, c.bot_id, c.portal_id, m.direction`,
        [messageIds],
      );
      const work = rows
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .map((row): NewDelivery => ({
          chatId: row.chat_id,
          channel: row.direction,
          endpoint: endpointOf(row.direction, row),
          messageId: row.id,
          kind: 'message',
        }));
      await appendDeliveries(connection, work);
      return { retried: rows.length, endpoints: [...new Set(work.map((item) => item.endpoint).filter(Boolean))] };
    });
  }

  /**
   * Records what a person knows about a message whose outcome is unknown; null when it is not `uncertain` (any more).
   * Returns the endpoints with new work: the portal hears of a delivery as far as Telegram's ids are known, because
   * a report without them means nothing to it.
   */
  resolve(messageId: bigint, outcome: 'delivered' | 'failed'): Promise<string[] | null> {
    return this.db.transaction(async (connection) => {
      await lockChatsOf(connection, [messageId]);
      const { rows } = await connection.query<{ known: boolean }>(
        `UPDATE messages m
            SET state = $2::"MessageState",
                delivered_at = CASE WHEN $2 = 'delivered' THEN now() END,
                error_code = CASE WHEN $2 = 'failed' THEN m.error_code END,
                error_detail = CASE WHEN $2 = 'failed' THEN m.error_detail END
           FROM chat_links c
          WHERE m.id = $1 AND m.state = 'uncertain' AND c.id = m.chat_id
          RETURNING m.direction = 'outbound' AND m.bitrix_message_id IS NOT NULL AND EXISTS (
            SELECT FROM message_links l WHERE l.message_id = m.id) AS known`,
        [messageId, outcome],
      );
      const [row] = rows;
      if (!row) return null;
      await recordDecision(connection, [messageId], 'resolved', outcome);
      if (outcome === 'failed' || !row.known) return [];
      return reportDelivered(connection, messageId);
    });
  }

  /** Takes failed and uncertain messages out of what could be sent again, for good. Returns how many those were. */
  discard(messageIds: bigint[]): Promise<number> {
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{ id: bigint }>(
        `UPDATE messages m
            SET state = 'ignored', error_code = 'discarded',
                error_detail = concat_ws(': ', 'Discarded by a person; it was ' || m.state, m.error_code, m.error_detail)
          WHERE m.id = ANY($1::bigint[]) AND m.state IN ('failed', 'uncertain') RETURNING m.id`,
        [messageIds],
      );
      const discarded = rows.map(({ id }) => id);
      await recordDecision(connection, discarded, 'discarded', null);
      return discarded.length;
    });
  }
}

/** SQL: this claim of the lane l is one of those whose lanes and numbers are in these parameters. */
const isKnown = (ids: string, numbers: string) =>
  `EXISTS (SELECT FROM unnest(${ids}::bigint[], ${numbers}::bigint[]) AS k(id, claim) WHERE k.id = l.id AND k.claim = l.claim)`;

const claimColumns = (lanes: ClaimedLane[]) => [lanes.map(({ id }) => id), lanes.map(({ claim }) => claim)];

const leaseColumns = (leases: Lease[]) => [
  leases.map(({ endpoint }) => endpoint),
  leases.map(({ owner }) => owner),
  leases.map(({ fence }) => fence),
];

/** Rows that name their request, from 1, lane by lane. */
function byRequest<Row extends ClaimRow & { request: number }>(requests: unknown[], rows: Row[]): ClaimedLane[][] {
  const groups = requests.map((): Row[] => []);
  for (const row of rows) groups[row.request - 1]!.push(row);
  return groups.map(claimedLanes);
}

/** What a person decided stands among the attempts: nobody can say later that the program did it. */
async function recordDecision(
  connection: Queryable,
  messageIds: bigint[],
  decision: 'resolved' | 'discarded',
  detail: string | null,
): Promise<void> {
  await connection.query(
    `INSERT INTO attempts (message_id, kind, number, started_at, outcome, detail, instance)
     SELECT id, 'message', attempts, now(), $2, $3, 'admin' FROM messages WHERE id = ANY($1::bigint[])`,
    [messageIds, decision, detail],
  );
}
