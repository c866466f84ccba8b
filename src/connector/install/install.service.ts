import { Injectable } from '@nestjs/common';
import { TokensService } from '../../bitrix/tokens.service.js';
import { Problem } from '../../common/problem.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { TokenPair } from '../../storage/accounts/tokens.repository.js';
import type { EventAuth } from './event-auth.js';
import type { Frame } from './frame.parser.js';
import { type Identity, IdentityService } from './identity.service.js';
import { InstalledPortals } from './installed-portals.service.js';
import { PortalLifecycleService } from './portal-lifecycle.service.js';
import type { RegistrationReport } from './registration-steps.js';

/** How long a page waits for the steps of the registration. */
export const PAGE_LIMIT_MS = 25_000;
/** Bitrix24's queue server slows down for handlers that take longer than this to answer an event. */
const EVENT_LIMIT_MS = 4_000;

/** An installed portal and what its registration said; null: it is still under way and goes on after the answer. */
export interface Installed {
  portal: PortalRecord;
  report: RegistrationReport | null;
}

/**
 * Portals connect by the installation frame, by the event ONAPPINSTALL, or by an authorisation (AuthorisationService).
 * Each way ends with portal and tokens stored and the connector registered. Nothing is stored before Bitrix24 has
 * confirmed who is asking, and that they are an administrator.
 */
@Injectable()
export class InstallService {
  constructor(
    private readonly identities: IdentityService,
    private readonly portals: PortalsRepository,
    private readonly tokens: TokensService,
    private readonly installed: InstalledPortals,
    private readonly lifecycle: PortalLifecycleService,
  ) {}

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
    const portal = await this.installed.store(identity, {
      installer: {
        userId: identity.userId,
        pair: pairOf(frame.accessToken, frame.refreshToken, frame.expiresIn),
      },
      applicationToken: frame.applicationToken,
      language: frame.language,
    });
    return { portal, report: await this.lifecycle.register(portal.id, options, PAGE_LIMIT_MS) };
  }

  /**
   * ONAPPINSTALL and ONAPPUPDATE. `limitMs`: how long the answer may wait for the registration.
   * Throws {@link Problem} as {@link IdentityService.confirmAdministrator}, or `event_unsigned`.
   */
  async installFromEvent(
    auth: EventAuth | null,
    language: string | undefined,
    limitMs: number = EVENT_LIMIT_MS,
  ): Promise<Installed> {
    if (!auth?.accessToken || !auth.applicationToken) {
      throw new Problem(403, 'event_unsigned', 'The event carries no tokens that could prove where it comes from.');
    }
    const { accessToken, applicationToken, refreshToken } = auth;
    const installation = await this.identities.confirmInstallation({ ...auth, accessToken });
    const known = await this.portals.findByMemberId(installation.memberId);
    // Calls made with an event's token count towards the portal's cycle guard, which drops events after seven in
    // a row: a portal that works already is not asked with it, and keeps the pair it has.
    if (known && this.installed.isInstalled(known, installation, applicationToken)) {
      const portal = await this.installed.store(installation, { applicationToken, language });
      return { portal, report: await this.lifecycle.register(portal.id, {}, limitMs) };
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
    const portal = await this.installed.store(installation, { installer, applicationToken, language });
    return { portal, report: await this.lifecycle.register(portal.id, {}, limitMs) };
  }

  /**
   * What the frame of a confirmed administrator adds to a connected portal: a pair that takes over when the
   * installer leaves the company, and the application_token where no event has shown it yet.
   */
  async keepAdministrator(portal: PortalRecord, identity: Identity, frame: Frame): Promise<void> {
    if (frame.applicationToken) await this.installed.keepApplicationToken(portal, frame.applicationToken);
    if (!frame.refreshToken) return;
    const pair = pairOf(frame.accessToken, frame.refreshToken, frame.expiresIn);
    await this.tokens.saveTokens(portal.id, identity.userId, pair, { isAdmin: true, isInstaller: false });
  }
}

function pairOf(accessToken: string, refreshToken: string, expiresIn: number): TokenPair {
  return { accessToken, refreshToken, expiresAt: new Date(Date.now() + expiresIn * 1000) };
}
