import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import type { TriggerEvent } from '../work/trigger-events.js';

/** An event that is claimed. */
export interface ClaimedTriggerEvent {
  chatId: bigint;
  event: TriggerEvent;
  /** ''; else what sets it apart: digest of a button's words, id of a link. */
  subject: string;
  portalId: bigint;
  /** Whoever claims it next has another number. */
  claim: bigint;
  /** How often it has happened so far. */
  times: number;
  /** Whoever claimed it before may have had the trigger executed: of so many of those times nothing is known. */
  interrupted: number | null;
  happenedAt: Date;
  /** Of the dialog; null: there is none (yet). */
  bitrixChatId: string | null;
  /** Its bot serves another portal by now. */
  moved: boolean;
}

/** What became of a try. */
export interface TriggerOutcome {
  /** Milliseconds until it is tried again, because the trigger was not executed; null: finished. */
  againInMs: number | null;
  outcome: string;
  detail?: string;
}

/** Seconds that whoever claimed has until a trigger begins, and for its execution; then it is anybody's again. */
const CLAIM_SECONDS = 60;
const EXECUTION_SECONDS = 120;

/** The table `trigger_events`; see storage/work/trigger-events.ts for how its rows come to be. */
@Injectable()
export class TriggerEventsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Claims up to `limit` that are due, oldest first, of portals whose triggers are registered and that are not `busy`. */
  async claim(limit: number, busy: bigint[]): Promise<ClaimedTriggerEvent[]> {
    const { rows } = await this.db.query<ClaimedTriggerEvent>(
      `WITH due AS (
         SELECT t.chat_id, t.event, t.subject FROM trigger_events t
           JOIN portals p ON p.id = t.portal_id AND p.state = 'active'
           JOIN portal_features f ON f.portal_id = t.portal_id AND f.feature = 'triggers' AND f.wanted AND f.state = 'ready'
          WHERE t.due_at <= now() AND t.portal_id <> ALL($2::bigint[])
            AND NOT EXISTS (SELECT FROM rest_limits r WHERE r.portal_id = t.portal_id AND r.method = '*' AND r.until > now())
          ORDER BY t.due_at LIMIT $1 FOR UPDATE OF t SKIP LOCKED
       ), claimed AS (
         UPDATE trigger_events t SET due_at = now() + make_interval(secs => $3), claim = t.claim + 1
           FROM due d WHERE (t.chat_id, t.event, t.subject) = (d.chat_id, d.event, d.subject) RETURNING t.*
       )
       SELECT t.chat_id AS "chatId", t.event, t.subject, t.portal_id AS "portalId", t.claim, t.times,
              CASE WHEN t.started_at IS NOT NULL THEN t.told END AS interrupted, t.happened_at AS "happenedAt",
              c.bitrix_chat_id AS "bitrixChatId", c.portal_id IS DISTINCT FROM t.portal_id AS moved
         FROM claimed t JOIN chat_links c ON c.id = t.chat_id
        ORDER BY t.happened_at, t.chat_id, t.event, t.subject`,
      [limit, busy, CLAIM_SECONDS],
      { prepared: true },
    );
    return rows;
  }

  /**
   * The trigger is about to be executed, for all times that it has happened so far; how often is answered. Null: somebody
   * else has claimed it meanwhile.
   */
  async begin({ chatId, event, subject, claim }: ClaimedTriggerEvent): Promise<number | null> {
    const { rows } = await this.db.query<{ times: number }>(
      `UPDATE trigger_events SET started_at = now(), told = times, due_at = now() + make_interval(secs => $5)
        WHERE chat_id = $1 AND event = $2 AND subject = $3 AND claim = $4 RETURNING times`,
      [chatId, event, subject, claim, EXECUTION_SECONDS],
    );
    return rows[0]?.times ?? null;
  }

  /** What happened after the first `times` is due again. Nothing happens when the claim is somebody else's by now. */
  async settle(
    { chatId, event, subject, claim }: ClaimedTriggerEvent,
    times: number,
    { againInMs, outcome, detail }: TriggerOutcome,
  ): Promise<void> {
    await this.db.query(
      `UPDATE trigger_events
          SET started_at = NULL, outcome = $6, detail = $7, told = CASE WHEN $5::float8 IS NULL THEN $8 ELSE told END,
              due_at = CASE WHEN $5::float8 IS NOT NULL THEN now() + $5 * interval '1 millisecond'
                            WHEN times > $8 THEN now() END
        WHERE chat_id = $1 AND event = $2 AND subject = $3 AND claim = $4`,
      [chatId, event, subject, claim, againInMs, outcome, detail ?? null, times],
    );
  }

  /** Nothing of these was begun: whoever claims next has them in their turn. */
  async release(claimed: ClaimedTriggerEvent[]): Promise<void> {
    if (claimed.length === 0) return;
    await this.db.query(
      `UPDATE trigger_events t SET due_at = t.happened_at
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS c(chat_id, event, subject, claim)
        WHERE (t.chat_id, t.event, t.subject, t.claim) = (c.chat_id, c.event, c.subject, c.claim)
          AND t.due_at IS NOT NULL`,
      [
        claimed.map(({ chatId }) => chatId),
        claimed.map(({ event }) => event),
        claimed.map(({ subject }) => subject),
        claimed.map(({ claim }) => claim),
      ],
    );
  }

  /** The portal does not want to be told any more. */
  async forget(portalId: bigint): Promise<void> {
    await this.db.query(`DELETE FROM trigger_events WHERE portal_id = $1`, [portalId]);
  }
}
