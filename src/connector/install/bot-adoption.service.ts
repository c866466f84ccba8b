import { Injectable } from '@nestjs/common';
import { ApplicationsService } from '../../bitrix/applications.service.js';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { Bot } from '../../storage/prisma/client.js';
import { botEndpoint } from '../../storage/work/endpoint-id.js';
import { knownPortal } from './known-portal.js';

/** Which line a portal's application is meant for, and which bot a line without one may have. */
@Injectable()
export class BotAdoption {
  constructor(
    private readonly applications: ApplicationsService,
    private readonly portals: PortalsRepository,
    private readonly bots: BotsRepository,
    private readonly relay: RelayEvents,
    private readonly environment: Environment,
  ) {}

  /**
   * The bot that serves the line; a line without one gets the default bot, or the only one, if it is free and if there
   * is no doubt that it is meant for this portal.
   */
  async adoptBot(portalId: bigint, lineId: string): Promise<Bot | null> {
    const serving = await this.bots.findByLine(portalId, lineId);
    if (serving) return serving;
    if (!(await this.ownsFreeBots(await knownPortal(this.portals, portalId)))) return null;
    const adopted = await this.bots.adoptUnassigned(portalId, lineId);
    if (adopted) this.relay.emit('changed', botEndpoint(adopted.id));
    return adopted;
  }

  /**
   * The line that its application names for this portal. B24_LINE_ID means a line of B24_DOMAIN, or of any portal of
   * that application when there is no such domain.
   */
  async defaultLine(portal: PortalRecord): Promise<string | undefined> {
    const application = await this.applications.findByClientId(portal.clientId);
    if (application && application.id !== null) return application.lineId ?? undefined;
    const { portalOrigin, B24_LINE_ID } = this.environment;
    return !portalOrigin || new URL(portal.clientEndpoint).origin === portalOrigin ? B24_LINE_ID : undefined;
  }

  /** Several portals are served: a bot without a line may be meant for any of them, and must not come to another. */
  private async ownsFreeBots(portal: PortalRecord): Promise<boolean> {
    const { portalOrigin } = this.environment;
    if (portalOrigin && new URL(portal.clientEndpoint).origin === portalOrigin) return true;
    const connected = (await this.portals.list()).filter(({ state }) => state !== 'uninstalled');
    if (connected.some(({ id }) => id !== portal.id)) return false;
    // The default portal may still be to come.
    return !portalOrigin || ((await this.applications.findByClientId(portal.clientId))?.id ?? null) === null;
  }
}
