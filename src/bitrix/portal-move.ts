import { Logger } from '@nestjs/common';
import { isObject } from '../common/json-fields.js';
import type { PortalsRepository, PortalRecord } from '../storage/accounts/portals.repository.js';
import type { ApplicationsService } from './applications.service.js';
import { bitrixProblem } from './bitrix-problems.js';
import type { HarmlessCall } from './harmless-call.js';
import { isPortalAddress } from './portal-hosts.js';
import { isTokenRejected } from './rest-errors.js';
import type { Credentials } from './tokens.service.js';

/** Follows a portal to the address that it redirects to. */
export class PortalMove {
  private readonly logger = new Logger(PortalMove.name);

  constructor(
    private readonly portals: PortalsRepository,
    private readonly applications: ApplicationsService,
    private readonly harmless: HarmlessCall,
  ) {}

  /**
   * A renamed portal answers 302 with its new host, and one that moved to https redirects to itself. Our token is about
   * to go to that address, so it has to be a host of Bitrix24 or the one that an administrator named; a deleted portal
   * redirects to the vendor's site. Never back from https to http. Throws `REDIRECT_REFUSED`.
   */
  async follow(portal: PortalRecord, destination: URL, credentials: Credentials): Promise<PortalRecord> {
    const known = new URL(portal.clientEndpoint);
    const rules = await this.applications.hostRules(portal.clientId);
    const secured =
      known.protocol === 'http:' && destination.protocol === 'https:' && known.hostname === destination.hostname;
    const trusted = destination.protocol === known.protocol && isPortalAddress(destination, rules);
    if (!secured && !trusted) {
      throw bitrixProblem('REDIRECT_REFUSED', `the portal redirects to ${destination.host}, which is no portal`);
    }
    const moved = { ...portal, domain: destination.host, clientEndpoint: destination.origin + known.pathname };
    if (secured) await this.assertSamePortal(moved, credentials);
    await this.portals.saveRename(portal.id, moved.domain, moved.clientEndpoint);
    this.logger.log(`Portal ${portal.id} moved from ${known.origin} to ${destination.origin}`);
    return moved;
  }

  /** Whoever answers there must know our token: only the portal that it was issued for does. */
  private async assertSamePortal(portal: PortalRecord, credentials: Credentials): Promise<void> {
    const { answer, error } = await this.harmless.ask(portal, credentials);
    if (error && !isTokenRejected(error)) throw error;
    const { CODE: code } = isObject(answer?.result) ? answer.result : {};
    const another = typeof code === 'string' && code.startsWith('local.') && code !== portal.clientId;
    if (!another) return;
    throw bitrixProblem(
      'REDIRECT_REFUSED',
      `the portal redirects to ${portal.domain}, where another application answers`,
    );
  }
}
