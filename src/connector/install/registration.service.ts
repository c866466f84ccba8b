import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { ApplicationsService } from '../../bitrix/applications.service.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { BATCH_LIMIT, type BatchOptions, type RestCommand, type RestParams } from '../../bitrix/rest.types.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { TimeLimitError, within } from '../../common/within.js';
import { Environment } from '../../config/environment.js';
import { botEndpoint, portalEndpoint } from '../../storage/work/endpoint-id.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { Bot } from '../../storage/prisma/client.js';
import { languageCode } from '../../bitrix/php-values.reader.js';
import { CONNECTOR_ICON, CONNECTOR_ICON_DISABLED } from './connector-icon.js';
import { BOUND_EVENTS, isOurHandler, reconcileHandlers, type BoundHandler } from './event-handlers.js';

/** What was done, in order, and what came of it. `step` is the REST method, `detail` is for people. */
export interface RegistrationStep {
  step: string;
  ok: boolean;
  detail: string;
}

export interface RegistrationReport {
  /** Every step worked. */
  ok: boolean;
  steps: RegistrationStep[];
}

/** imconnector.status of one line. */
export interface ConnectorStatus {
  connector: string;
  lineId: string;
  /** Registered and switched on in this line. */
  configured: boolean;
  /** Configured and without error: messages are accepted. */
  active: boolean;
  error: boolean;
}

export interface RegistrationOptions {
  /** Connect this line only; otherwise the application's line and every line that a bot of the portal serves. */
  lineId?: string;
  /** The installation is still under way: the portal may say that the application is not installed yet. */
  installing?: boolean;
}

/** An activation is saved by a background job of the portal: it may show a moment later. */
const STATUS_DELAY_MS = 1_000;

/**
 * Makes a portal know our connector: registers it, binds the events and switches it on in lines. Everything here
 * may be repeated at any time; a step that fails does not keep the next ones from being tried.
 */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly rest: RestClient,
    private readonly applications: ApplicationsService,
    private readonly portals: PortalsRepository,
    private readonly lines: LinesRepository,
    private readonly bots: BotsRepository,
    private readonly relay: RelayEvents,
    private readonly environment: Environment,
  ) {}

  /** Address of our event handler; undefined while PUBLIC_URL is not known. */
  get handlerUrl(): string | undefined {
    const { publicUrl, B24_HANDLER_SECRET: secret } = this.environment;
    return publicUrl && `${publicUrl}/b24/handler${secret ? `?secret=${encodeURIComponent(secret)}` : ''}`;
  }

  /** The whole routine. Throws {@link Problem} 404 for an unknown portal; what Bitrix24 refuses is in the report. */
  async register(portalId: bigint, options: RegistrationOptions = {}): Promise<RegistrationReport> {
    const portal = await this.portal(portalId);
    const steps: RegistrationStep[] = [];
    const handlerUrl = this.handlerUrl;
    if (handlerUrl) {
      steps.push(await this.registerConnector(portal), ...(await this.bindEvents(portal, handlerUrl)));
    } else {
      steps.push({
        step: 'imconnector.register',
        ok: false,
        detail: 'PUBLIC_URL (or B24_REDIRECT_URI) is not set: Bitrix24 would not know where to send events.',
      });
    }
    steps.push(await this.checkInstalled(portal, options.installing === true));
    for (const lineId of await this.linesToConnect(portal, options.lineId)) {
      steps.push(...(await this.connectLine(portal, lineId)));
    }
    return report(steps);
  }

  /** Switches the connector on in one line and shows its bot there. */
  async activate(portalId: bigint, lineId: string): Promise<RegistrationReport> {
    return report(await this.connectLine(await this.portal(portalId), lineId));
  }

  /** Switches the connector off in one line; messages of its clients wait from then on. */
  async deactivate(portalId: bigint, lineId: string): Promise<RegistrationReport> {
    const portal = await this.portal(portalId);
    const step = await this.attempt('imconnector.activate', `line ${lineId}: off`, async () => {
      // 0 as a number: the portal reads any other text, "N" and "false" too, as "on".
      await this.call(portal, 'imconnector.activate', { CONNECTOR: portal.connectorId, LINE: lineId, ACTIVE: 0 });
      await this.lines.setState(portal.id, lineId, 'inactive');
    });
    return report([step]);
  }

  /**
   * The bot that serves the line; a line without one gets the default bot, or the only one, if it is free and if there
   * is no doubt that it is meant for this portal.
   */
  async adoptBot(portalId: bigint, lineId: string): Promise<Bot | null> {
    const serving = await this.bots.findByLine(portalId, lineId);
    if (serving) return serving;
    if (!(await this.ownsFreeBots(await this.portal(portalId)))) return null;
    const adopted = await this.bots.adoptUnassigned(portalId, lineId);
    if (adopted) this.relay.emit('changed', botEndpoint(adopted.id));
    return adopted;
  }

  /** What the portal says about the connector in one line. Throws UpstreamError when it does not answer. */
  async status(portalId: bigint, lineId: string): Promise<ConnectorStatus> {
    return this.readStatus(await this.portal(portalId), lineId);
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

  /**
   * Best effort, within `patienceMs`: the portal sends us no more events, and our connector is gone from it with its
   * lines. Never throws; what did not work is in the report.
   */
  async withdraw(portalId: bigint, patienceMs: number): Promise<RegistrationReport> {
    const portal = await this.portal(portalId);
    const handlerUrl = this.handlerUrl;
    const commands: RestCommand[] = (handlerUrl ? BOUND_EVENTS : []).map((event) => ({
      method: 'event.unbind',
      params: { EVENT: event, HANDLER: handlerUrl! },
    }));
    for (const { lineId, state } of await this.lines.listByPortal(portalId)) {
      if (state !== 'active' || commands.length >= BATCH_LIMIT - 1) continue;
      const params = { CONNECTOR: portal.connectorId, LINE: lineId, ACTIVE: 0 };
      commands.push({ method: 'imconnector.activate', params });
    }
    commands.push({ method: 'imconnector.unregister', params: { ID: portal.connectorId } });
    const step = await this.attempt('imconnector.unregister', `${portal.connectorId}: withdrawn`, async () => {
      const [refused] = await within(patienceMs, this.callAll(portal, commands, { timeoutMs: patienceMs })).catch(
        (error: unknown) => {
          if (error instanceof TimeLimitError) throw new Problem(503, 'portal_silent', 'The portal did not answer.');
          throw error;
        },
      );
      if (refused) throw refused;
    });
    return report([step]);
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

  private async portal(id: bigint): Promise<PortalRecord> {
    const portal = await this.portals.findById(id);
    if (!portal) throw new Problem(404, 'portal_unknown', `There is no portal ${id}.`);
    return portal;
  }

  private async linesToConnect(portal: PortalRecord, lineId?: string): Promise<string[]> {
    if (lineId) return [lineId];
    const fallback = await this.defaultLine(portal);
    if (fallback) await this.adoptBot(portal.id, fallback);
    const served = (await this.bots.listByPortal(portal.id)).map((bot) => bot.lineId);
    return [...new Set([fallback, ...served])].filter((line) => line !== undefined && line !== null);
  }

  private registerConnector(portal: PortalRecord): Promise<RegistrationStep> {
    const name = this.environment.B24_CONNECTOR_NAME;
    return this.attempt('imconnector.register', `${portal.connectorId} (${name})`, async () => {
      // CHAT_GROUP is left out on purpose: the portal reads an explicit "no" as "yes" in some builds.
      await this.call(portal, 'imconnector.register', {
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

  private async bindEvents(portal: PortalRecord, handlerUrl: string): Promise<RegistrationStep[]> {
    let bound: BoundHandler[] = [];
    const read = await this.attempt('event.get', 'handlers read', async () => {
      bound = elements(await this.call(portal, 'event.get', {})) as BoundHandler[];
      return `${bound.filter(isOurHandler).length} handlers of ours`;
    });
    const { stale, missing } = reconcileHandlers(bound, handlerUrl);
    const steps = [read];
    if (stale.length > 0) steps.push(await this.unbind(portal, stale));
    steps.push(await this.bind(portal, missing, handlerUrl));
    return steps;
  }

  private unbind(portal: PortalRecord, stale: BoundHandler[]): Promise<RegistrationStep> {
    const commands = stale.map(({ event, handler, auth_type }) => ({
      method: 'event.unbind',
      params: { EVENT: event, HANDLER: handler, AUTH_TYPE: auth_type ?? '0' },
    }));
    return this.attempt('event.unbind', `${stale.length} stale handlers removed`, async () => {
      const refused = await this.callAll(portal, commands);
      if (refused.length > 0) throw refused[0];
    });
  }

  private bind(portal: PortalRecord, missing: readonly string[], handlerUrl: string): Promise<RegistrationStep> {
    if (missing.length === 0)
      return Promise.resolve({ step: 'event.bind', ok: true, detail: 'every event was bound already' });
    const commands = missing.map((event) => ({ method: 'event.bind', params: { EVENT: event, HANDLER: handlerUrl } }));
    return this.attempt('event.bind', `bound: ${missing.join(', ')}`, async () => {
      const refused = (await this.callAll(portal, commands)).filter((error) => !/already bind?ed/i.test(error.detail));
      if (refused.length > 0) throw refused[0];
    });
  }

  private checkInstalled(portal: PortalRecord, installing: boolean): Promise<RegistrationStep> {
    return this.attempt('app.info', 'the application is installed', async () => {
      const info = (await this.call(portal, 'app.info', {})) as { INSTALLED?: unknown; LANGUAGE_ID?: unknown } | null;
      const language = languageCode(info?.LANGUAGE_ID);
      if (language) await this.portals.setLanguage(portal.id, language);
      if (info?.INSTALLED === true || info?.INSTALLED === 'Y') return undefined;
      if (installing) return 'the installation ends when this page tells the portal so';
      throw new Problem(
        409,
        'not_installed',
        'INSTALLED is false, so Bitrix24 sends no events: open the application inside the portal once to finish its installation.',
      );
    });
  }

  private async connectLine(portal: PortalRecord, lineId: string): Promise<RegistrationStep[]> {
    const about = { CONNECTOR: portal.connectorId, LINE: lineId };
    const missing = await this.missingLine(portal, lineId);
    if (missing) return [missing];
    const activated = await this.attempt('imconnector.activate', `line ${lineId}: on`, async () => {
      await this.call(portal, 'imconnector.activate', { ...about, ACTIVE: 1 });
      await this.lines.activate(portal.id, lineId);
      this.relay.emit('changed', portalEndpoint(portal.id));
    });
    const steps = [activated];
    if (activated.ok) steps.push(await this.confirmActive(portal, lineId));
    const bot = await this.bots.findByLine(portal.id, lineId);
    const data = bot && shownData(bot);
    if (data) {
      steps.push(
        await this.attempt('imconnector.connector.data.set', `line ${lineId}: ${data.NAME}`, async () => {
          await this.call(portal, 'imconnector.connector.data.set', { ...about, DATA: data });
        }),
      );
    }
    // Whatever was refused while this was under way need not wait for its next turn.
    if (activated.ok) this.relay.emit('changed', portalEndpoint(portal.id));
    return steps;
  }

  /**
   * A step that failed when the line does not exist: the portal would switch the connector on there all the same, and
   * take clients' words that nobody will ever read. Null when it exists, or the portal does not say.
   */
  private async missingLine(portal: PortalRecord, lineId: string): Promise<RegistrationStep | null> {
    const step = 'imopenlines.config.get';
    const config = await this.call(portal, step, { CONFIG_ID: Number(lineId) }).catch((error: unknown) => {
      if (!(error instanceof UpstreamError)) throw error;
    });
    if (config !== false) return null;
    await this.lines.setState(portal.id, lineId, 'deleted');
    const detail = `line ${lineId} does not exist in Bitrix24: give its bot another line, or connect another one in Contact Center.`;
    return { step, ok: false, detail };
  }

  private confirmActive(portal: PortalRecord, lineId: string): Promise<RegistrationStep> {
    return this.attempt('imconnector.status', `line ${lineId}: ready`, async () => {
      if ((await this.readStatus(portal, lineId)).active) return;
      await pause(STATUS_DELAY_MS);
      const status = await this.readStatus(portal, lineId);
      if (status.active) return;
      throw new Problem(
        409,
        'line_not_active',
        `line ${lineId}: the portal says that the connector is ${status.error ? 'in error' : 'not active'} there; connect it in Contact Center.`,
      );
    });
  }

  private async readStatus(portal: PortalRecord, lineId: string): Promise<ConnectorStatus> {
    const params = { CONNECTOR: portal.connectorId, LINE: lineId };
    const answer = (await this.call(portal, 'imconnector.status', params)) as Record<string, unknown> | null;
    return {
      connector: portal.connectorId,
      lineId,
      configured: answer?.CONFIGURED === true,
      active: answer?.STATUS === true,
      error: answer?.ERROR === true,
    };
  }

  private async call(portal: PortalRecord, method: string, params: RestParams): Promise<unknown> {
    return (await this.rest.call<unknown>(portal.id, method, params)).result;
  }

  /** One batch per 50 commands; answers the errors of those that failed. */
  private async callAll(
    portal: PortalRecord,
    commands: RestCommand[],
    options: BatchOptions = {},
  ): Promise<UpstreamError[]> {
    const errors: UpstreamError[] = [];
    for (let start = 0; start < commands.length; start += BATCH_LIMIT) {
      const keyed = commands.slice(start, start + BATCH_LIMIT).map((command, index) => [`c${index}`, command] as const);
      const { results } = await this.rest.callBatch(portal.id, Object.fromEntries(keyed), options);
      for (const outcome of Object.values(results)) if (!outcome.ok) errors.push(outcome.error);
    }
    return errors;
  }

  /** Runs one step; `work` may answer a better detail. Only what the network or we ourselves refuse is a result. */
  private async attempt(
    step: string,
    detail: string,
    work: () => Promise<string | undefined | void>,
  ): Promise<RegistrationStep> {
    try {
      const said = await work();
      return { step, ok: true, detail: said ?? detail };
    } catch (error) {
      if (error instanceof UpstreamError) return { step, ok: false, detail: `${error.code}: ${error.detail}` };
      if (error instanceof Problem) return { step, ok: false, detail: error.message };
      throw error;
    }
  }
}

function report(steps: RegistrationStep[]): RegistrationReport {
  return { ok: steps.every((step) => step.ok), steps };
}

/** What Contact Center shows of the bot behind the line; null until Telegram told us the bot's name. */
function shownData(bot: Bot): { ID: string; URL: string; URL_IM: string; NAME: string } | null {
  if (!bot.username) return null;
  const url = `https://t.me/${bot.username}`;
  return { ID: bot.telegramId.toString(), URL: url, URL_IM: url, NAME: `@${bot.username}` };
}

/** PHP writes a list with gaps as an object. */
function elements(value: unknown): unknown[] {
  return Array.isArray(value) ? value : Object.values((value as Record<string, unknown> | null) ?? {});
}
