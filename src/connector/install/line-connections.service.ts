import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { fieldsOf } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import type { RestParams } from '../../bitrix/rest.types.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { Bot } from '../../storage/prisma/client.js';
import { portalEndpoint } from '../../storage/work/endpoint-id.js';
import { knownPortal } from './known-portal.js';
import { attempt, report, type RegistrationReport, type RegistrationStep } from './registration-steps.js';

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

/** An activation is saved by a background job of the portal: it may show a moment later. */
const STATUS_DELAY_MS = 1_000;

/** Switches our connector on and off in lines of a portal that knows it. Everything here may be repeated at any time. */
@Injectable()
export class LineConnections {
  constructor(
    private readonly rest: RestClient,
    private readonly portals: PortalsRepository,
    private readonly lines: LinesRepository,
    private readonly bots: BotsRepository,
    private readonly relay: RelayEvents,
  ) {}

  /** Switches the connector on in one line and shows its bot there. */
  async activate(portalId: bigint, lineId: string): Promise<RegistrationReport> {
    return report(await this.connect(await knownPortal(this.portals, portalId), lineId));
  }

  /** Switches the connector off in one line; messages of its clients wait from then on. */
  async deactivate(portalId: bigint, lineId: string): Promise<RegistrationReport> {
    const portal = await knownPortal(this.portals, portalId);
    const step = await attempt('imconnector.activate', `line ${lineId}: off`, async () => {
      // 0 as a number: the portal reads any other text, "N" and "false" too, as "on".
      await this.call(portal, 'imconnector.activate', { CONNECTOR: portal.connectorId, LINE: lineId, ACTIVE: 0 });
      await this.lines.setState(portal.id, lineId, 'inactive');
    });
    return report([{ ...step, lineId }]);
  }

  /** What the portal says about the connector in one line. Throws UpstreamError when it does not answer. */
  async status(portalId: bigint, lineId: string): Promise<ConnectorStatus> {
    return this.readStatus(await knownPortal(this.portals, portalId), lineId);
  }

  /** Switches the connector on in the line and shows its bot there, one step after the other. */
  async connect(portal: PortalRecord, lineId: string): Promise<RegistrationStep[]> {
    return (await this.stepsOf(portal, lineId)).map((step) => ({ ...step, lineId }));
  }

  private async stepsOf(portal: PortalRecord, lineId: string): Promise<RegistrationStep[]> {
    const about = { CONNECTOR: portal.connectorId, LINE: lineId };
    const missing = await this.missingLine(portal, lineId);
    if (missing) return [missing];
    const activated = await attempt('imconnector.activate', `line ${lineId}: on`, async () => {
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
        await attempt('imconnector.connector.data.set', `line ${lineId}: ${data.NAME}`, async () => {
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
    return { step, ok: false, code: 'line_missing', detail };
  }

  private confirmActive(portal: PortalRecord, lineId: string): Promise<RegistrationStep> {
    return attempt('imconnector.status', `line ${lineId}: ready`, async () => {
      if ((await this.readStatus(portal, lineId)).active) return;
      await pause(STATUS_DELAY_MS);
      const status = await this.readStatus(portal, lineId);
      if (status.active) return;
      throw new Problem(
        409,
        'line_not_active',
        `line ${lineId}: the portal says that the connector is ${status.error ? 'in error' : 'not active'} there; connect it in Contact Center.`,
        { error: status.error },
      );
    });
  }

  private async readStatus(portal: PortalRecord, lineId: string): Promise<ConnectorStatus> {
    const params = { CONNECTOR: portal.connectorId, LINE: lineId };
    const answer = fieldsOf(await this.call(portal, 'imconnector.status', params));
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
}

/** What Contact Center shows of the bot behind the line; null until Telegram told us the bot's name. */
function shownData(bot: Bot): { ID: string; URL: string; URL_IM: string; NAME: string } | null {
  if (!bot.username) return null;
  const url = `https://t.me/${bot.username}`;
  return { ID: bot.telegramId.toString(), URL: url, URL_IM: url, NAME: `@${bot.username}` };
}
