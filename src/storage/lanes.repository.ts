import { Injectable } from '@nestjs/common';
import { claimedLanes, WORK_COLUMNS, type ClaimedLane, type ClaimRow } from './claimed-lane.js';
import { DatabaseService, HOT_LIMIT_MS, type Queryable } from './database.service.js';
import { routeReports } from './dialog-reports.js';
import { assertLeases } from './endpoints.repository.js';
import type { Lease } from './lease.js';
import { appendDeliveries, BEHIND, BULK, PRIORITY, type NewDelivery } from './outbox.js';
import { settle, type EndpointSettlements } from './settlement.js';

/** SQL: every priority that a lane may have. */
const PRIORITIES = [...new Set([...Object.values(PRIORITY), BULK])]
  .map((priority) => `(${priority}::smallint)`)
  .join(', ');

/** Statuses of one chat travel together. */
const STATUS_HEADS = 20;

/** SQL: the endpoint is no bot whose portal holds its answers back. */
const notHeld = (endpoint: string) => `NOT EXISTS (
  SELECT FROM bots o JOIN portals p ON p.id = o.portal_id
   WHERE o.id = substring(${endpoint}::text FROM '^bot:([0-9]+)$')::bigint AND p.hold_outbound_until > now())`;

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
       SELECT id AS endpoint FROM due WHERE ${notHeld('due.id')}`,
      [endpoints],
    );
    return rows.map((row) => row.endpoint);
  }

  /**
   * Claims up to `limit` lanes of the endpoint that are due, most urgent first (a lane's priority is the head start in
   * seconds that it gives to others, so that nothing waits for ever; lanes from `BULK` on come behind the others, or
   * before them with `bulkFirst`, and no more of them than `bulk`), and marks their heads — up to `heads`
   * words of a chat — as `sending`, with the attempt. Claims nothing once the lease is lost, nor of a bot while the
   * answers of its portal are held. A lane without deliveries changed while it was claimed.
   */
  async claim(
    lease: Lease,
    limit: number,
    heads: number,
    { bulk = limit, bulkFirst = false }: { bulk?: number; bulkFirst?: boolean } = {},
  ): Promise<ClaimedLane[]> {
    const { rows } = await this.db.query<ClaimRow>(
      `WITH held AS MATERIALIZED (
         SELECT FROM endpoints WHERE id = $1 AND owner = $2 AND fence = $3 AND ${notHeld('$1')} FOR SHARE
       ), candidates AS (
         SELECT c.id, p.priority >= ${BULK} AS bulk, c.due_at + make_interval(secs => p.priority) AS turn
           FROM (VALUES ${PRIORITIES}) AS p(priority) CROSS JOIN LATERAL (
             SELECT id, due_at FROM lanes
              WHERE endpoint = $1 AND priority = p.priority AND pending > 0 AND busy_fence IS NULL AND due_at <= now()
              ORDER BY due_at LIMIT CASE WHEN p.priority >= ${BULK} THEN least($4::int, $7::int) ELSE $4::int END) c
       ), due AS (
         SELECT id FROM lanes
          WHERE id IN (SELECT id FROM candidates ORDER BY bulk <> $8, turn LIMIT $4) AND busy_fence IS NULL AND EXISTS (SELECT FROM held)
          FOR UPDATE SKIP LOCKED
       ), taken AS (
         UPDATE lanes SET busy_fence = $3, busy_endpoint = $1, claim = claim + 1 FROM due WHERE lanes.id = due.id
         RETURNING lanes.id, lanes.claim, lanes.chat_id, lanes.channel
       ), heads AS (
         SELECT t.id AS lane_id, d.seq, d.message_id
           FROM taken t CROSS JOIN LATERAL (
             SELECT seq, message_id FROM deliveries WHERE lane_id = t.id ORDER BY seq LIMIT CASE WHEN t.channel IN ('status', 'reading') THEN $6::int ELSE $5::int END) d
       ), d AS (
         UPDATE deliveries SET state = 'sending', attempts = attempts + 1, started_at = clock_timestamp()
           FROM heads
          -- A message that took this place meanwhile cannot be seen by this statement, so the next one claims it.
          WHERE deliveries.lane_id = heads.lane_id AND deliveries.seq = heads.seq AND deliveries.message_id = heads.message_id
          RETURNING deliveries.*
       )
       SELECT t.id AS lane_id, t.claim, t.channel, ${WORK_COLUMNS}
         FROM taken t JOIN chat_links c ON c.id = t.chat_id JOIN bots b ON b.id = c.bot_id
         LEFT JOIN lines o ON o.portal_id = c.portal_id AND o.line_id = b.line_id
         LEFT JOIN d ON d.lane_id = t.id LEFT JOIN messages m ON m.id = d.message_id
        ORDER BY t.id, d.seq`,
      [lease.endpoint, lease.owner, lease.fence, limit, heads, STATUS_HEADS, bulk, bulkFirst],
    );
    return claimedLanes(rows);
  }

  /**
   * Undoes claims of this lease that were committed although their answer never came, so that nothing of them was
   * sent: of all lanes but those that the caller knows to be under way.
   */
  async unclaim(lease: Lease, known: bigint[]): Promise<void> {
    await this.db.query(
      `WITH stray AS (
         UPDATE lanes SET busy_fence = NULL
          WHERE endpoint = $1 AND busy_fence = $2 AND id <> ALL($3::bigint[])
            AND EXISTS (SELECT FROM endpoints WHERE id = $1 AND owner = $4 AND fence = $2) RETURNING id
       )
       UPDATE deliveries SET state = 'queued', attempts = attempts - 1
         FROM stray WHERE lane_id = stray.id AND state = 'sending'`,
      [lease.endpoint, lease.fence, known, lease.owner],
    );
  }

  /** What the previous owner of the endpoint was sending when it stopped being the owner. */
  async interrupted(lease: Lease, limit = 500): Promise<ClaimedLane[]> {
    const { rows } = await this.db.query<ClaimRow>(
      `SELECT t.id AS lane_id, t.claim, t.channel, ${WORK_COLUMNS}
         FROM (SELECT * FROM lanes WHERE endpoint = $1 AND busy_fence IS NOT NULL AND busy_fence <> $2 LIMIT $3) t
         JOIN chat_links c ON c.id = t.chat_id JOIN bots b ON b.id = c.bot_id
         LEFT JOIN lines o ON o.portal_id = c.portal_id AND o.line_id = b.line_id
         LEFT JOIN deliveries d ON d.lane_id = t.id AND d.state = 'sending' LEFT JOIN messages m ON m.id = d.message_id
        ORDER BY t.id, d.seq`,
      [lease.endpoint, lease.fence, limit],
    );
    return claimedLanes(rows);
  }

  /**
   * Records what became of claimed lanes of any endpoints, in one transaction: attempts, messages, links, what was
   * learned, the lanes themselves and the follow-up work. Returns the endpoints that have work due now.
   * Throws LeaseLostError, and writes nothing, when another replica has taken over one of the endpoints.
   */
  settle(settlements: EndpointSettlements[], instance: string): Promise<string[]> {
    return this.db.transaction(
      async (connection) => {
        await assertLeases(
          connection,
          settlements.map(({ lease }) => lease),
        );
        return settle(
          connection,
          settlements.flatMap(({ lanes }) => lanes),
          instance,
        );
      },
      { limitMs: HOT_LIMIT_MS },
    );
  }

  /**
   * Makes lanes due that wait for the client's words although they hold some: a version that knows no such waiting has
   * appended them, before or beside this one.
   */
  async wakeForgotten(endpoint: string): Promise<void> {
    await this.db.query(
      `UPDATE lanes l SET due_at = now()
        WHERE endpoint = $1 AND due_at = 'infinity' AND pending > 0 AND busy_fence IS NULL
          AND EXISTS (SELECT FROM deliveries d WHERE d.lane_id = l.id AND d.seq < ${BEHIND})`,
      [endpoint],
    );
  }

  /**
   * Makes waiting lanes of the endpoint (all, or these) due now: the trouble that they waited for is over. Those that
   * wait for a client go on waiting.
   */
  async wake(endpoint: string, laneIds: bigint[] | null = null): Promise<void> {
    await this.db.query(
      `UPDATE lanes SET due_at = now()
        WHERE endpoint = $1 AND pending > 0 AND due_at > now() AND due_at < 'infinity' AND ($2::bigint[] IS NULL OR id = ANY($2::bigint[]))`,
      [endpoint, laneIds],
    );
  }

  /**
   * Puts failed or uncertain messages back to the end of their lanes, unless their authors took them back. Returns
   * the endpoints with new work and how many messages that were.
   */
  retry(messageIds: bigint[]): Promise<{ retried: number; endpoints: string[] }> {
    return this.db.transaction(async (connection) => {
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
          endpoint:
            row.direction === 'outbound'
              ? `bot:${row.bot_id}`
              : row.portal_id === null
                ? ''
                : `portal:${row.portal_id}`,
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
      const { deliveries, endpoints } = await routeReports(connection, [{ messageId, kind: 'status' }]);
      await appendDeliveries(connection, deliveries);
      return [...new Set([...deliveries.map(({ endpoint }) => endpoint), ...endpoints])];
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
