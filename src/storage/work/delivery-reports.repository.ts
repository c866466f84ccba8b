import { Injectable } from '@nestjs/common';
import { REPORT_DELIVERY } from '../../common/connector-methods.js';
import type { ClaimedDelivery, ClaimedLane } from './claimed-lane.js';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';

/** What tells a portal that messages reached a client; also a status lane of an older version. */
export interface StatusLane {
  id: bigint;
  chat: Pick<ClaimedLane['chat'], 'externalId' | 'lineId' | 'bitrixChatId'>;
  deliveries: StatusDelivery[];
}

interface StatusDelivery extends Pick<ClaimedDelivery, 'seq' | 'kind'> {
  message: Pick<ClaimedDelivery['message'], 'bitrixMessageId' | 'bitrixChatId' | 'telegramMessageIds'>;
}

/** The report that one message was delivered: a lane of one delivery. */
export interface DeliveryReport extends StatusLane {
  portalId: bigint;
  messageId: bigint;
  /** Number of the next attempt, from 1. */
  attempt: number;
  queuedAt: Date;
  messageCreatedAt: Date;
  /** Its attempt is recorded however it ends: it was tried before, or the message was delivered long ago. */
  told: boolean;
}

export interface ReportOutcome {
  report: DeliveryReport;
  outcome: 'delivered' | 'retry' | 'failed';
  startedAt: Date;
  code?: string;
  detail?: string;
  /** Of a retry: milliseconds until it is due. */
  delayMs?: number;
}

/** Reports of a portal that were due at `from` or later; null: all of them. */
export interface Look {
  portalId: bigint;
  from: Date | null;
}

/** What a look at one portal found, at a time of the database. */
export interface DueReports {
  portalId: bigint;
  reports: DeliveryReport[];
  at: Date;
}

/**
 * A report that succeeds at once leaves no attempt. One that is made more than this many minutes after the delivery
 * does, because then the time of the delivery no longer tells when it was made.
 */
export const SOON_MINUTES = 5;

/**
 * The rows of kind `status` in `dialog_reports`. They are not claimed: the holder of the portal's lease sends them and
 * deletes them afterwards. One that is sent twice, because the sender was killed in between or lost the lease, does no
 * harm: the portal heeds only the first report of a message.
 */
@Injectable()
export class DeliveryReportsRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Reports that are due, for each portal up to `limit`, those that came first first. Leaves out portals that cannot be
   * called, or that rest from the method.
   */
  async due(looks: Look[], limit: number): Promise<DueReports[]> {
    const { rows } = await this.db.query<DueRow>(
      `WITH callable AS MATERIALIZED (
         SELECT p.* FROM unnest($1::bigint[], $2::timestamptz[]) AS p(id, since)
           JOIN portals o ON o.id = p.id AND o.state = 'active'
          -- A portal in trouble is left alone, see RestTroubles.
          WHERE NOT EXISTS (SELECT FROM rest_limits t
                             WHERE t.portal_id = p.id AND t.method IN ('*', '${REPORT_DELIVERY}') AND t.until > now())
       )
       SELECT p.id AS portal_id, now() AS at, r.id, m.id AS message_id, r.attempts, r.created_at AS queued_at,
              coalesce(r.line_id, b.line_id) AS line_id,
              coalesce(nullif(r.bitrix_chat_id, ''), c.bitrix_chat_id) AS bitrix_chat_id,
              coalesce(nullif(r.external_chat_id, ''), c.external_id, '') AS external_id,
              m.bitrix_message_id, m.created_at AS message_created_at,
              r.attempts > 0 OR m.delivered_at < now() - make_interval(mins => $4) AS told,
              ARRAY(SELECT telegram_message_id FROM message_links l WHERE l.message_id = m.id ORDER BY part) AS telegram_message_ids
         FROM callable p LEFT JOIN LATERAL (
           SELECT * FROM dialog_reports
            WHERE portal_id = p.id AND kind = 'status' AND due_at <= now() AND due_at >= coalesce(p.since, '-infinity')
            ORDER BY due_at LIMIT $3) r ON true
         LEFT JOIN messages m ON m.id = r.message_id
         LEFT JOIN chat_links c ON c.id = m.chat_id AND c.portal_id = r.portal_id
         LEFT JOIN bots b ON b.id = c.bot_id AND b.portal_id = r.portal_id
        ORDER BY p.id, r.due_at, r.id`,
      [looks.map(({ portalId }) => portalId), looks.map(({ from }) => from), limit, SOON_MINUTES],
      { prepared: true },
    );
    const found = new Map<bigint, DueReports>();
    for (const row of rows) {
      const { portal_id: portalId, at } = row;
      if (!found.has(portalId)) found.set(portalId, { portalId, reports: [], at });
      if (row.message_id !== null) found.get(portalId)!.reports.push(reportOf({ ...row, message_id: row.message_id }));
    }
    return [...found.values()];
  }

  /** Records what became of reports; `instance`: who tried. May be repeated. */
  async settle(outcomes: ReportOutcome[], instance: string): Promise<void> {
    await this.db.query(
      `WITH outcomes AS MATERIALIZED (
         SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, message_id bigint, number int, outcome text, told boolean,
                started_at timestamptz, code text, detail text, delay_ms float8)
       ), there AS MATERIALIZED (
         -- Messages are locked before what hangs on them.
         SELECT id FROM messages WHERE id IN (SELECT message_id FROM outcomes WHERE told) ORDER BY id FOR KEY SHARE
       ), ended AS (
         DELETE FROM dialog_reports r USING outcomes o
          WHERE (SELECT count(*) FROM there) >= 0 AND r.id = o.id AND o.outcome <> 'retry'
         RETURNING r.id
       ), again AS (
         UPDATE dialog_reports r SET attempts = o.number, due_at = now() + o.delay_ms * interval '1 millisecond'
           FROM outcomes o
          WHERE (SELECT count(*) FROM there) >= 0 AND r.id = o.id AND r.attempts < o.number AND o.outcome = 'retry'
         RETURNING r.id
       )
       INSERT INTO attempts (message_id, kind, number, started_at, outcome, code, detail, instance)
       SELECT there.id, 'status', o.number, o.started_at, o.outcome, o.code, o.detail, $2
         FROM outcomes o JOIN there ON there.id = o.message_id
        WHERE o.told AND o.id IN (SELECT id FROM ended UNION ALL SELECT id FROM again)`,
      [jsonb(outcomes.map(outcomeRow)), instance],
      { prepared: true },
    );
  }
}

interface DueRow {
  portal_id: bigint;
  at: Date;
  id: bigint;
  /** null: there is none at the portal, or its message was erased just now. */
  message_id: bigint | null;
  attempts: number;
  queued_at: Date;
  line_id: string | null;
  bitrix_chat_id: string | null;
  external_id: string;
  bitrix_message_id: string | null;
  message_created_at: Date;
  told: boolean;
  telegram_message_ids: bigint[];
}

function reportOf(row: DueRow & { message_id: bigint }): DeliveryReport {
  const { bitrix_message_id: bitrixMessageId, bitrix_chat_id: bitrixChatId } = row;
  const message = { bitrixMessageId, bitrixChatId, telegramMessageIds: row.telegram_message_ids };
  return {
    id: row.id,
    portalId: row.portal_id,
    messageId: row.message_id,
    attempt: row.attempts + 1,
    queuedAt: row.queued_at,
    messageCreatedAt: row.message_created_at,
    told: row.told,
    chat: { externalId: row.external_id, lineId: row.line_id, bitrixChatId },
    deliveries: [{ seq: 1n, kind: 'status', message }],
  };
}

function outcomeRow({ report, outcome, startedAt, code, detail, delayMs }: ReportOutcome) {
  return {
    id: report.id,
    message_id: report.messageId,
    number: report.attempt,
    outcome,
    told: report.told || outcome !== 'delivered',
    started_at: startedAt,
    code: code ?? null,
    detail: detail ?? null,
    delay_ms: delayMs ?? 0,
  };
}
