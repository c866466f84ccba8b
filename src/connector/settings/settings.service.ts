import { Injectable } from '@nestjs/common';
import { webPage, webPagePolicy } from '../../common/web-page.js';
import { Environment } from '../../config/environment.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { Frame } from '../install/frame.parser.js';
import { FramesService } from '../install/frames.service.js';
import type { FramePage } from '../install/page-reply.js';
import { type Identity, IdentityService } from '../install/identity.service.js';
import { InstallService } from '../install/install.service.js';
import { LineSettingsService } from './line-settings.service.js';
import { languageOf, type Language } from '../../common/language.js';
import { outsidePage, statusPage, wrongPlacementPage } from './settings.page.js';
import { say } from '../pages/texts.js';
import { BotAdoption } from '../install/bot-adoption.service.js';
import { LineConnections } from '../install/line-connections.service.js';
import { SettingsSessions } from './settings-sessions.js';

/** The pages that an administrator sees inside the portal. */
@Injectable()
export class SettingsService {
  constructor(
    private readonly identities: IdentityService,
    private readonly installs: InstallService,
    private readonly connections: LineConnections,
    private readonly adoption: BotAdoption,
    private readonly frames: FramesService,
    private readonly portals: PortalsRepository,
    private readonly lines: LinesRepository,
    private readonly bots: BotsRepository,
    private readonly settings: LineSettingsService,
    private readonly sessions: SettingsSessions,
    private readonly environment: Environment,
  ) {}

  /**
   * Contact Center opened our tile for a line: gives the line a bot if one is free, switches the connector on there and
   * answers the page, which learns from its API what came of it. Throws Problem as {@link IdentityService.confirmAdministrator}.
   */
  async openLine(frame: Frame, lang: Language): Promise<FramePage> {
    const identity = await this.identities.confirmAdministrator(frame);
    const portal = await this.connected(identity, frame);
    const { connector, lineId } = frame.placement;
    if (!lineId) return this.page(identity, wrongPlacementPage(lang, this.say(lang, 'settingsNoLine')));
    if (connector && connector !== portal.connectorId) {
      const values = { other: connector, connector: portal.connectorId };
      return this.page(identity, wrongPlacementPage(lang, say(lang, 'settingsOtherConnector', values)));
    }
    const line = await this.lines.find(portal.id, lineId);
    // Whoever disconnected the line here has to choose a bot again.
    if (line?.state !== 'inactive' && (await this.mayAdopt(portal))) await this.adoption.adoptBot(portal.id, lineId);
    const bot = await this.bots.findByLine(portal.id, lineId);
    if (bot || line?.state !== 'inactive') await this.connections.activate(portal.id, lineId);
    const session = { portalId: portal.id, lineId, userId: identity.userId };
    const { origin } = new URL(identity.clientEndpoint);
    const html = webPage({
      name: 'settings',
      toRoot: '../',
      lang,
      title: say(lang, 'settingsTitle', { line: lineId }),
      bootstrap: {
        session: this.sessions.begin(session, new Date()),
        portalOrigin: origin,
        state: await this.settings.state(session),
      },
    });
    return { status: 200, html, policy: webPagePolicy({ frameAncestor: origin }) };
  }

  /** A bot that serves nobody goes to the portal of the environment, or to the only one: others have to know its token. */
  private async mayAdopt({ clientEndpoint }: PortalRecord): Promise<boolean> {
    const { portalOrigin } = this.environment;
    if (portalOrigin && new URL(clientEndpoint).origin === portalOrigin) return true;
    return (await this.portals.list()).filter(({ state }) => state !== 'uninstalled').length === 1;
  }

  /**
   * The application itself was opened. For an administrator of a portal that is not connected this is the
   * installation: applications without an installation path know no other moment.
   */
  async showApplication(frame: Frame, lang: Language): Promise<FramePage> {
    const identity = await this.identities.confirm(frame);
    const known = await this.portals.findByMemberId(identity.memberId);
    if (identity.isAdmin && !this.isConnected(known, identity)) {
      const installed = await this.installs.installConfirmed(identity, frame, {});
      return this.frames.installed(installed, lang, { finish: true });
    }
    const portal = identity.isAdmin ? await this.connected(identity, frame) : known;
    const bots = portal ? await this.bots.listByPortal(portal.id) : [];
    const lines = portal ? await this.lines.listByPortal(portal.id) : [];
    return this.page(
      identity,
      statusPage({
        lang,
        connectorName: this.environment.B24_CONNECTOR_NAME,
        portal: portal?.domain ?? new URL(identity.clientEndpoint).host,
        state: portal?.state ?? 'uninstalled',
        stateReason: portal?.stateReason ?? null,
        lines: lines.map(({ lineId, state }) => ({
          lineId,
          on: state === 'active',
          bot: bots.find((bot) => bot.lineId === lineId) ?? null,
        })),
      }),
    );
  }

  /** The address opened in a browser, outside any portal. `languages`: Accept-Language. */
  outside(languages: string | undefined): string {
    return outsidePage(languageOf(languages), this.environment.B24_CONNECTOR_NAME);
  }

  /** The portal of a confirmed administrator, connected if it was not, with his pair kept beside the installer's. */
  private async connected(identity: Identity, frame: Frame): Promise<PortalRecord> {
    const known = await this.portals.findByMemberId(identity.memberId);
    if (!known || !this.isConnected(known, identity)) {
      return (await this.installs.installConfirmed(identity, frame, {})).portal;
    }
    await this.installs.keepAdministrator(known, identity, frame);
    return known;
  }

  private isConnected(portal: PortalRecord | undefined, identity: Identity): boolean {
    return portal?.state === 'active' && portal.clientId === identity.application.clientId;
  }

  private page(identity: Identity, html: string): FramePage {
    return { status: 200, html, frameAncestor: new URL(identity.clientEndpoint).origin };
  }

  private say(lang: Language, text: 'settingsNoLine'): string {
    return say(lang, text, { connector: this.environment.B24_CONNECTOR_NAME });
  }
}
