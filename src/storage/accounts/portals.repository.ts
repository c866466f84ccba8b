import { Injectable } from '@nestjs/common';
import { resumeAnswers } from '../work/answer-pauses.js';
import { insertAuditEntry } from '../postgres/audit-entries.js';
import { haltBroadcasts } from '../work/halted-broadcasts.js';
import type { OwnBucket } from '../work/rest-limits.repository.js';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';

export type PortalState = 'active' | 'reauthorise' | 'uninstalled';

/** A connected Bitrix24 account, without its secrets. */
export interface PortalRecord {
  id: bigint;
  memberId: string;
  /** Host, with the port when it is not the standard one. */
  domain: string;
  /** Base of every REST call, with the trailing slash. */
  clientEndpoint: string;
  oauthOrigin: string;
  clientId: string;
  /** SHA-256 of the application_token that signs this portal's events. */
  applicationTokenHash: Buffer | null;
  scope: string;
  language: string;
  connectorId: string;
  state: PortalState;
  stateReason: string | null;
  /** See answer-pauses.ts; null when answers leave, perhaps in the past. Each pause has another. */
  answersPausedUntil: Date | null;
  installedAt: Date;
  createdAt: Date;
  updatedAt: Date;
}

export interface Installation {
  memberId: string;
  domain: string;
  clientEndpoint: string;
  oauthOrigin: string;
  clientId: string;
  scope: string;
  language?: string;
  connectorId: string;
  /** The administrator who installed, as the portal names them; null: the portal told of it by itself. */
  userId?: string | null;
}

const COLUMNS = `id, member_id AS "memberId", domain, client_endpoint AS "clientEndpoint",
  oauth_origin AS "oauthOrigin", client_id AS "clientId", application_token_hash AS "applicationTokenHash",
  scope, language, connector_id AS "connectorId", state, state_reason AS "stateReason",
  hold_outbound_until AS "answersPausedUntil",
  installed_at AS "installedAt", created_at AS "createdAt", updated_at AS "updatedAt"`;

/** Table `portals`. Reads are not cached: an uninstallation has to stop the next call of every replica. */
@Injectable()
export class PortalsRepository {
  constructor(private readonly db: DatabaseService) {}

  async findById(id: bigint): Promise<PortalRecord | undefined> {
    const { rows } = await this.db.query<PortalRecord>(`SELECT ${COLUMNS} FROM portals WHERE id = $1`, [id], {
      name: 'portal',
    });
    return rows[0];
  }

  async findByMemberId(memberId: string): Promise<PortalRecord | undefined> {
    const { rows } = await this.db.query<PortalRecord>(
      `SELECT ${COLUMNS} FROM portals WHERE member_id = $1`,
      [memberId],
      { name: 'portal_by_member' },
    );
    return rows[0];
  }

  async list(): Promise<PortalRecord[]> {
    const { rows } = await this.db.query<PortalRecord>(`SELECT ${COLUMNS} FROM portals ORDER BY id`);
    return rows;
  }

  /**
   * Records a verified installation: the portal is active from now on. Another application, or a return after an
   * uninstallation, signs its events anew, so the known application_token is forgotten then.
   */
  upsertInstalled(installation: Installation): Promise<PortalRecord> {
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<PortalRecord & { isNew: boolean }>(
        `INSERT INTO portals AS known (member_id, domain, client_endpoint, oauth_origin, client_id,
         scope, language, connector_id, state, installed_at, updated_at)
       VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, 'en'), $8, 'active', now(), now())
       ON CONFLICT (member_id) DO UPDATE SET
         domain = EXCLUDED.domain, client_endpoint = EXCLUDED.client_endpoint, oauth_origin = EXCLUDED.oauth_origin,
         client_id = EXCLUDED.client_id, scope = EXCLUDED.scope, language = coalesce($7, known.language),
         connector_id = EXCLUDED.connector_id,
         application_token_hash = CASE
           WHEN known.client_id = EXCLUDED.client_id AND known.state <> 'uninstalled' THEN known.application_token_hash
         END,
         state = 'active', state_reason = NULL, installed_at = now(), updated_at = now()
       RETURNING ${COLUMNS}, xmax = 0 AS "isNew"`,
        [
          installation.memberId,
          installation.domain,
          installation.clientEndpoint,
          installation.oauthOrigin,
          installation.clientId,
          installation.scope,
          installation.language ?? null,
          installation.connectorId,
        ],
      );
      const { isNew, ...portal } = rows[0]!;
      await insertAuditEntry(connection, {
        actor: installation.userId ? `portal:${portal.id}/user:${installation.userId}` : `portal:${portal.id}`,
        action: isNew ? 'portal.install' : 'portal.reinstall',
        subject: `portal:${portal.id}`,
        portalId: portal.id,
        detail: { domain: portal.domain, clientId: portal.clientId },
      });
      return portal;
    });
  }

  /** The application was removed in the portal. */
  async recordUninstalled(id: bigint, reason: string, { clean }: { clean: boolean }): Promise<void> {
    await this.db.transaction(async (connection) => {
      await setPortalState(connection, id, 'uninstalled', reason);
      const subject = `portal:${id}`;
      await insertAuditEntry(connection, {
        actor: subject,
        action: 'portal.uninstall',
        subject,
        portalId: id,
        detail: { clean },
      });
    });
  }

  /** Follows a portal to its new address. */
  async saveRename(id: bigint, domain: string, clientEndpoint: string): Promise<void> {
    await this.db.query(`UPDATE portals SET domain = $2, client_endpoint = $3, updated_at = now() WHERE id = $1`, [
      id,
      domain,
      clientEndpoint,
    ]);
  }

  setState(id: bigint, state: PortalState, reason: string | null): Promise<void> {
    return this.db.transaction((connection) => setPortalState(connection, id, state, reason));
  }

  /**
   * Parks an active portal until it is authorised anew. With `installedBefore`, only if no installation came
   * since: what was learned from older credentials says nothing about newer ones.
   */
  async requireAuthorisation(id: bigint, reason: string, installedBefore: Date): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE portals SET state = 'reauthorise', state_reason = $2, updated_at = now()
       WHERE id = $1 AND state = 'active' AND installed_at <= $3`,
      [id, reason, installedBefore],
    );
    return rowCount === 1;
  }

  /** The same, and only while no administrator's pair is left that works. */
  async requireAuthorisationWithoutTokens(id: bigint, reason: string): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE portals SET state = 'reauthorise', state_reason = $2, updated_at = now()
       WHERE id = $1 AND state = 'active' AND NOT EXISTS (
         SELECT FROM tokens WHERE portal_id = $1 AND state = 'valid' AND (is_admin OR is_installer))`,
      [id, reason],
    );
    return rowCount === 1;
  }

  /** Ends a park: verified credentials came. An uninstalled portal stays so until it is installed. */
  async endPark(id: bigint, on: Queryable = this.db): Promise<void> {
    await on.query(
      `UPDATE portals SET state = 'active', state_reason = NULL, updated_at = now()
       WHERE id = $1 AND state = 'reauthorise'`,
      [id],
    );
  }

  /** See {@link resumeAnswers}. */
  async resumeAnswers(id: bigint, until: Date): Promise<void> {
    await resumeAnswers(this.db, id, until);
  }

  /**
   * Remembers the application_token that signs this portal's events. A known one is only replaced when Bitrix24
   * vouched for the new one (`verified`). Answers whether `hash` is the one that counts now.
   */
  async setApplicationTokenHash(id: bigint, hash: Buffer, { verified }: { verified: boolean }): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `UPDATE portals SET application_token_hash = $2, updated_at = now()
       WHERE id = $1 AND (application_token_hash IS NULL OR application_token_hash = $2 OR $3)`,
      [id, hash, verified],
    );
    return rowCount === 1;
  }

  async setScope(id: bigint, scope: string): Promise<void> {
    await this.db.query(`UPDATE portals SET scope = $2, updated_at = now() WHERE id = $1`, [id, scope]);
  }

  /** The portal's own language, as app.info names it (LANGUAGE_ID). */
  async setLanguage(id: bigint, language: string): Promise<void> {
    await this.db.query(
      `UPDATE portals SET language = $2, updated_at = now() WHERE id = $1 AND language IS DISTINCT FROM $2`,
      [id, language],
    );
  }

  /** What its bucket of REST requests takes; null: as for all portals. What is left out stays. */
  async setBucket(id: bigint, { requestsPerSecond, requestBurst }: Partial<OwnBucket>): Promise<void> {
    await this.db.query(
      `UPDATE portals SET requests_per_second = CASE WHEN $2 THEN $3::float8 ELSE requests_per_second END,
              request_burst = CASE WHEN $4 THEN $5::int ELSE request_burst END, updated_at = now()
        WHERE id = $1`,
      [
        id,
        requestsPerSecond !== undefined,
        requestsPerSecond ?? null,
        requestBurst !== undefined,
        requestBurst ?? null,
      ],
    );
  }

  /** For how many days messages are kept; null: for ever. */
  async setRetention(id: bigint, days: number | null): Promise<void> {
    await this.db.query(`UPDATE portals SET retention_days = $2, updated_at = now() WHERE id = $1`, [id, days]);
  }
}

/** A removal pauses the broadcasts of the portal. To be called in a transaction. */
async function setPortalState(
  connection: Queryable,
  id: bigint,
  state: PortalState,
  reason: string | null,
): Promise<void> {
  await connection.query(
    `UPDATE portals SET state = $2::"PortalState", state_reason = $3, updated_at = now() WHERE id = $1`,
    [id, state, reason],
  );
  if (state === 'uninstalled') await haltBroadcasts(connection, { portalId: id }, 'portal_removed');
}
