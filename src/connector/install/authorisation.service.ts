import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Application, ApplicationsService, unknownApplication } from '../../bitrix/applications.service.js';
import { OauthClient } from '../../bitrix/oauth.client.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { Environment } from '../../config/environment.js';
import { OauthStatesRepository } from '../../storage/accounts/oauth-states.repository.js';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';
import { assertCertificate, IdentityService, notConfigured } from './identity.service.js';
import { type Installed, PAGE_LIMIT_MS } from './install.service.js';
import { InstalledPortals } from './installed-portals.service.js';
import { PortalLifecycleService } from './portal-lifecycle.service.js';

/** How long an authorisation may take from /b24/install to its callback. */
const STATE_TTL_MS = 10 * 60_000;
/** Query of the OAuth callback. */
interface OauthCallback {
  code: string;
  state: string;
  serverDomain?: string | undefined;
  portalDomain?: string | undefined;
}

/** The authorisation that an administrator starts at /b24/install: the OAuth server sends them back with a code. */
@Injectable()
export class AuthorisationService {
  constructor(
    private readonly identities: IdentityService,
    private readonly applications: ApplicationsService,
    private readonly oauth: OauthClient,
    private readonly states: OauthStatesRepository,
    private readonly encryption: EncryptionService,
    private readonly installed: InstalledPortals,
    private readonly lifecycle: PortalLifecycleService,
    private readonly environment: Environment,
  ) {}

  /**
   * Address at which an administrator of the application's portal grants access; good for one use within ten minutes.
   * `applicationId`: of a stored application; without it the portal is B24_DOMAIN. Throws {@link Problem}
   * `not_configured`, `unknown_application`, `application_without_domain`.
   */
  async start(applicationId?: string): Promise<string> {
    const { portalOrigin, clientId, id } =
      applicationId === undefined ? this.defaultApplication() : await this.storedApplication(applicationId);
    const state = randomBytes(16).toString('base64url');
    await this.states.create(this.encryption.hash(state), STATE_TTL_MS, id);
    return this.oauth.authorizeUrl(portalOrigin, clientId, state);
  }

  /** Ends the authorisation. Throws {@link Problem} `state_invalid`, `code_refused` or as {@link IdentityService}. */
  async finish({ code, state, serverDomain, portalDomain }: OauthCallback): Promise<Installed> {
    const begun = await this.states.consume(this.encryption.hash(state));
    if (!begun) {
      throw new Problem(
        400,
        'state_invalid',
        'This authorisation was used already, is older than 10 minutes or was not started here: start again at /b24/install.',
      );
    }
    const { applicationId } = begun;
    const application =
      applicationId === null ? this.applications.configured : await this.applications.find(applicationId);
    if (!application) throw notConfigured(['B24_CLIENT_ID']);
    const secret = await this.applications.clientSecret(application.clientId);
    if (!secret) throw notConfigured(['B24_CLIENT_SECRET']);
    const oauthOrigin = this.oauth.resolveOauthOrigin({ serverDomain, portalDomain });
    const grant = await this.oauth.exchangeCode(oauthOrigin, application.clientId, secret, code).catch(refusedCode);
    const identity = await this.identities.ofGrant(application, { ...grant, oauthOrigin });
    const portal = await this.installed.store(identity, { installer: { userId: identity.userId, pair: grant } });
    return { portal, report: await this.lifecycle.register(portal.id, {}, PAGE_LIMIT_MS) };
  }

  private defaultApplication(): Application & { portalOrigin: string } {
    const { configured } = this.applications;
    const { portalOrigin } = this.environment;
    if (configured && portalOrigin) return { ...configured, portalOrigin };
    throw notConfigured([...(portalOrigin ? [] : ['B24_DOMAIN']), ...(configured ? [] : ['B24_CLIENT_ID'])]);
  }

  private async storedApplication(id: string): Promise<Application & { portalOrigin: string }> {
    const application = /^\d{1,18}$/.test(id) ? await this.applications.find(BigInt(id)) : undefined;
    if (!application) throw unknownApplication(id);
    const { portalOrigin } = application;
    if (portalOrigin !== null) return { ...application, portalOrigin };
    throw new Problem(
      409,
      'application_without_domain',
      'This application belongs to no single portal: install it inside the portal, from its Market.',
    );
  }
}

function refusedCode(error: unknown): never {
  if (!(error instanceof UpstreamError)) throw error;
  assertCertificate(error);
  if (error.kind === 'unauthorised' || error.kind === 'refused') {
    throw new Problem(
      400,
      'code_refused',
      `Bitrix24 refused the authorisation code (${error.code}): start again at /b24/install.`,
    );
  }
  throw new Problem(
    503,
    'oauth_unavailable',
    `Bitrix24 could not be asked (${error.code}); start again at /b24/install.`,
  );
}
