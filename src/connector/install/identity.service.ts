import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { type Application, ApplicationsService } from '../../bitrix/applications.service.js';
import { OauthClient } from '../../bitrix/oauth.client.js';
import { assertPortalEndpoint, UntrustedHostError } from '../../bitrix/portal-hosts.js';
import { RateLimiter } from '../../bitrix/rate-limiter.js';
import { certificateFault } from '../../common/certificate-faults.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { ProfileClient } from './profile.client.js';

/** What a person at a page waits for the portal's requests to be free, in milliseconds. */
const TURN_MS = 10_000;

/** A token and where it claims to come from; all of it unproven. */
export interface OfferedToken {
  accessToken: string;
  serverEndpoint?: string | undefined;
  domain?: string | undefined;
}

/** Which application and portal a token belongs to, in the words of the OAuth server. */
export interface Installation {
  /** One of ours. */
  application: Application;
  memberId: string;
  /** REST base of the portal, checked, with its trailing slash. */
  clientEndpoint: string;
  oauthOrigin: string;
  scope: string;
}

/** The same with the user the token belongs to, in the words of the portal. */
export interface Identity extends Installation {
  userId: string;
  isAdmin: boolean;
}

/**
 * Forms and events travel through browsers and the open internet, so anybody can post them. Nothing they say is
 * believed: the OAuth server that issued the token names its application and portal, the portal names its user.
 */
@Injectable()
export class IdentityService {
  constructor(
    private readonly oauth: OauthClient,
    private readonly profiles: ProfileClient,
    private readonly applications: ApplicationsService,
    private readonly portals: PortalsRepository,
    private readonly limiter: RateLimiter,
  ) {}

  /** Throws {@link Problem} `token_refused`, `wrong_application`, `portal_not_allowed`, `oauth_unavailable` or `certificate_refused`. */
  async confirm(offer: OfferedToken): Promise<Identity> {
    return this.withUser(await this.confirmInstallation(offer), offer.accessToken);
  }

  /** As {@link confirm}, but only for administrators: anybody else gets `not_administrator`. */
  async confirmAdministrator(offer: OfferedToken): Promise<Identity> {
    return requireAdministrator(await this.confirm(offer));
  }

  /** The administrator a token of this installation belongs to. Throws {@link Problem} as {@link confirmAdministrator}. */
  async administrator(installation: Installation, accessToken: string): Promise<Identity> {
    return requireAdministrator(await this.withUser(installation, accessToken));
  }

  /** Asks the OAuth server only, never the portal. Throws {@link Problem} as {@link confirm}. */
  async confirmInstallation(offer: OfferedToken): Promise<Installation> {
    const oauthOrigin = this.oauth.resolveOauthOrigin({
      serverEndpoint: offer.serverEndpoint,
      portalDomain: offer.domain,
    });
    const info = await this.oauth.appInfo(oauthOrigin, offer.accessToken).catch(rethrowAsProblem);
    const application = await this.applicationOf(info.clientId);
    const { memberId, clientEndpoint } = info.install;
    if (!memberId) throw new Problem(403, 'token_refused', 'Bitrix24 names no portal for this token.');
    return {
      application,
      memberId,
      clientEndpoint: await this.allowedEndpoint(application, memberId, clientEndpoint),
      oauthOrigin,
      scope: info.scope.join(','),
    };
  }

  /** The identity behind a pair that the OAuth server itself has just issued to this application of ours. */
  async ofGrant(
    application: Application,
    grant: { accessToken: string; memberId: string; clientEndpoint: string; scope: string; oauthOrigin: string },
  ): Promise<Identity> {
    const { memberId, scope, oauthOrigin } = grant;
    const clientEndpoint = await this.allowedEndpoint(application, memberId, grant.clientEndpoint);
    return this.administrator({ application, memberId, clientEndpoint, oauthOrigin, scope }, grant.accessToken);
  }

  private async applicationOf(clientId: string): Promise<Application> {
    const application = clientId === '' ? undefined : await this.applications.findByClientId(clientId);
    if (application) return application;
    if ((await this.applications.list()).length === 0) throw notConfigured(['B24_CLIENT_ID']);
    throw new Problem(
      403,
      'wrong_application',
      'The token belongs to an application that this service does not know; check B24_CLIENT_ID and GET /admin/applications.',
    );
  }

  private async withUser(installation: Installation, accessToken: string): Promise<Identity> {
    await this.takeTurn(installation.memberId);
    const { userId, isAdmin } = await this.profiles
      .read(installation.clientEndpoint, installation.application.clientId, accessToken)
      .catch(rethrowAsProblem);
    return { ...installation, userId, isAdmin };
  }

  /** The call counts in the portal's bucket, which belongs to the messages as well; a new portal's is full. */
  private async takeTurn(memberId: string): Promise<void> {
    const portal = await this.portals.findByMemberId(memberId);
    if (!portal) return;
    const wait = await this.limiter.reserve(portal.id);
    if (wait <= TURN_MS) return await pause(wait);
    await this.limiter.release(portal.id, 1);
    throw new Problem(503, 'oauth_unavailable', 'Every request that the portal allows is under way; try again later.', {
      retryAfter: wait / 1_000,
    });
  }

  private async allowedEndpoint(application: Application, memberId: string, address: string): Promise<string> {
    try {
      const endpoint = assertPortalEndpoint(address, await this.applications.hostRules(application.clientId));
      await this.assertOwnPortal(application, memberId, endpoint);
      return endpoint;
    } catch (error) {
      if (error instanceof UntrustedHostError) throw new Problem(403, 'portal_not_allowed', error.message);
      throw error;
    }
  }

  /** A stored application with a domain belongs to that portal alone, which may have been renamed since. */
  private async assertOwnPortal(application: Application, memberId: string, endpoint: string): Promise<void> {
    const { id, portalOrigin, clientId } = application;
    const { origin, host } = new URL(endpoint);
    if (id === null || portalOrigin === null || portalOrigin === origin) return;
    const known = await this.portals.findByMemberId(memberId);
    if (known?.clientId === clientId) return;
    throw new UntrustedHostError(
      `The application belongs to ${new URL(portalOrigin).host}, not to ${host}: each portal needs an application of its own.`,
    );
  }
}

/** Some variables have to be set first; names them. */
export function notConfigured(missing: string[]): Problem {
  return new Problem(503, 'not_configured', `The service is not set up yet: set ${missing.join(', ')}.`, { missing });
}

/** Throws a {@link Problem} when the far side's certificate was not believed: trying again would not help. */
export function assertCertificate(error: UpstreamError): void {
  if (certificateFault(error)) throw new Problem(503, 'certificate_refused', `${error.detail} (${error.code}).`);
}

function requireAdministrator(identity: Identity): Identity {
  if (identity.isAdmin) return identity;
  throw new Problem(403, 'not_administrator', 'Only an administrator of the portal may do this.');
}

/** A clear refusal is the caller's fault; anything else is Bitrix24's, and trying again helps. */
function rethrowAsProblem(error: unknown): never {
  if (!(error instanceof UpstreamError)) throw error;
  assertCertificate(error);
  if (error.kind === 'unauthorised' || error.kind === 'refused') {
    throw new Problem(403, 'token_refused', `Bitrix24 did not confirm the token (${error.code}).`);
  }
  throw new Problem(503, 'oauth_unavailable', `Bitrix24 could not be asked (${error.code}); try again later.`);
}
