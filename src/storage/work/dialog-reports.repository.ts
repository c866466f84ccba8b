import { Injectable } from '@nestjs/common';
import type { ClaimedDelivery, ClaimedLane } from './claimed-lane.js';
import { claimedLanes, WORK_COLUMNS, type ClaimRow } from './claimed-rows.js';
import { DatabaseService } from '../postgres/database.service.js';

/** A note that is being sent: a lane of one delivery, whose chat is the dialog to be told. */
export interface ClaimedReport {
  id: bigint;
  portalId: bigint;
  lane: ClaimedLane;
  delivery: ClaimedDelivery;
  /** The chat is known well enough to name the client; otherwise only the dialog of `lane.chat` counts. */
  clientKnown: boolean;
}

export interface ReportOutcome {
  outcome: 'delivered' | 'retry' | 'failed';
  code?: string;
  detail?: string;
  /** Of a retry: milliseconds until it is due. */
  delayMs?: number;
}

/** Seconds that a claimer has for all of its claim; then anybody may claim it again. */
const CLAIM_SECONDS = 180;

/** The notes in `dialog_reports`; see {@link DeliveryReportsRepository} for the rest. */
@Injectable()
export class DialogReportsRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Claims up to `limit` reports that are due, oldest first, of portals that can be called and are not among `busy`. A
   * claim that nobody settles within {@link CLAIM_SECONDS} is made again: a report may come twice, but not never.
   */
  async claim(limit: number, busy: bigint[]): Promise<ClaimedReport[]> {
    const { rows } = await this.db.query<ClaimRow & { line: string | null; dialog: string; known: boolean }>(
      `WITH due AS (
         SELECT r.id FROM dialog_reports r JOIN portals p ON p.id = r.portal_id AND p.state = 'active'
          WHERE r.kind = 'note' AND r.due_at <= now() AND r.portal_id <> ALL($2::bigint[])
            -- A portal in trouble is left alone, see RestTroubles.
            AND NOT EXISTS (SELECT FROM rest_limits t WHERE t.portal_id = r.portal_id AND t.method = '*' AND t.until > now())
          ORDER BY r.id LIMIT $1 FOR UPDATE OF r SKIP LOCKED
       ), d AS (
         UPDATE dialog_reports r SET due_at = now() + make_interval(secs => $3), attempts = r.attempts + 1
           FROM due WHERE r.id = due.id
         RETURNING r.*, r.id AS seq, NULL::timestamptz AS unknown_since, clock_timestamp() AS started_at
       )
       SELECT d.id AS lane_id, 'inbound' AS channel, d.line_id AS line, d.bitrix_chat_id AS dialog, c.id IS NOT NULL AS known, ${WORK_COLUMNS},
              d.portal_id AS portal_id, d.external_chat_id AS external_id
         FROM d LEFT JOIN messages m ON m.id = d.message_id
         LEFT JOIN LATERAL (
           SELECT * FROM chat_links
            WHERE (id = m.chat_id OR portal_id = d.portal_id AND external_id = d.external_chat_id) AND title <> external_id
            ORDER BY id = m.chat_id DESC NULLS LAST, last_inbound_at DESC NULLS LAST LIMIT 1) c ON true
         LEFT JOIN bots b ON false LEFT JOIN lines o ON false
        ORDER BY d.id`,
      [limit, busy, CLAIM_SECONDS],
      { prepared: true },
    );
    return rows.map((row) => {
      const { line, dialog, known, ...claim } = row;
      const [lane] = claimedLanes([{ ...claim, text: claim.text ?? '' }]);
      const place = { lineId: line, bitrixChatId: dialog, bitrixUserId: null, bitrixSessionId: null };
      return {
        id: claim.lane_id,
        portalId: claim.portal_id!,
        lane: { ...lane!, chat: { ...lane!.chat, ...place } },
        delivery: lane!.deliveries[0]!,
        clientKnown: known,
      };
    });
  }

  /** Records what became of a claimed report; `instance`: who tried. */
  async settle(
    { id, delivery }: ClaimedReport,
    { outcome, code, detail, delayMs }: ReportOutcome,
    instance: string,
  ): Promise<void> {
    await this.db.query(
      `WITH tried AS (
         INSERT INTO attempts (message_id, kind, number, started_at, outcome, code, detail, instance)
         SELECT r.message_id, r.kind, r.attempts, $2, $3, $4, $5, $6 FROM dialog_reports r
          WHERE r.id = $1 AND r.message_id IS NOT NULL
       ), again AS (
         UPDATE dialog_reports SET due_at = now() + $7 * interval '1 millisecond' WHERE id = $1 AND $3 = 'retry'
       )
       DELETE FROM dialog_reports WHERE id = $1 AND $3 <> 'retry'`,
      [id, delivery.startedAt, outcome, code ?? null, detail ?? null, instance, delayMs ?? 0],
    );
  }
}
