import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { routeReports } from '../work/dialog-reports.js';
import { appendDeliveries } from '../work/outbox.js';
import type { LinkedEntity, Utm } from './links.repository.js';
import { CLIENT_WORDS, type Obstacle } from './pressed-links.js';

/** A client who came by a link: what the CRM is to be told of it, claimed. */
export interface ClaimedArrival {
  id: bigint;
  portalId: bigint;
  /** Beside which operators are told; null: the history has it no longer. */
  messageId: bigint | null;
  /** Name of the link; null: it has none here. */
  name: string | null;
  payload: string;
  utm: Utm;
  /** Of an invitation. */
  entity: LinkedEntity | null;
  obstacle: Obstacle | null;
  /** Of the dialog, as far as it is known. */
  bitrixChatId: string | null;
  /** The newest session that we know of. */
  bitrixSessionId: string | null;
  attempt: number;
  /** A try before this one was settled: what there was to be told at once is told. */
  looked: boolean;
  pressedAt: Date;
}

/** What became of one try. */
export interface ArrivalOutcome {
  /** Milliseconds until it is tried again; null: it is finished. */
  againInMs: number | null;
  /** written, nothing_to_write, no_scope, …; of one that is tried again: why. */
  outcome: string;
  detail?: string;
  /** The entity of the dialog. */
  found?: LinkedEntity;
  /** Payload of a note into the dialog. */
  note?: Record<string, unknown>;
}

/** Somebody who came by a link, and what the CRM was told of it. */
export interface ArrivalRow {
  id: bigint;
  /** null: the client was erased, or their bot serves another portal by now; likewise `title`. */
  chatId: bigint | null;
  title: string | null;
  presses: number;
  createdAt: Date;
  pressedAt: Date;
  wroteAt: Date | null;
  utm: Utm;
  /** Of an invitation: what it was for. */
  entity: LinkedEntity | null;
  obstacle: Obstacle | null;
  /** What the CRM has of the dialog. */
  found: LinkedEntity | null;
  /** Null: nobody has looked yet. */
  outcome: string | null;
  detail: string | null;
  /** When it is tried (again); null: it is finished. */
  dueAt: Date | null;
}

/** Seconds that whoever claimed has for all of it; then it is anybody's again. */
const CLAIM_SECONDS = 60;
/** A client who has not written for so long after a press is not looked at any more. */
const WRITES_WITHIN_DAYS = 90;

/** Somebody else has claimed it meanwhile, or it was pressed again: nothing of this try is kept. */
class ClaimLostError extends Error {}

/** The table `arrivals`; see pressed-links.ts for how its rows come to be. */
@Injectable()
export class ArrivalsRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Claims up to `limit` that are due, oldest first, of portals that can be called and are not among `busy`. What nobody
   * settles within {@link CLAIM_SECONDS} is claimed again.
   */
  async claim(limit: number, busy: bigint[]): Promise<ClaimedArrival[]> {
    const { rows } = await this.db.query<ClaimedArrival>(
      `WITH due AS (
         SELECT a.id FROM arrivals a JOIN portals p ON p.id = a.portal_id AND p.state = 'active'
          WHERE a.due_at <= now() AND a.portal_id <> ALL($2::bigint[])
            AND NOT EXISTS (SELECT FROM rest_limits t WHERE t.portal_id = a.portal_id AND t.method = '*' AND t.until > now())
          ORDER BY a.due_at LIMIT $1 FOR UPDATE OF a SKIP LOCKED
       ), claimed AS (
         UPDATE arrivals a SET due_at = now() + make_interval(secs => $3), attempts = a.attempts + 1
           FROM due WHERE a.id = due.id RETURNING a.*
       )
       SELECT a.id, a.portal_id AS "portalId", a.message_id AS "messageId", l.name, a.payload, a.utm,
              CASE WHEN a.entity_type IS NOT NULL THEN jsonb_build_object('type', a.entity_type, 'id', a.entity_id) END AS entity,
              a.obstacle, CASE WHEN c.portal_id = a.portal_id THEN c.bitrix_chat_id END AS "bitrixChatId",
              c.bitrix_session_id AS "bitrixSessionId",
              a.attempts AS attempt, a.outcome IS NOT NULL AS looked, a.pressed_at AS "pressedAt"
         FROM claimed a LEFT JOIN links l ON l.id = a.link_id LEFT JOIN chat_links c ON c.id = a.chat_id
        ORDER BY a.id`,
      [limit, busy, CLAIM_SECONDS],
      { prepared: true },
    );
    return rows;
  }

  /**
   * Records what became of a claimed one, and has the dialog told in the same transaction: it is told once. Nothing
   * happens when the claim is somebody else's by now. Returns the endpoints that have work by it.
   */
  async settle(arrival: ClaimedArrival, result: ArrivalOutcome): Promise<string[]> {
    const { id, messageId, attempt, pressedAt } = arrival;
    const { note, againInMs, outcome, detail, found } = result;
    return this.db
      .transaction(async (connection) => {
        const reports = note && messageId !== null ? [{ messageId, payload: note }] : [];
        const { deliveries, endpoints } = await routeReports(connection, reports);
        await appendDeliveries(connection, deliveries);
        const { rowCount } = await connection.query(
          `UPDATE arrivals
              SET due_at = CASE WHEN $4::float8 IS NOT NULL THEN now() + $4 * interval '1 millisecond' END,
                  outcome = $5, detail = $6, found_type = coalesce($7, found_type), found_id = coalesce($8, found_id)
            WHERE id = $1 AND attempts = $2 AND pressed_at = $3`,
          [id, attempt, pressedAt, againInMs, outcome, detail ?? null, found?.type ?? null, found?.id ?? null],
        );
        if (rowCount === 0) throw new ClaimLostError();
        return [...deliveries.map(({ endpoint }) => endpoint), ...endpoints].filter(Boolean);
      })
      .catch((error: unknown) => {
        if (error instanceof ClaimLostError) return [];
        throw error;
      });
  }

  /** Forgets those that are finished, have no link by which they are counted, and came long ago. Returns how many. */
  async purge(batch = 10_000): Promise<number> {
    const { rowCount } = await this.db.query(
      `DELETE FROM arrivals WHERE id IN (
         SELECT id FROM arrivals WHERE link_id IS NULL AND due_at IS NULL AND pressed_at < now() - make_interval(days => $1)
          LIMIT $2)`,
      [WRITES_WITHIN_DAYS, batch],
    );
    return rowCount ?? 0;
  }

  /** Who came by a link, newest first; `before`: ids below it. */
  async list(linkId: bigint, limit: number, before?: bigint): Promise<ArrivalRow[]> {
    const { rows } = await this.db.query<ArrivalRow>(
      `SELECT a.id, c.id AS "chatId", c.title, a.presses, a.created_at AS "createdAt", a.pressed_at AS "pressedAt",
              a.wrote_at AS "wroteAt", a.utm, a.obstacle, a.outcome, a.detail, a.due_at AS "dueAt",
              CASE WHEN a.entity_id IS NOT NULL THEN jsonb_build_object('type', a.entity_type, 'id', a.entity_id) END AS entity,
              CASE WHEN a.found_id IS NOT NULL THEN jsonb_build_object('type', a.found_type, 'id', a.found_id) END AS found
         FROM arrivals a LEFT JOIN chat_links c ON c.id = a.chat_id AND c.portal_id = a.portal_id
        WHERE a.link_id = $1 AND ($2::bigint IS NULL OR a.id < $2)
        ORDER BY a.id DESC LIMIT $3`,
      [linkId, before ?? null, limit],
    );
    return rows;
  }

  /** Looks who has written since they came: of one portal, or all. */
  async noteWords(portalId: bigint | null): Promise<void> {
    await this.db.query(
      `UPDATE arrivals a SET wrote_at = w.at
         FROM (SELECT o.id, (
                 SELECT m.created_at FROM messages m
                  WHERE m.chat_id = o.chat_id AND m.created_at >= o.created_at AND ${CLIENT_WORDS}
                    AND m.id > coalesce((SELECT min(s.id) FROM messages s
                          WHERE s.chat_id = o.chat_id AND s.kind = 'start' AND s.source = o.payload), 0)
                  ORDER BY m.id LIMIT 1) AS at
                 FROM arrivals o
                 -- Most have not written at all: of them nothing came after the press.
                 JOIN chat_links c ON c.id = o.chat_id AND c.last_inbound_at > o.created_at
                WHERE o.wrote_at IS NULL AND o.chat_id IS NOT NULL AND o.link_id IS NOT NULL
                  AND o.pressed_at > now() - make_interval(days => ${WRITES_WITHIN_DAYS})
                  AND ($1::bigint IS NULL OR o.portal_id = $1)) w
        WHERE a.id = w.id AND w.at IS NOT NULL`,
      [portalId],
    );
  }
}
