import { Injectable, Logger } from '@nestjs/common';
import { fieldsOf, isYes } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import type { RestCommand } from '../../bitrix/rest.types.js';
import { Problem } from '../../common/problem.js';
import { TokenBuckets } from '../../common/token-bucket.js';
import { refuseOver } from '../../common/too-many-requests.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { Environment } from '../../config/environment.js';
import { LineBots, type Picture } from '../../relay/line-bots.js';
import { AuditRepository } from '../../storage/accounts/audit.repository.js';
import { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { OverviewRepository } from '../../storage/history/overview.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { NewAuditEntry } from '../../storage/postgres/audit-entries.js';
import type { BotMode, Prisma } from '../../storage/prisma/client.js';
import { readBoundHandlers, reconcileHandlers } from '../install/event-handlers.js';
import { LINE_METHOD } from '../dialogs/line-config.parser.js';
import { lineChange, type LineChangeBody } from './line-change.dto.js';
import { LineOperatorsService } from '../dialogs/line-operators.service.js';
import { PortalLifecycleService } from '../install/portal-lifecycle.service.js';
import { failedSteps, type RegistrationStep } from '../install/registration-steps.js';
import { EventBindings } from '../install/event-bindings.service.js';
import { RegistrationService } from '../install/registration.service.js';
import type { BotTokenBody, ChainLink, CheckedLine, LineSettings } from './settings-api.dto.js';
import type { SettingsSession } from './settings-sessions.js';
import { personOf } from './settings.guard.js';

/** Whoever tries tokens learns which of them are good: like a log-in. */
const TOKENS_TRIED = { perSecond: 1 / 6, burst: 10 };
const BITRIX_LIMIT_MS = 10_000;

/** What an administrator of a portal sees and changes of one open line. A session opens nothing but its own line. */
@Injectable()
export class LineSettingsService {
  private readonly logger = new Logger(LineSettingsService.name);
  private readonly tokensTried = new TokenBuckets(TOKENS_TRIED.perSecond, TOKENS_TRIED.burst);

  constructor(
    private readonly portals: PortalsRepository,
    private readonly lines: LinesRepository,
    private readonly overview: OverviewRepository,
    private readonly entries: AuditRepository,
    private readonly bots: LineBots,
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
    const [line, bot] = await Promise.all([this.lines.find(session.portalId, session.lineId), this.bots.bot(session)]);
    return {
      lineId: session.lineId,
      portal: portal.domain,
      connectorName: this.environment.B24_CONNECTOR_NAME,
      on: line?.state === 'active',
      bot: bot && { ...bot, id: bot.id.toString() },
      options: {
        operatorName: line?.operatorName ?? 'hidden',
        operatorNameTemplate: line?.operatorNameTemplate ?? null,
        welcomeText: line?.welcomeText ?? null,
        startOpensSession: line?.startOpensSession ?? false,
        welcomeAsksPhone: line?.welcomeAsksPhone ?? false,
      },
      traffic: bot && (await this.overview.traffic(bot.id, session.portalId)),
      webhookPossible: this.environment.webhookBase !== undefined,
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
    await this.record(session, 'portal.register', `portal:${session.portalId}`, {}, async () => {
      const { steps } = await this.registration.register(session.portalId, { lineId: session.lineId });
      return steps;
    });
    return this.check(session);
  }

  /** Throws a Problem as {@link LineBots.connect}, or 429. */
  async connect(session: SettingsSession, wish: BotTokenBody): Promise<LineSettings> {
    await this.portal(session);
    refuseOver(this.tokensTried.take(String(session.portalId)));
    const { bot, from } = await this.bots.connect(session, wish);
    const detail = { mode: bot.mode, ...(from ? { from } : {}) };
    const left = from === null ? null : { portalId: session.portalId, lineId: from };
    const follow = () => this.lifecycle.botMoved(left, session);
    await this.record(session, from ? 'bot.move' : 'bot.connect', `bot:${bot.id}`, detail, follow);
    void this.operators.refresh(session);
    return this.state(session);
  }

  async receiveBy(session: SettingsSession, mode: BotMode): Promise<LineSettings> {
    await this.portal(session);
    const bot = await this.bots.receiveBy(session, mode);
    await this.record(session, 'bot.update', `bot:${bot.id}`, { mode });
    return this.state(session);
  }

  async change(session: SettingsSession, body: LineChangeBody): Promise<LineSettings> {
    await this.portal(session);
    const change = lineChange(body);
    if (!(await this.lines.change(session.portalId, session.lineId, change))) {
      throw new Problem(409, 'line_off', 'The connector has never been switched on in this line: connect a bot first.');
    }
    await this.record(session, 'portal.line', `portal:${session.portalId}`, { ...body });
    void this.operators.refresh(session);
    return this.state(session);
  }

  /** Works while the portal does not answer, too: the connector then stays on there until somebody switches it off. */
  async disconnect(session: SettingsSession): Promise<LineSettings> {
    await this.portal(session);
    const bot = await this.bots.release(session);
    const subject = bot ? `bot:${bot.id}` : `portal:${session.portalId}`;
    await this.record(session, 'bot.disconnect', subject, {}, () => this.lifecycle.botMoved(session, null));
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

  /**
   * The change is made and cannot be taken back: a row that cannot be written goes to the log instead. `follow` is what
   * is done in the portal about it: on record before it is, and what came of it afterwards.
   */
  private async record(
    session: SettingsSession,
    action: string,
    subject: string,
    detail: Record<string, unknown>,
    follow?: () => Promise<RegistrationStep[]>,
  ): Promise<void> {
    const { portalId, lineId } = session;
    const said = Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined));
    const about = { lineId, ...said } as Prisma.InputJsonObject;
    const entry: NewAuditEntry = { actor: personOf(session), action, subject, portalId, detail: about };
    const complain = (error: unknown) => {
      this.logger.error({ action, subject, err: error }, 'The audit row could not be written');
    };
    const id = await this.entries.record({ ...entry, outcome: follow ? 'begun' : 'done' }).catch(complain);
    if (!follow) return;
    const failed = failedSteps(await follow());
    if (id === undefined) return;
    const ending: Pick<NewAuditEntry, 'detail' | 'outcome'> =
      failed.length > 0 ? { detail: { ...about, failedSteps: failed }, outcome: 'partial' } : { detail: about };
    await this.entries.complete(id, { ...entry, ...ending }).catch(complain);
  }
}

function isInstalled(result: unknown): string {
  return isYes(fieldsOf(result)?.INSTALLED) ? 'ok' : 'not_installed';
}

function lineIsOn(result: unknown): string {
  const { STATUS, ERROR } = fieldsOf(result) ?? {};
  return STATUS === true ? 'ok' : ERROR === true ? 'line_in_error' : 'line_off';
}
