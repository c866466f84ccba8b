import { Injectable, Logger } from '@nestjs/common';
import { RestTroubles } from '../../bitrix/rest-troubles.js';
import { TokensService } from '../../bitrix/tokens.service.js';
import { stateReason } from '../../common/state-reasons.js';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { TokenPair } from '../../storage/accounts/tokens.repository.js';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';
import { portalEndpoint } from '../../storage/work/endpoint-id.js';
import type { Installation } from './identity.service.js';

/** The administrator who installed, and their tokens. */
interface Installer {
  userId: string;
  pair: TokenPair;
}

/** Stores portals whose installation Bitrix24 has confirmed. */
@Injectable()
export class InstalledPortals {
  private readonly logger = new Logger(InstalledPortals.name);

  constructor(
    private readonly portals: PortalsRepository,
    private readonly tokens: TokensService,
    private readonly encryption: EncryptionService,
    private readonly relay: RelayEvents,
    private readonly environment: Environment,
    private readonly troubles: RestTroubles,
  ) {}

  /** Stores the portal and what came with the installation; its driver and everything that was in trouble start anew. */
  async store(
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
      await this.tokens.giveUpAll(portal.id, stateReason('another_application'));
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

  async keepApplicationToken(portal: PortalRecord, applicationToken: string): Promise<void> {
    const hash = this.encryption.hash(applicationToken);
    await this.portals.setApplicationTokenHash(portal.id, hash, { verified: true });
  }

  /** Whether the portal works already with this application and this application_token. */
  isInstalled(known: PortalRecord, { application }: Installation, applicationToken: string): boolean {
    if (known.state !== 'active' || known.clientId !== application.clientId) return false;
    return !known.applicationTokenHash || known.applicationTokenHash.equals(this.encryption.hash(applicationToken));
  }
}
