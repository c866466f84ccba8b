import { Injectable } from '@nestjs/common';
import { fieldsOf, isYes, languageCode } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { BATCH_LIMIT } from '../../bitrix/rest.types.js';
import { Problem } from '../../common/problem.js';
import { TimeLimitError, within } from '../../common/within.js';
import { Environment } from '../../config/environment.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { BotAdoption } from './bot-adoption.service.js';
import { callAll } from './command-batches.js';
import { CONNECTOR_ICON, CONNECTOR_ICON_DISABLED } from './connector-icon.js';
import { EventBindings } from './event-bindings.service.js';
import { knownPortal } from './known-portal.js';
import { LineConnections } from './line-connections.service.js';
import { attempt, report, type RegistrationReport, type RegistrationStep } from './registration-steps.js';

export interface RegistrationOptions {
  /** Connect this line only; otherwise the application's line and every line that a bot of the portal serves. */
  lineId?: string;
  /** The installation is still under way: the portal may say that the application is not installed yet. */
  installing?: boolean;
}

/**
 * Makes a portal know our connector: registers it, binds the events and switches it on in lines. Everything here
 * may be repeated at any time; a step that fails does not keep the next ones from being tried.
 */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly rest: RestClient,
    private readonly events: EventBindings,
    private readonly connections: LineConnections,
    private readonly adoption: BotAdoption,
    private readonly portals: PortalsRepository,
    private readonly lines: LinesRepository,
    private readonly bots: BotsRepository,
    private readonly environment: Environment,
  ) {}

  /** The whole routine. Throws {@link Problem} 404 for an unknown portal; what Bitrix24 refuses is in the report. */
  async register(portalId: bigint, options: RegistrationOptions = {}): Promise<RegistrationReport> {
    const portal = await knownPortal(this.portals, portalId);
    const steps: RegistrationStep[] = [];
    const { handlerUrl } = this.events;
    if (handlerUrl) {
      steps.push(await this.registerConnector(portal), ...(await this.events.bindEvents(portal, handlerUrl)));
    } else {
      steps.push({
        step: 'imconnector.register',
        ok: false,
        code: 'no_public_url',
        detail: 'PUBLIC_URL (or B24_REDIRECT_URI) is not set: Bitrix24 would not know where to send events.',
      });
    }
    steps.push(await this.checkInstalled(portal, options.installing === true));
    for (const lineId of await this.linesToConnect(portal, options.lineId)) {
      steps.push(...(await this.connections.connect(portal, lineId)));
    }
    return report(steps);
  }

  /**
   * Best effort, within `timeoutMs`: the portal sends us no more events, and our connector is gone from it with its
   * lines. Never throws; what did not work is in the report.
   */
  async withdraw(portalId: bigint, timeoutMs: number): Promise<RegistrationReport> {
    const portal = await knownPortal(this.portals, portalId);
    const commands = this.events.unbinding();
    for (const { lineId, state } of await this.lines.listByPortal(portalId)) {
      if (state !== 'active' || commands.length >= BATCH_LIMIT - 1) continue;
      const params = { CONNECTOR: portal.connectorId, LINE: lineId, ACTIVE: 0 };
      commands.push({ method: 'imconnector.activate', params });
    }
    commands.push({ method: 'imconnector.unregister', params: { ID: portal.connectorId } });
    const step = await attempt('imconnector.unregister', `${portal.connectorId}: withdrawn`, async () => {
      const [refused] = await within(timeoutMs, callAll(this.rest, portal, commands, { timeoutMs })).catch(
        (error: unknown) => {
          if (error instanceof TimeLimitError) throw new Problem(503, 'portal_silent', 'The portal did not answer.');
          throw error;
        },
      );
      if (refused) throw refused;
    });
    return report([step]);
  }

  private async linesToConnect(portal: PortalRecord, lineId?: string): Promise<string[]> {
    if (lineId) return [lineId];
    const fallback = await this.adoption.defaultLine(portal);
    if (fallback) await this.adoption.adoptBot(portal.id, fallback);
    const served = (await this.bots.listByPortal(portal.id)).map((bot) => bot.lineId);
    return [...new Set([fallback, ...served])].filter((line) => line !== undefined && line !== null);
  }

  private registerConnector(portal: PortalRecord): Promise<RegistrationStep> {
    const name = this.environment.B24_CONNECTOR_NAME;
    return attempt('imconnector.register', `${portal.connectorId} (${name})`, async () => {
      // CHAT_GROUP is left out on purpose: the portal reads an explicit "no" as "yes" in some builds.
      await this.rest.call(portal.id, 'imconnector.register', {
        ID: portal.connectorId,
        NAME: name,
        ICON: CONNECTOR_ICON,
        ICON_DISABLED: CONNECTOR_ICON_DISABLED,
        PLACEMENT_HANDLER: `${this.environment.publicUrl}/b24/settings`,
        // Telegram's Bot API cannot take a client's words back on an operator's behalf.
        DEL_EXTERNAL_MESSAGES: false,
        EDIT_INTERNAL_MESSAGES: true,
        DEL_INTERNAL_MESSAGES: true,
        NEWSLETTER: true,
        NEED_SYSTEM_MESSAGES: true,
        NEED_SIGNATURE: false,
        COMMENT: 'Telegram bots in Open Channels',
      });
    });
  }

  private checkInstalled(portal: PortalRecord, installing: boolean): Promise<RegistrationStep> {
    return attempt('app.info', 'the application is installed', async () => {
      const { result } = await this.rest.call<unknown>(portal.id, 'app.info');
      const { INSTALLED: installed, LANGUAGE_ID: languageId } = fieldsOf(result) ?? {};
      const language = languageCode(languageId);
      if (language) await this.portals.setLanguage(portal.id, language);
      if (isYes(installed)) return undefined;
      if (installing) return 'the installation ends when this page tells the portal so';
      throw new Problem(
        409,
        'not_installed',
        'INSTALLED is false, so Bitrix24 sends no events: open the application inside the portal once to finish its installation.',
      );
    });
  }
}
