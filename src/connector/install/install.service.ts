import { randomBytes } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { type Application, ApplicationsService, unknownApplication } from '../../bitrix/applications.service.js';
import { OauthClient } from '../../bitrix/oauth.client.js';
import { RestTroubles } from '../../bitrix/rest-troubles.js';
import { TokensService } from '../../bitrix/tokens.service.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { Environment } from '../../config/environment.js';
import { portalEndpoint } from '../../storage/work/endpoint-id.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';
import { OauthStatesRepository } from '../../storage/accounts/oauth-states.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { TokenPair } from '../../storage/accounts/tokens.repository.js';
import type { EventAuth } from './event-auth.js';
import type { Frame } from './frame.parser.js';
import {
  assertCertificate,
  type Identity,
  IdentityService,
  type Installation,
  notConfigured,
} from './identity.service.js';
import { PortalLifecycleService } from './portal-lifecycle.service.js';
import type { RegistrationReport } from './registration-steps.js';

/** How long an authorisation may take from /b24/install to its callback. */
const STATE_TTL_MS = 10 * 60_000;
/** What a person waits for the steps on a page. */
const PAGE_PATIENCE_MS = 25_000;
/** What Bitrix24's queue server waits for the answer to an event before it slows down for us. */
const EVENT_PATIENCE_MS = 4_000;

/** An installed portal and what its registration said; null: still under way, it goes on after the answer. */
export interface Installed {
  portal: PortalRecord;
  report: RegistrationReport | null;
}

/** The administrator who installed, and his tokens. */
interface Installer {
  userId: string;
  pair: TokenPair;
}

/** Query of the OAuth callback. */
export interface OauthCallback {
  code: string;
  state: string;
  serverDomain?: string | undefined;
  portalDomain?: string | undefined;
}

/**
 * The three ways in which a portal connects: the authorisation that an administrator starts at /b24/install, the
 * installation frame, and the event ONAPPINSTALL. Each ends with the same: portal and tokens stored, connector
 * registered. Nothing is stored before Bitrix24 has confirmed who is asking, and only administrators may.
 */
@Injectable()
export class InstallService {
  private readonly logger = new Logger(InstallService.name);

  constructor(
    private readonly identities: IdentityService,
    private readonly applications: ApplicationsService,
    private readonly oauth: OauthClient,
    private readonly states: OauthStatesRepository,
    private readonly portals: PortalsRepository,
    private readonly tokens: TokensService,
    private readonly encryption: EncryptionService,
    private readonly lifecycle: PortalLifecycleService,
    private readonly relay: RelayEvents,
    private readonly environment: Environment,
    private readonly troubles: RestTroubles,
  ) {}

  /**
   * Address at which an administrator of the application's portal grants access; good for one use within ten minutes.
   * `applicationId`: of a stored application; without it the portal is B24_DOMAIN. Throws {@link Problem}
   * `not_configured`, `unknown_application`, `application_without_domain`.
   */
  async startAuthorisation(applicationId?: string): Promise<string> {
    const { portalOrigin, clientId, id } =
      applicationId === undefined ? this.defaultApplication() : await this.storedApplication(applicationId);
    const state = randomBytes(16).toString('base64url');
    await this.states.create(this.encryption.hash(state), STATE_TTL_MS, id);
    return this.oauth.authorizeUrl(portalOrigin, clientId, state);
  }

  /** Ends the authorisation. Throws {@link Problem} `state_invalid`, `code_refused` or as {@link IdentityService}. */
  async finishAuthorisation({ code, state, serverDomain, portalDomain }: OauthCallback): Promise<Installed> {
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
    const portal = await this.store(identity, { installer: { userId: identity.userId, pair: grant } });
    return { portal, report: await this.lifecycle.register(portal.id, {}, PAGE_PATIENCE_MS) };
  }

  /** The installation frame. Throws {@link Problem} as {@link IdentityService.confirmAdministrator}. */
  async installFromFrame(frame: Frame): Promise<Installed> {
    const identity = await this.identities.confirmAdministrator(frame);
    return this.installConfirmed(identity, frame, { installing: true });
  }

  /** A frame of a confirmed administrator, on a portal that is not connected (any more). */
  async installConfirmed(
    identity: Identity,
    frame: Frame,
    options: { installing?: boolean; lineId?: string },
  ): Promise<Installed> {
    if (!frame.refreshToken) {
      throw new Problem(400, 'frame_malformed', 'The frame carries no refresh token (REFRESH_ID).');
    }
    const portal = await this.store(identity, {
      installer: {
        userId: identity.userId,
        pair: pairOf(frame.accessToken, frame.refreshToken, frame.expiresIn),
      },
      applicationToken: frame.applicationToken,
      language: frame.language,
    });
    return { portal, report: await this.lifecycle.register(portal.id, options, PAGE_PATIENCE_MS) };
  }

  /**
   * ONAPPINSTALL and ONAPPUPDATE. `patienceMs`: how long the answer may wait for the registration.
   * Throws {@link Problem} as {@link IdentityService.confirmAdministrator}, or `event_unsigned`.
   */
  async installFromEvent(
    auth: EventAuth | null,
    language: string | undefined,
    patienceMs: number = EVENT_PATIENCE_MS,
  ): Promise<Installed> {
    if (!auth?.accessToken || !auth.applicationToken) {
      throw new Problem(403, 'event_unsigned', 'The event carries no tokens that could prove where it comes from.');
    }
    const { accessToken, applicationToken, refreshToken } = auth;
    const installation = await this.identities.confirmInstallation({ ...auth, accessToken });
    const known = await this.portals.findByMemberId(installation.memberId);
    // Calls made with an event's token count towards the portal's cycle guard, which drops events after seven in
    // a row: a portal that works already is not asked with it, and keeps the pair it has.
    if (known && this.isInstalled(known, installation, applicationToken)) {
      const portal = await this.store(installation, { applicationToken, language });
      return { portal, report: await this.lifecycle.register(portal.id, {}, patienceMs) };
    }
    if (!refreshToken) {
      throw new Problem(
        400,
        'event_malformed',
        'The event carries no refresh token, so nothing could be done with it.',
      );
    }
    const { userId } = await this.identities.administrator(installation, accessToken);
    // Kept as if it had expired: the first call renews the pair, and what is renewed carries no cycle guard.
    const installer = { userId, pair: pairOf(accessToken, refreshToken, 0) };
    const portal = await this.store(installation, { installer, applicationToken, language });
    return { portal, report: await this.lifecycle.register(portal.id, {}, patienceMs) };
  }

  /**
   * What the frame of a confirmed administrator adds to a connected portal: a pair that takes over when the
   * installer leaves the company, and the application_token where no event has shown it yet.
   */
  async keepAdministrator(portal: PortalRecord, identity: Identity, frame: Frame): Promise<void> {
    if (frame.applicationToken) await this.keepApplicationToken(portal, frame.applicationToken);
    if (!frame.refreshToken) return;
    const pair = pairOf(frame.accessToken, frame.refreshToken, frame.expiresIn);
    await this.tokens.saveTokens(portal.id, identity.userId, pair, { isAdmin: true, isInstaller: false });
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

  private async store(
    installation: Installation,
    given: { installer?: Installer; applicationToken?: string | undefined; language?: string | undefined },
  ): Promise<PortalRecord> {
    const { memberId, clientEndpoint, oauthOrigin, application, scope } = installation;
    const { clientId } = application;
    const known = await this.portals.findByMemberId(memberId);
    const portal = await this.portals.upsertInstalled({
      memberId,
      domain: new URL(clientEndpoint).host,
      clientEndpoint,
      oauthOrigin,
      clientId,
      scope,
      userId: given.installer?.userId ?? null,
      // Dialogs are named after it: another application, or one made anew, must not open new ones.
      connectorId:
        (application.id === null ? this.environment.B24_CONNECTOR_ID : undefined) ??
        known?.connectorId ??
        application.connectorId,
      ...(given.language && { language: given.language }),
    });
    if (known && known.clientId !== clientId)
      await this.tokens.giveUpAll(portal.id, 'another application was installed');
    if (given.installer) {
      const { userId, pair } = given.installer;
      const { accessToken, refreshToken, expiresAt } = pair;
      const owner = { isAdmin: true, isInstaller: true };
      await this.tokens.saveTokens(portal.id, userId, { accessToken, refreshToken, expiresAt }, owner);
    }
    if (given.applicationToken) await this.keepApplicationToken(portal, given.applicationToken);
    await this.troubles.tryAgain(clientId);
    this.relay.emit('changed', portalEndpoint(portal.id));
    this.logger.log(`portal ${portal.id} (${portal.domain}) is connected`);
    return portal;
  }

  private async keepApplicationToken(portal: PortalRecord, applicationToken: string): Promise<void> {
    const hash = this.encryption.hash(applicationToken);
    await this.portals.setApplicationTokenHash(portal.id, hash, { verified: true });
  }

  private isInstalled(known: PortalRecord, { application }: Installation, applicationToken: string): boolean {
    if (known.state !== 'active' || known.clientId !== application.clientId) return false;
    return !known.applicationTokenHash || known.applicationTokenHash.equals(this.encryption.hash(applicationToken));
  }
}

function pairOf(accessToken: string, refreshToken: string, expiresIn: number): TokenPair {
  return { accessToken, refreshToken, expiresAt: new Date(Date.now() + expiresIn * 1000) };
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
