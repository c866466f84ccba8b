import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';

/** What a portal may have of us beside the connector. */
export const FEATURES = ['robots', 'sms', 'triggers', 'card', 'card_processes', 'chat_panel'] as const;
export type FeatureName = (typeof FEATURES)[number];

/**
 * `ready`: registered; `off`: not wanted. Else why it is not there: the application lacks the scope, the plan of the portal
 * the methods, whoever installed us the rights; nobody told us our own address; or the portal said something else.
 */
export type FeatureState = 'ready' | 'off' | 'no_scope' | 'no_plan' | 'no_rights' | 'no_address' | 'failed';

/** What a portal wants of a feature. */
export interface FeatureSettings {
  /** Of triggers: words of the buttons that have one of their own. */
  buttons?: string[];
}

export interface FeatureRecord {
  portalId: bigint;
  feature: FeatureName;
  wanted: boolean;
  /** null: nobody has looked yet. */
  state: FeatureState | null;
  /** What the portal said. */
  detail: string | null;
  /** Of what was registered last. */
  stamp: string | null;
  settings: FeatureSettings;
  attempts: number;
  checkedAt: Date | null;
  /** null: nobody is looking at it. */
  claimedUntil: Date | null;
}

const COLUMNS = `f.portal_id AS "portalId", f.feature, f.wanted, f.state, f.detail, f.stamp, f.settings, f.attempts,
  f.checked_at AS "checkedAt", f.claimed_until AS "claimedUntil"`;

/** Seconds that whoever claimed has; then it is anybody's again. */
const CLAIM_SECONDS = 180;

/** SQL: at once. The column has milliseconds: half of all moments would be rounded into the future. */
const AT_ONCE = `date_trunc('milliseconds', now())`;

/** The table `portal_features`. */
@Injectable()
export class PortalFeaturesRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Somebody chose it, or refused it. It is due at once. `settings`: absent, they stay as they are. */
  async choose(portalId: bigint, feature: FeatureName, wanted: boolean, settings?: FeatureSettings): Promise<void> {
    await this.db.query(
      `INSERT INTO portal_features AS f (portal_id, feature, wanted, settings, due_at)
       VALUES ($1, $2, $3, coalesce($4::jsonb, '{}'), ${AT_ONCE})
       ON CONFLICT (portal_id, feature) DO UPDATE
          SET wanted = excluded.wanted, settings = coalesce($4::jsonb, f.settings), attempts = 0, due_at = ${AT_ONCE}`,
      [portalId, feature, wanted, settings === undefined ? null : jsonb(settings)],
    );
  }

  async list(portalId: bigint): Promise<FeatureRecord[]> {
    const { rows } = await this.db.query<FeatureRecord>(
      `SELECT ${COLUMNS} FROM portal_features f WHERE f.portal_id = $1 ORDER BY f.feature`,
      [portalId],
    );
    return rows;
  }

  /** Those of all portals that are wanted and not there. */
  async lacking(): Promise<FeatureRecord[]> {
    const { rows } = await this.db.query<FeatureRecord>(
      `SELECT ${COLUMNS} FROM portal_features f JOIN portals p ON p.id = f.portal_id AND p.state = 'active'
        WHERE f.wanted AND f.state NOT IN ('ready', 'off') ORDER BY f.portal_id, f.feature`,
    );
    return rows;
  }

  /**
   * The portal was installed anew, or another version of the application: what it has may be gone. Or a bot came to it: the
   * portal of the bot is meant.
   */
  async lookAgain(of: { portalId: bigint } | { botId: bigint }): Promise<void> {
    const [portalId, botId] = 'portalId' in of ? [of.portalId, null] : [null, of.botId];
    await this.db.query(
      `UPDATE portal_features SET due_at = ${AT_ONCE}, attempts = 0
        WHERE portal_id = coalesce($1::bigint, (SELECT portal_id FROM bots WHERE id = $2::bigint))
          AND (wanted OR state <> 'off')`,
      [portalId, botId],
    );
  }

  /** Something of this feature is not there, or refused; unless somebody has looked within so many seconds. */
  async lookAgainAt(portalId: bigint, feature: FeatureName, unlessWithin: number): Promise<void> {
    await this.db.query(
      `UPDATE portal_features SET due_at = ${AT_ONCE}
        WHERE portal_id = $1 AND feature = $2 AND wanted AND due_at > now()
          AND checked_at < now() - make_interval(secs => $3)`,
      [portalId, feature, unlessWithin],
    );
  }

  /** Claims what is due and nobody looks at, of portals that can be called; `only`: of this one. */
  async claim(limit: number, only?: { portalId: bigint; feature: FeatureName }): Promise<FeatureRecord[]> {
    const { rows } = await this.db.query<FeatureRecord>(
      `WITH due AS (
         SELECT f.portal_id, f.feature FROM portal_features f JOIN portals p ON p.id = f.portal_id AND p.state = 'active'
          WHERE f.due_at <= now() AND coalesce(f.claimed_until <= now(), true)
            AND CASE WHEN $3::bigint IS NULL THEN f.wanted OR f.state IS DISTINCT FROM 'off'
                     ELSE f.portal_id = $3 AND f.feature = $4 END
          ORDER BY f.due_at LIMIT $1 FOR UPDATE OF f SKIP LOCKED
       )
       UPDATE portal_features f
          SET due_at = now() + make_interval(secs => $2), claimed_until = now() + make_interval(secs => $2),
              attempts = f.attempts + 1
         FROM due WHERE f.portal_id = due.portal_id AND f.feature = due.feature
       RETURNING ${COLUMNS}`,
      [limit, CLAIM_SECONDS, only?.portalId ?? null, only?.feature ?? null],
    );
    return rows;
  }

  /**
   * What came of it, and when to look again, unless somebody wants that sooner. Where somebody has chosen otherwise
   * meanwhile, or another process had to look after it, it says nothing, and is due at once.
   */
  async settle(
    { portalId, feature, wanted, claimedUntil }: FeatureRecord,
    {
      state,
      detail,
      stamp,
      dueInMs,
    }: { state: FeatureState; detail: string | null; stamp: string | null; dueInMs: number },
  ): Promise<void> {
    const { rowCount } = await this.db.query(
      `UPDATE portal_features
          SET state = $3, detail = $4, stamp = $5, checked_at = now(),
              attempts = CASE WHEN $3 = 'failed' THEN attempts ELSE 0 END,
              due_at = CASE WHEN due_at = claimed_until THEN now() + $6 * interval '1 millisecond' ELSE due_at END,
              claimed_until = NULL
        WHERE portal_id = $1 AND feature = $2 AND wanted = $7 AND claimed_until = $8`,
      [portalId, feature, state, detail, stamp, dueInMs, wanted, claimedUntil],
    );
    if (rowCount) return;
    // What is not wanted is looked at unless it is known to be off, which nobody knows now.
    await this.db.query(
      `UPDATE portal_features
          SET due_at = ${AT_ONCE}, state = CASE WHEN wanted THEN state END, claimed_until = nullif(claimed_until, $3)
        WHERE portal_id = $1 AND feature = $2`,
      [portalId, feature, claimedUntil],
    );
  }
}
