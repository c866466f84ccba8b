import { Injectable } from '@nestjs/common';
import { Problem } from '../common/problem.js';
import { connectorIdOf, Environment, portalOriginOf } from '../config/environment.js';
import { ApplicationsRepository } from '../storage/accounts/applications.repository.js';
import type { Queryable } from '../storage/postgres/database.service.js';
import { RestLimitsRepository } from '../storage/work/rest-limits.repository.js';
import { CertificateAuthorities } from './certificate-authorities.js';
import { CertificatesError, readAuthorities } from './certificates.js';
import { type HostRules, isPortalAddress } from './portal-hosts.js';

/** An application of Bitrix24 whose portals we serve, without its secret. */
export interface Application {
  /** null: the one of B24_CLIENT_ID. */
  id: bigint | null;
  clientId: string;
  name: string;
  /**
   * Of a stored application: the one portal it belongs to; null: any cloud portal may install it. Of the one of
   * B24_CLIENT_ID: the default portal, beside which others may install it.
   */
  portalOrigin: string | null;
  /** Id of its connector on portals that had none before. */
  connectorId: string;
  /** Open line that an installation connects. */
  lineId: string | null;
  /** PEM: authorities that are believed at its portal, beside those that everybody knows. */
  caCertificates: string | null;
  createdAt: Date | null;
}

export interface NewApplication {
  clientId: string;
  clientSecret: string;
  name?: string | undefined;
  /** As B24_DOMAIN is written. */
  domain?: string | null | undefined;
  lineId?: string | null | undefined;
  /** PEM, one or several. */
  caCertificates?: string | null | undefined;
}

export type ApplicationChange = Partial<Omit<NewApplication, 'clientId'>>;

/**
 * Which applications are ours: the one of B24_CLIENT_ID and those stored. Whoever has to know an application, its
 * secret or the hosts that its tokens may be sent to asks here. Stored ones are read anew each time: installations,
 * refreshes and renames are rare, and every replica knows a new application at once.
 */
@Injectable()
export class ApplicationsService {
  constructor(
    private readonly environment: Environment,
    private readonly applications: ApplicationsRepository,
    private readonly limits: RestLimitsRepository,
    private readonly authorities: CertificateAuthorities,
  ) {}

  /** The application of B24_CLIENT_ID; undefined when that is not set. */
  get configured(): Application | undefined {
    const { B24_CLIENT_ID: clientId, B24_LINE_ID, B24_CONNECTOR_NAME, portalOrigin, connectorId } = this.environment;
    if (!clientId) return undefined;
    return {
      id: null,
      clientId,
      name: B24_CONNECTOR_NAME,
      portalOrigin: portalOrigin ?? null,
      connectorId,
      lineId: B24_LINE_ID ?? null,
      caCertificates: null,
      createdAt: null,
    };
  }

  /** Stored ones, newest first, then the one of B24_CLIENT_ID. */
  async list(): Promise<Application[]> {
    const stored = await this.applications.list();
    return [...stored, ...(this.configured ? [this.configured] : [])];
  }

  find(id: bigint): Promise<Application | undefined> {
    return this.applications.find(id);
  }

  async findByClientId(clientId: string): Promise<Application | undefined> {
    const { configured } = this;
    return configured?.clientId === clientId ? configured : this.applications.findByClientId(clientId);
  }

  /**
   * Secret of an application. One that is not ours (any more) gets B24_CLIENT_SECRET, as a portal of which only the
   * client id was changed in the environment: the OAuth server decides.
   */
  async clientSecret(clientId: string, on?: Queryable): Promise<string | undefined> {
    const { B24_CLIENT_ID, B24_CLIENT_SECRET } = this.environment;
    if (clientId === B24_CLIENT_ID) return B24_CLIENT_SECRET;
    return (await this.applications.clientSecret(clientId, on)) ?? B24_CLIENT_SECRET;
  }

  /** Where credentials of this application may go: cloud portals, and the one portal that it names itself. */
  async hostRules(clientId: string): Promise<HostRules> {
    const { portalOrigin, oauthOrigin } = this.environment;
    const application = await this.findByClientId(clientId);
    const named = application?.id != null ? (application.portalOrigin ?? undefined) : portalOrigin;
    return { portalOrigin: named, oauthOrigin };
  }

  /** Whether a portal of any of our applications may have this address. */
  async mayBePortal(url: URL): Promise<boolean> {
    if (isPortalAddress(url, this.environment)) return true;
    if (url.username || url.password) return false;
    return (await this.applications.list()).some(({ portalOrigin }) => portalOrigin === url.origin);
  }

  /** How many portals that are not uninstalled use each application, by its client id. */
  portalCounts(): Promise<Map<string, number>> {
    return this.applications.portalCounts();
  }

  /** Throws {@link Problem} 409 `application_exists`, 422 `bad_domain`, `bad_certificates`. */
  async create({ clientId, clientSecret, name, domain, lineId, caCertificates }: NewApplication): Promise<Application> {
    const exists = new Problem(
      409,
      'application_exists',
      'There is an application with this client id; change it with PATCH /admin/applications/:id.',
    );
    if (clientId === this.environment.B24_CLIENT_ID) throw exists;
    const portalOrigin = originOf(domain) ?? null;
    const made = await this.applications.create({
      clientId,
      clientSecret,
      name: name ?? (portalOrigin ? new URL(portalOrigin).host : clientId),
      portalOrigin,
      connectorId: connectorIdOf(clientId),
      lineId: lineId ?? null,
      caCertificates: checked(caCertificates) ?? null,
    });
    if (!made) throw exists;
    this.authorities.changed();
    return made;
  }

  /**
   * A new secret counts at once for every portal of the application; those that waited because the old one was refused
   * go on. Other authorities count within five seconds. Throws {@link Problem} 404 `unknown_application`, 422
   * `bad_domain`, `bad_certificates`.
   */
  async update(
    id: bigint,
    { clientSecret, name, domain, lineId, caCertificates }: ApplicationChange,
  ): Promise<Application> {
    const portalOrigin = originOf(domain);
    const changed = await this.applications.update(id, {
      ...(clientSecret !== undefined && { clientSecret }),
      ...(name !== undefined && { name }),
      ...(portalOrigin !== undefined && { portalOrigin }),
      ...(lineId !== undefined && { lineId }),
      ...(caCertificates !== undefined && { caCertificates: checked(caCertificates) }),
    });
    if (!changed) throw unknownApplication(id);
    this.authorities.changed();
    if (clientSecret !== undefined) await this.limits.endPauses(changed.clientId);
    return changed;
  }

  /** Throws {@link Problem} 404 `unknown_application`, 409 `application_in_use`. */
  async remove(id: bigint): Promise<void> {
    if (await this.applications.remove(id)) return;
    if (!(await this.applications.find(id))) throw unknownApplication(id);
    throw new Problem(
      409,
      'application_in_use',
      'Portals use this application. Remove them first: uninstall it there, or DELETE /admin/portals/:id.',
    );
  }
}

export function unknownApplication(id: bigint | string): Problem {
  return new Problem(404, 'unknown_application', `There is no application ${String(id).slice(0, 40)}.`);
}

/** null and undefined stay what they are. Throws {@link Problem} `bad_certificates`. */
function checked<Given extends null | undefined>(pem: string | Given): string | Given {
  if (typeof pem !== 'string') return pem;
  try {
    return `${readAuthorities(pem).join('\n')}\n`;
  } catch (error) {
    if (!(error instanceof CertificatesError)) throw error;
    throw new Problem(422, 'bad_certificates', `caCertificates ${error.message}.`);
  }
}

/** null and undefined stay what they are. Throws {@link Problem} `bad_domain`. */
function originOf(domain: string | null | undefined): string | null | undefined {
  if (domain === null || domain === undefined) return domain;
  try {
    return portalOriginOf(domain);
  } catch {
    throw new Problem(422, 'bad_domain', `${domain} is not the address of a portal, such as acme.bitrix24.com.`, {
      domain,
    });
  }
}
