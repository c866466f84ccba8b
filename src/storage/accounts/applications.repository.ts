import { Injectable } from '@nestjs/common';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { encryptionContext, EncryptionService } from '../secrets/encryption.service.js';

/** An application of Bitrix24 that is kept here, without its secret. */
export interface StoredApplication {
  id: bigint;
  clientId: string;
  name: string;
  /** Origin of its one portal; null: any cloud portal may install it. */
  portalOrigin: string | null;
  connectorId: string;
  /** Open line that an installation connects. */
  lineId: string | null;
  /** PEM: authorities that are believed at its portal, beside those that everybody knows. */
  caCertificates: string | null;
  createdAt: Date;
}

export type NewApplication = Omit<StoredApplication, 'id' | 'createdAt'> & { clientSecret: string };

/** What is left out stays. */
export type ApplicationChange = Partial<
  Pick<NewApplication, 'clientSecret' | 'name' | 'portalOrigin' | 'lineId' | 'caCertificates'>
>;

const COLUMNS = `id, client_id AS "clientId", name, portal_origin AS "portalOrigin", connector_id AS "connectorId",
  line_id AS "lineId", ca_certificates AS "caCertificates", created_at AS "createdAt"`;

/**
 * Table `applications`. Reads are not cached: an application that was just added, at whatever replica, has to be known
 * when its portal installs it a moment later.
 */
@Injectable()
export class ApplicationsRepository {
  constructor(
    private readonly db: DatabaseService,
    private readonly encryption: EncryptionService,
  ) {}

  /** Newest first. */
  async list(): Promise<StoredApplication[]> {
    const { rows } = await this.db.query<StoredApplication>(`SELECT ${COLUMNS} FROM applications ORDER BY id DESC`);
    return rows;
  }

  async find(id: bigint): Promise<StoredApplication | undefined> {
    const { rows } = await this.db.query<StoredApplication>(`SELECT ${COLUMNS} FROM applications WHERE id = $1`, [id]);
    return rows[0];
  }

  async findByClientId(clientId: string): Promise<StoredApplication | undefined> {
    const { rows } = await this.db.query<StoredApplication>(
      `SELECT ${COLUMNS} FROM applications WHERE client_id = $1`,
      [clientId],
    );
    return rows[0];
  }

  /** Undefined: there is one with this client id already. */
  async create(application: NewApplication): Promise<StoredApplication | undefined> {
    const { clientId, clientSecret, name, portalOrigin, connectorId, lineId, caCertificates } = application;
    const { rows } = await this.db.query<StoredApplication>(
      `INSERT INTO applications (client_id, client_secret, name, portal_origin, connector_id, line_id, ca_certificates)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (client_id) DO NOTHING RETURNING ${COLUMNS}`,
      [clientId, this.seal(clientId, clientSecret), name, portalOrigin, connectorId, lineId, caCertificates],
    );
    return rows[0];
  }

  /** Undefined: there is none with this id. */
  async update(id: bigint, change: ApplicationChange): Promise<StoredApplication | undefined> {
    return this.db.transaction(async (connection) => {
      const { rows: known } = await connection.query<StoredApplication>(
        `SELECT ${COLUMNS} FROM applications WHERE id = $1 FOR UPDATE`,
        [id],
      );
      if (!known[0]) return undefined;
      const { clientId } = known[0];
      const { name, portalOrigin, lineId, caCertificates } = { ...known[0], ...change };
      const sealed = change.clientSecret === undefined ? null : this.seal(clientId, change.clientSecret);
      const { rows } = await connection.query<StoredApplication>(
        `UPDATE applications SET name = $2, portal_origin = $3, line_id = $4, client_secret = coalesce($5, client_secret),
                ca_certificates = $6
          WHERE id = $1 RETURNING ${COLUMNS}`,
        [id, name, portalOrigin, lineId, sealed, caCertificates],
      );
      return rows[0];
    });
  }

  /** False: a portal that is not uninstalled uses it, or there is none with this id. */
  async remove(id: bigint): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `DELETE FROM applications a WHERE a.id = $1
          AND NOT EXISTS (SELECT FROM portals p WHERE p.client_id = a.client_id AND p.state <> 'uninstalled')`,
      [id],
    );
    return rowCount === 1;
  }

  /** The secret in the clear; undefined: there is no such application here. */
  async clientSecret(clientId: string, on: Queryable = this.db): Promise<string | undefined> {
    const { rows } = await on.query<{ sealed: string }>(
      `SELECT client_secret AS sealed FROM applications WHERE client_id = $1`,
      [clientId],
    );
    return rows[0] && this.encryption.decrypt(rows[0].sealed, secretOf(clientId));
  }

  /** PEM, by client id, of those that have any. */
  async caCertificates(): Promise<Map<string, string>> {
    const { rows } = await this.db.query<{ clientId: string; pem: string }>(
      `SELECT client_id AS "clientId", ca_certificates AS pem FROM applications WHERE ca_certificates IS NOT NULL`,
    );
    return new Map(rows.map(({ clientId, pem }) => [clientId, pem]));
  }

  /** How many portals that are not uninstalled use each application, by its client id, stored here or not. */
  async portalCounts(): Promise<Map<string, number>> {
    const { rows } = await this.db.query<{ clientId: string; portals: bigint }>(
      `SELECT client_id AS "clientId", count(*) AS portals FROM portals WHERE state <> 'uninstalled' GROUP BY client_id`,
    );
    return new Map(rows.map(({ clientId, portals }) => [clientId, Number(portals)]));
  }

  private seal(clientId: string, secret: string): string {
    return this.encryption.encrypt(secret, secretOf(clientId));
  }
}

const secretOf = (clientId: string) => encryptionContext('applications.client_secret', clientId);
