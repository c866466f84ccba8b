import { Injectable } from '@nestjs/common';
import { fieldsOf, isYes } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import type { RestCommand } from '../../bitrix/rest.types.js';
import { Problem } from '../../common/problem.js';
import { TokenBuckets } from '../../common/token-bucket.js';
import { refuseOver } from '../../common/too-many-requests.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { Environment } from '../../config/environment.js';
import { BotManager } from '../../relay/bot-manager.js';
import { type LineBot, LineBots, type Picture } from '../../relay/line-bots.js';
import { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { OverviewRepository } from '../../storage/history/overview.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { BotMode } from '../../storage/prisma/client.js';
import { readBoundHandlers, reconcileHandlers } from '../install/event-handlers.js';
import { LINE_METHOD } from '../dialogs/line-config.parser.js';
import { BotConnections } from './bot-connections.service.js';
import { managerProblem, noManager, notMadeHere } from './bot-request.problems.js';
import { lineChange, type LineChangeBody } from './line-change.dto.js';
import { LineOperatorsService } from '../dialogs/line-operators.service.js';
import { PortalLifecycleService } from '../install/portal-lifecycle.service.js';
import { EventBindings } from '../install/event-bindings.service.js';
import { RegistrationService } from '../install/registration.service.js';
import type { BotTokenBody, ChainLink, CheckedLine, LineSettings } from './settings-api.dto.js';
import type { SettingsSession } from './settings-sessions.js';
import { SettingsAudit } from './settings-audit.js';
import { actorOf } from './settings.guard.js';

/** Whoever tries tokens learns which of them are good: like a log-in. */
const TOKENS_TRIED = { perSecond: 1 / 6, burst: 10 };
const BITRIX_LIMIT_MS = 10_000;

/** What an administrator of a portal sees and changes of one open line. A session opens nothing but its own line. */
@Injectable()
export class LineSettingsService {
  private readonly tokensTried = new TokenBuckets(TOKENS_TRIED.perSecond, TOKENS_TRIED.burst);

  constructor(
    private readonly portals: PortalsRepository,
    private readonly lines: LinesRepository,
    private readonly overview: OverviewRepository,
    private readonly bots: LineBots,
    private readonly manager: BotManager,
    private readonly connections: BotConnections,
    private readonly audit: SettingsAudit,
    private readonly registration: RegistrationService,
    private readonly events: EventBindings,
    private readonly lifecycle: PortalLifecycleService,
    private readonly operators: LineOperatorsService,
    private readonly rest: RestClient,
    private readonly environment: Environment,
  ) {}

  /** From our own tables; nobody is asked. Throws a 403 Problem when the portal is there no longer. */
  async state(session: SettingsSession): Promise<LineSettings> {
    const portal = await this.portal(session);
    const [line, bot, manager] = await Promise.all([
      this.lines.find(session.portalId, session.lineId),
      this.bots.bot(session),
      this.manager.ready(),
    ]);
    const managed = bot !== null && manager !== null && (await this.manager.isManagedFor(bot.telegramId, portal.id));
    return {
      lineId: session.lineId,
      portal: portal.domain,
      connectorName: this.environment.B24_CONNECTOR_NAME,
      on: line?.state === 'active',
      bot: bot && { ...shownBot(bot), managed },
      options: {
        operatorName: line?.operatorName ?? 'hidden',
        operatorNameTemplate: line?.operatorNameTemplate ?? null,
        welcomeText: line?.welcomeText ?? null,
        startOpensSession: line?.startOpensSession ?? false,
        welcomeAsksPhone: line?.welcomeAsksPhone ?? false,
      },
      traffic: bot && (await this.overview.traffic(bot.id, session.portalId)),
      webhookPossible: this.environment.webhookBase !== undefined,
      canMakeBots: manager !== null,
    };
  }

  /** Asks both networks. */
  async check(session: SettingsSession): Promise<CheckedLine> {
    const portal = await this.portal(session);
    const [bot, room] = await Promise.all([this.bots.check(session), this.askPortal(portal, session.lineId)]);
    const telegram: ChainLink[] = bot
      ? [
          { id: 'token', ...bot.token },
          { id: 'updates', ...bot.updates },
        ]
      : [];
    return { ...(await this.state(session)), lineName: room.lineName, links: [...telegram, ...room.links] };
  }

  async repair(session: SettingsSession): Promise<CheckedLine> {
    await this.portal(session);
    await this.audit.record(actorOf(session), 'portal.register', `portal:${session.portalId}`, {}, async () => {
      const { steps } = await this.registration.register(session.portalId, { lineId: session.lineId });
      return steps;
    });
    return this.check(session);
  }

  /** Throws a Problem as {@link LineBots.connect}, or 429. */
  async connect(session: SettingsSession, wish: BotTokenBody): Promise<LineSettings> {
    await this.portal(session);
    refuseOver(this.tokensTried.take(String(session.portalId)));
    await this.connections.connect(actorOf(session), wish);
    return this.state(session);
  }

  async receiveBy(session: SettingsSession, mode: BotMode): Promise<LineSettings> {
    await this.portal(session);
    const bot = await this.bots.receiveBy(session, mode);
    await this.audit.record(actorOf(session), 'bot.update', `bot:${bot.id}`, { mode });
    return this.state(session);
  }

  /**
   * Takes a new token for a bot that its owner made for this portal; any administrator of it may. Throws a Problem: 409
   * `no_bot`, `no_manager` or `not_managed`, 503.
   */
  async renewToken(session: SettingsSession): Promise<LineSettings> {
    await this.portal(session);
    const bot = await this.bots.bot(session);
    if (!bot) throw new Problem(409, 'no_bot', 'No bot serves this line.');
    if (!(await this.manager.ready())) throw noManager();
    if (!(await this.manager.isManagedFor(bot.telegramId, session.portalId))) throw notMadeHere();
    refuseOver(this.tokensTried.take(String(session.portalId)));
    const token = await this.manager.newToken(bot.telegramId).catch((error: unknown) => {
      throw managerProblem(error);
    });
    await this.bots.connect(session, { token, mode: bot.mode, move: false });
    await this.audit.record(actorOf(session), 'bot.token', `bot:${bot.id}`, {});
    return this.state(session);
  }

  async change(session: SettingsSession, body: LineChangeBody): Promise<LineSettings> {
    await this.portal(session);
    const change = lineChange(body);
    if (!(await this.lines.change(session.portalId, session.lineId, change))) {
      throw new Problem(409, 'line_off', 'The connector has never been switched on in this line: connect a bot first.');
    }
    await this.audit.record(actorOf(session), 'portal.line', `portal:${session.portalId}`, { ...body });
    void this.operators.refresh(session);
    return this.state(session);
  }

  /** Works while the portal does not answer, too: the connector then stays on there until somebody switches it off. */
  async disconnect(session: SettingsSession): Promise<LineSettings> {
    await this.portal(session);
    const bot = await this.bots.release(session);
    const subject = bot ? `bot:${bot.id}` : `portal:${session.portalId}`;
    await this.audit.record(actorOf(session), 'bot.disconnect', subject, {}, () =>
      this.lifecycle.botMoved(session, null),
    );
    return this.state(session);
  }

  /** Null: the bot has none, or Telegram does not give it now; the page does without. */
  async picture(session: SettingsSession, signal: AbortSignal): Promise<Picture | null> {
    await this.portal(session);
    return this.bots.picture(session, signal).catch((error: unknown) => {
      if (error instanceof UpstreamError) return null;
      throw error;
    });
  }

  private async portal({ portalId }: SettingsSession): Promise<PortalRecord> {
    const portal = await this.portals.findById(portalId);
    if (portal && portal.state !== 'uninstalled') return portal;
    throw new Problem(403, 'portal_gone', 'The application was removed from this portal.');
  }

  /** One batch: the portal's bucket of requests belongs to the messages. */
  private async askPortal(portal: PortalRecord, lineId: string): Promise<Pick<CheckedLine, 'links' | 'lineName'>> {
    if (portal.state !== 'active') return { lineName: null, links: [{ id: 'portal', ok: false, code: portal.state }] };
    const commands: Record<string, RestCommand> = {
      installed: { method: 'app.info', params: {} },
      events: { method: 'event.get', params: {} },
      line: { method: 'imconnector.status', params: { CONNECTOR: portal.connectorId, LINE: lineId } },
      name: { method: LINE_METHOD, params: { CONFIG_ID: lineId } },
    };
    try {
      const { results } = await this.rest.callBatch(portal.id, commands, { timeoutMs: BITRIX_LIMIT_MS });
      const read = (id: 'installed' | 'events' | 'line', judge: (result: unknown) => string): ChainLink => {
        const outcome = results[id];
        if (!outcome?.ok) return { id, ok: false, code: 'refused', detail: outcome?.error.detail };
        const code = judge(outcome.result);
        return { id, ok: code === 'ok', code };
      };
      if (results.name?.ok) await this.operators.learn({ portalId: portal.id, lineId }, results.name.result);
      const name = results.name?.ok ? (results.name.result as { LINE_NAME?: unknown } | null)?.LINE_NAME : null;
      return {
        lineName: typeof name === 'string' && name !== '' ? name : null,
        links: [
          { id: 'portal', ok: true, code: 'ok' },
          read('installed', isInstalled),
          read('events', (result) => this.eventsBound(result)),
          read('line', lineIsOn),
        ],
      };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const code = error.kind === 'unauthorised' ? 'reauthorise' : 'portal_unreachable';
      return { lineName: null, links: [{ id: 'portal', ok: false, code, detail: error.detail }] };
    }
  }

  private eventsBound(result: unknown): string {
    const { handlerUrl } = this.events;
    if (!handlerUrl) return 'no_public_url';
    const { stale, missing } = reconcileHandlers(readBoundHandlers(result), handlerUrl);
    return missing.length > 0 ? 'events_missing' : stale.length > 0 ? 'events_twice' : 'ok';
  }
}

function shownBot({ id, username, name, mode, state }: LineBot) {
  return { id: id.toString(), username, name, mode, state };
}

function isInstalled(result: unknown): string {
  return isYes(fieldsOf(result)?.INSTALLED) ? 'ok' : 'not_installed';
}

function lineIsOn(result: unknown): string {
  const { STATUS, ERROR } = fieldsOf(result) ?? {};
  return STATUS === true ? 'ok' : ERROR === true ? 'line_in_error' : 'line_off';
}
