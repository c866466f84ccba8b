import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { RequestKey, SendSource } from './send-requests.js';

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
}

/** How far the clocks of Telegram and of the database may be apart. */
const CLOCKS_APART = '5 seconds';

/** Seconds that whoever claimed has for all of it; then it is anybody's again. */
const CLAIM_SECONDS = 180;

/** The table `send_requests`; see {@link acceptSendRequests} for how their messages are made. */
@Injectable()
export class SendRequestsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Keeps a request; false: it is known by its key. */
  async receive({ portalId, source, key, payload, report }: ReceivedRequest): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `INSERT INTO send_requests (portal_id, source, key, state, payload, report)
       VALUES ($1, $2, $3, 'received', $4::jsonb, $5::jsonb) ON CONFLICT (portal_id, source, key) DO NOTHING`,
      [portalId, source, key, jsonb(payload), jsonb(report)],
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
   * A claim that nobody ends within {@link CLAIM_SECONDS} is made again: a report may come twice, but not never.
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

  /** From now on it waits for what the client says, until then at most. */
  async wait({ id, state }: ClaimedRequest, { chatId, until }: { chatId: bigint; until: Date }): Promise<void> {
    await this.db.query(
      `UPDATE send_requests r
          SET state = 'waiting', chat_id = (SELECT id FROM chat_links WHERE id = $3), attempts = 0, due_at = $4,
              step_at = now(),
              error_code = NULL, error_detail = NULL,
              -- Where to begin to look: a chat may be long.
              payload = jsonb_build_object('after', (
                SELECT m.id FROM messages m WHERE m.chat_id = $3 AND m.created_at < r.created_at ORDER BY m.id DESC LIMIT 1))
        WHERE r.id = $1 AND r.state = $2::"SendRequestState"`,
      [id, state, chatId, until],
    );
  }

  /**
   * Those for which the client has said something since they were asked are to be reported: what it was. A press of Start
   * is no answer, nor a vote, nor what was said before and came late. Returns how many go on waiting.
   */
  async noteAnswers(): Promise<number> {
    const { rows } = await this.db.query<{ open: number }>(
      `WITH answered AS MATERIALIZED (
         SELECT r.id, r.chat_id IS NULL AS gone, a.id AS message_id, a.text, coalesce(a.said_at, a.created_at) AS at
           FROM send_requests r LEFT JOIN LATERAL (
             SELECT m.id, m.said_at, m.created_at,
                    -- Of a button what stands on it: the rest is said to operators.
                    coalesce((SELECT b.text FROM buttons b WHERE b.chat_id = m.chat_id
                                 AND b.pressed_by = m.raw #>> '{callback_query,id}'), m.text) AS text
               FROM messages m
              WHERE m.chat_id = r.chat_id AND m.id > coalesce((r.payload ->> 'after')::bigint, 0)
                AND m.direction = 'inbound' AND m.created_at >= r.created_at
                AND NOT m.system_line AND m.state <> 'ignored' AND m.kind NOT IN ('start', 'vote')
                -- What the client says to another portal, to which the bot went meanwhile, is no business of this one.
                AND m.portal_id = r.portal_id
                AND coalesce(m.said_at, m.created_at) > r.created_at - interval '${CLOCKS_APART}'
              ORDER BY m.id LIMIT 1) a ON true
          WHERE r.state = 'waiting' AND (a.id IS NOT NULL OR r.chat_id IS NULL)
            FOR UPDATE OF r SKIP LOCKED
       ), noted AS (
         UPDATE send_requests r
            SET state = 'reporting', attempts = 0, due_at = now(), step_at = now(),
                outcome = CASE WHEN a.gone THEN '{"status": "gone"}' ELSE jsonb_build_object(
                  'status', 'answered', 'messageId', a.message_id::text, 'text', a.text, 'at', a.at) END
           FROM answered a WHERE r.id = a.id RETURNING r.id
       )
       SELECT count(*)::int AS open FROM send_requests r
        WHERE r.state = 'waiting' AND r.id NOT IN (SELECT id FROM noted)`,
      [],
      { prepared: true },
    );
    return rows[0]!.open;
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
              outcome = jsonb_build_object('status', outcome -> 'status')
        WHERE id = $1 AND state = $2::"SendRequestState"`,
      [request.id, request.state, failure?.code ?? null, failure?.detail ?? null],
    );
  }

  /** The step is tried again. */
  async postpone(
    { id, state }: ClaimedRequest,
    { code, detail, delayMs }: { code: string; detail: string; delayMs: number },
  ): Promise<void> {
    await this.db.query(
      `UPDATE send_requests SET due_at = now() + $3 * interval '1 millisecond', error_code = $4, error_detail = $5
        WHERE id = $1 AND state = $2::"SendRequestState"`,
      [id, state, delayMs, code, detail],
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
