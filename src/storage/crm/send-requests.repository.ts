import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import { findRequest, type KnownRequest, type RequestKey, type SendSource } from './send-requests.js';
import { beginWaiting, noteAnswers } from './waiting-requests.js';

/** What there is to report of a request. */
export interface RequestOutcome {
  /**
   * `delivered`, `failed`, `uncertain` as messages end, `gone` where the message was erased before; what else there is,
   * is its source's own.
   */
  status: string;
  /** Why it was not delivered, as the history has it. */
  code?: string;
  detail?: string;
  messageId?: string;
  /** Of the first part. */
  telegramMessageId?: string;
  /** ISO 8601. */
  at?: string;
  [more: string]: unknown;
}

/** A step of a request that is tried now. */
export interface ClaimedRequest extends RequestKey {
  id: bigint;
  state: 'received' | 'waiting' | 'reporting';
  chatId: bigint | null;
  payload: Record<string, unknown>;
  report: Record<string, unknown>;
  outcome: RequestOutcome | null;
  /** Number of this try of the step, from 1. */
  attempt: number;
  createdAt: Date;
  /** When the step became possible. */
  stepAt: Date;
}

/** A request that is to be looked into before it can be done. */
export interface ReceivedRequest extends RequestKey {
  /** What its source needs to do it. */
  payload: unknown;
  report: unknown;
  /** Requests with the same one are steps of one process. */
  process?: string;
}

/** Seconds that a claim is good for unless it is renewed; then it is anybody's again. */
const CLAIM_SECONDS = 15;
/** How often whoever works on claimed steps renews the claims. */
export const RENEW_MS = 4_000;

/** The table `send_requests`; see {@link acceptSendRequests} for how their messages are made. */
@Injectable()
export class SendRequestsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Null: there is none with this key. */
  find(key: RequestKey): Promise<KnownRequest | null> {
    return findRequest(this.db, key);
  }

  /** Keeps a request; false: it is known by its key. */
  async receive({ portalId, source, key, payload, report, process }: ReceivedRequest): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `INSERT INTO send_requests (portal_id, source, key, state, payload, report, process)
       VALUES ($1, $2, $3, 'received', $4::jsonb, $5::jsonb, $6) ON CONFLICT (portal_id, source, key) DO NOTHING`,
      [portalId, source, key, jsonb(payload), jsonb(report), process ?? null],
    );
    return rowCount === 1;
  }

  /** Those whose message came to its end are to be reported. Returns how many are still on their way. */
  async noteEnds(): Promise<number> {
    const { rows } = await this.db.query<{ open: number }>(
      `WITH ended AS MATERIALIZED (
         SELECT r.id, r.message_id, coalesce(m.state::text, 'gone') AS status, m.error_code, m.error_detail, m.delivered_at
           FROM send_requests r LEFT JOIN messages m ON m.id = r.message_id
          WHERE r.state = 'sending' AND (m.id IS NULL OR m.state <> 'queued')
            FOR UPDATE OF r SKIP LOCKED
       ), noted AS (
         UPDATE send_requests r
            SET state = 'reporting', attempts = 0, due_at = now(), step_at = now(),
                outcome = jsonb_strip_nulls(jsonb_build_object('status', e.status, 'code', e.error_code,
                  'detail', e.error_detail, 'messageId', e.message_id::text, 'at', e.delivered_at,
                  'telegramMessageId', (SELECT l.telegram_message_id::text FROM message_links l
                                         WHERE l.message_id = e.message_id ORDER BY l.part LIMIT 1)))
           FROM ended e WHERE r.id = e.id RETURNING r.id
       )
       SELECT count(*)::int AS open FROM send_requests r
        WHERE r.state = 'sending' AND r.id NOT IN (SELECT id FROM noted)`,
      [],
      { prepared: true },
    );
    return rows[0]!.open;
  }

  /**
   * Claims up to `limit` of these steps that are due, oldest first, of portals that can be called and are not among `busy`.
   * A claim that nobody renews within {@link CLAIM_SECONDS} is made again: a report may come twice, but not never.
   */
  async claim(
    sources: SendSource[],
    limit: number,
    busy: bigint[],
    steps: readonly ClaimedRequest['state'][] = ['received', 'waiting', 'reporting'],
  ): Promise<ClaimedRequest[]> {
    const { rows } = await this.db.query<ClaimedRequest>(
      `WITH due AS (
         SELECT r.id FROM send_requests r JOIN portals p ON p.id = r.portal_id AND p.state = 'active'
          WHERE r.state IN ('received', 'waiting', 'reporting') AND r.state::text = ANY($5::text[]) AND r.due_at <= now()
            AND r.source = ANY($4::text[]) AND r.portal_id <> ALL($2::bigint[])
            -- A portal in trouble is left alone, see RestTroubles.
            AND NOT EXISTS (SELECT FROM rest_limits t WHERE t.portal_id = r.portal_id AND t.method = '*' AND t.until > now())
          ORDER BY r.id LIMIT $1 FOR UPDATE OF r SKIP LOCKED
       )
       UPDATE send_requests r SET due_at = now() + make_interval(secs => $3), attempts = r.attempts + 1
         FROM due WHERE r.id = due.id
       RETURNING r.id, r.portal_id AS "portalId", r.source, r.key, r.state, r.chat_id AS "chatId", r.payload,
                 coalesce(r.report, '{}') AS report, r.outcome, r.attempts AS attempt, r.created_at AS "createdAt", r.step_at AS "stepAt"`,
      [limit, busy, CLAIM_SECONDS, sources, steps],
      { prepared: true },
    );
    return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Whoever claimed these is still at work on them. What was postponed meanwhile stays so. */
  async renew(claimed: ClaimedRequest[]): Promise<void> {
    await this.db.query(
      `UPDATE send_requests r SET due_at = greatest(r.due_at, now() + make_interval(secs => $4))
         FROM unnest($1::bigint[], $2::text[], $3::int[]) AS c(id, state, attempt)
        WHERE r.id = c.id AND r.state::text = c.state AND r.attempts = c.attempt`,
      [
        claimed.map(({ id }) => id),
        claimed.map(({ state }) => state),
        claimed.map(({ attempt }) => attempt),
        CLAIM_SECONDS,
      ],
    );
  }

  /** See {@link beginWaiting}. */
  wait({ id, state }: ClaimedRequest, wait: { chatId: bigint; until: Date }): Promise<boolean> {
    return beginWaiting(this.db, { ...wait, id, state });
  }

  /** See {@link noteAnswers}. */
  noteAnswers(): Promise<number> {
    return noteAnswers(this.db);
  }

  /** It ends without a message of its own: that is to be reported. */
  async end({ id, state }: ClaimedRequest, outcome: RequestOutcome): Promise<void> {
    await this.db.query(
      `UPDATE send_requests SET state = 'reporting', outcome = $3::jsonb, payload = '{}', attempts = 0, due_at = now(),
              step_at = now(), error_code = NULL, error_detail = NULL
        WHERE id = $1 AND state = $2::"SendRequestState"`,
      [id, state, jsonb(outcome)],
    );
  }

  /** It was told, or cannot be: why not. What it was about is forgotten. */
  async finish(request: ClaimedRequest, failure: { code: string; detail: string } | null): Promise<void> {
    await this.db.query(
      `UPDATE send_requests
          SET state = 'done', done_at = now(), payload = '{}', report = NULL, error_code = $3, error_detail = $4,
              -- Which message was the answer: it is none to the next robot that waits.
              outcome = jsonb_strip_nulls(jsonb_build_object('status', outcome -> 'status', 'messageId',
                CASE WHEN outcome ->> 'status' = 'answered' THEN outcome -> 'messageId' END))
        WHERE id = $1 AND state = $2::"SendRequestState"`,
      [request.id, request.state, failure?.code ?? null, failure?.detail ?? null],
    );
  }

  /** The step is tried again. Nothing happens when somebody else has claimed it meanwhile. */
  async postpone(
    { id, state, attempt }: ClaimedRequest,
    { code, detail, delayMs }: { code: string; detail: string; delayMs: number },
  ): Promise<void> {
    await this.db.query(
      `UPDATE send_requests SET due_at = now() + $3 * interval '1 millisecond', error_code = $4, error_detail = $5
        WHERE id = $1 AND state = $2::"SendRequestState" AND attempts = $6`,
      [id, state, delayMs, code, detail, attempt],
    );
  }

  /** What came so long ago, in milliseconds, and could not be begun is not said any more: its words are forgotten. */
  async giveUpOld(ageMs: number, outcome: RequestOutcome): Promise<void> {
    await this.db.query(
      `UPDATE send_requests SET state = 'reporting', outcome = $2::jsonb, payload = '{}', attempts = 0, due_at = now(),
              step_at = now()
        WHERE state = 'received' AND created_at < now() - $1 * interval '1 millisecond' AND due_at <= now()`,
      [ageMs, jsonb(outcome)],
    );
  }

  /**
   * Forgets requests that were done so many days ago, and those whose portal has not been there for so long. Returns how
   * many.
   */
  async purge(days: number, batch = 10_000): Promise<number> {
    const { rowCount } = await this.db.query(
      `DELETE FROM send_requests WHERE id IN (
         SELECT id FROM send_requests
          WHERE state = 'done' AND done_at < now() - make_interval(days => $1)
             OR state IN ('received', 'waiting', 'reporting') AND due_at < now() - make_interval(days => $1)
          LIMIT $2)`,
      [days, batch],
    );
    return rowCount ?? 0;
  }
}
