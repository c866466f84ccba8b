import { botEndpoint, portalEndpoint } from '../../storage/work/endpoint-id.js';
import { Injectable } from '@nestjs/common';
import { BitrixConnections } from '../../bitrix/bitrix-connections.js';
import { ApplicationsService, type Application } from '../../bitrix/applications.service.js';
import { oauthOriginOfRegion } from '../../bitrix/portal-hosts.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { BATCH_LIMIT, type CommandOutcome, type RestCommand } from '../../bitrix/rest.types.js';
import { redact } from '../../common/redact.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { within } from '../../common/within.js';
import { Environment } from '../../config/environment.js';
import {
  type LineConfig,
  LINES_METHOD,
  lineConfigsQuery,
  MOST_LINES,
  readLineConfigs,
} from '../../connector/dialogs/line-config.parser.js';
import { PortalLifecycleService } from '../../connector/install/portal-lifecycle.service.js';
import { EventBindings } from '../../connector/install/event-bindings.service.js';
import { IntakeService } from '../../relay/intake.service.js';
import {
  OverviewRepository,
  type BotFacts,
  type PortalView,
  linesOf,
} from '../../storage/history/overview.repository.js';
import { RestLimitsRepository, type Trouble, WHOLE_PORTAL } from '../../storage/work/rest-limits.repository.js';
import { SchemaService } from '../../storage/postgres/schema.service.js';
import { BotHealth } from '../../telegram/bots/bot-health.js';
import { TelegramClient } from '../../telegram/api/telegram.client.js';
import { Cached } from '../cached.js';
import { databaseCheck, intakeCheck, transactionCheck } from './database.checks.js';
import {
  answerChecks,
  botChecks,
  environmentChecks,
  handlerCheck,
  installedCheck,
  inventoryChecks,
  lineChecks,
  lineStateOf,
  portalChecks,
  queueCheck,
  reachedCheck,
  type Installation,
} from './doctor.checks.js';
import type { Check, Diagnosis } from './doctor.dto.js';
import { finding } from './finding.js';
import { type Attention, attentionCheck, clockCheck, diskCheck, disksOf, portalClockCheck } from './machine.checks.js';
import { routeChecks } from './proxy-routes.checks.js';
import { apiKindChecks, botRootChecks, rootChecks } from './telegram-roots.checks.js';
import { methodTroubleChecks, portalTroubleCheck } from './portal-trouble.checks.js';

/** How long a diagnosis is kept: asking must not cost the portals their calls. */
const KEPT_MS = 10_000;
const NETWORK_LIMIT_MS = 3_000;
/** Portals and bots that are asked over the network, each; of further ones our own tables tell. */
const MOST_ASKED = 100;
const MOST_PORTALS = 10_000;

/** What was found out, so that all callers are told what concerns them. */
export interface Examination {
  /** Of the program itself: everybody's affair, so nothing here names a portal or a bot. */
  program: Check[];
  /** Null: the database could not tell. */
  traffic: Traffic | null;
}

/** Portals and bots; portalId null: of no portal. */
interface Traffic {
  portals: PortalView[];
  bots: BotFacts[];
  parts: { portalId: bigint | null; checks: Check[] }[];
  /** Seconds for which the oldest message of a portal waits. */
  waiting: { portalId: bigint | null; seconds: number }[];
  /** Messages of a portal that wait for a person. */
  attention: ({ portalId: bigint | null } & Attention)[];
}

/** Finds out why messages do not flow. Never throws: what cannot be found out is a check that failed. */
@Injectable()
export class DoctorService {
  private readonly cached = new Cached(() => this.examine(), KEPT_MS);

  constructor(
    private readonly environment: Environment,
    private readonly overview: OverviewRepository,
    private readonly schema: SchemaService,
    private readonly bots: BotHealth,
    private readonly telegram: TelegramClient,
    private readonly rest: RestClient,
    private readonly bitrix: BitrixConnections,
    private readonly events: EventBindings,
    private readonly applications: ApplicationsService,
    private readonly lifecycle: PortalLifecycleService,
    private readonly limits: RestLimitsRepository,
    private readonly intake: IntakeService,
  ) {}

  /** At most 10 s old. With a portal: the program, that portal and its bots, as if there were no others. */
  async diagnose(portalId?: bigint): Promise<Diagnosis> {
    return diagnosis(await this.cached.get(), portalId);
  }

  private async examine(): Promise<Examination> {
    const database = await this.checkDatabase();
    if (!database.ok) return { program: [database, ...environmentChecks(this.environment, 0)], traffic: null };
    const program = [database, intakeCheck(this.intake.trouble)];
    try {
      const applications = await this.applications.list();
      const stored = applications.filter(({ id }) => id !== null).length;
      program.push(...environmentChecks(this.environment, stored));
      program.push(migrationsCheck(await this.schema.pendingMigrations()));
      const traffic = await this.examineTraffic(applications);
      // After Telegram was asked: the ways to it and its clock are as they are now.
      program.push(...(await this.checkMachine(traffic.portals)));
      return { program, traffic };
    } catch (error) {
      const broken = finding('examination', 'examination.broken', { said: describe(error) });
      return { program: [...program, broken], traffic: null };
    }
  }

  private async checkDatabase(): Promise<Check> {
    const failure = await within(NETWORK_LIMIT_MS, this.overview.ping()).then(
      () => null,
      (error: unknown) => error,
    );
    return databaseCheck(failure, describe(failure));
  }

  private async examineTraffic(applications: Application[]): Promise<Traffic> {
    const [portals, bots, idle, ill, waiting, attention, hindrances, unread, troubles] = await Promise.all([
      this.overview.portals(MOST_PORTALS),
      this.overview.bots(),
      this.overview.idleEndpoints(),
      this.overview.endpointTroubles(),
      this.overview.oldestWaitingByPortal(),
      this.overview.attention(),
      this.overview.hindrances(),
      this.overview.unreadByPortal(),
      this.limits.troubles(),
    ]);
    const parts = await Promise.all([
      ...portals.map(async (portal, place) => ({
        portalId: portal.id,
        checks: [
          ...portalChecks(
            portal,
            linesOf(portal),
            !idle.has(portalEndpoint(portal.id)),
            installationOf(portal, applications),
          ),
          ...(await this.examinePortal(portal, applications, wholePortalTrouble(portal, troubles), place < MOST_ASKED)),
          ...methodTroubleChecks(portal, troubles),
        ],
      })),
      ...bots.map(async (bot, place) => ({
        portalId: bot.portalId,
        checks: [
          ...botChecks(bot, portals, !idle.has(botEndpoint(bot.id)), ill.get(botEndpoint(bot.id))),
          ...answerChecks(
            bot,
            hindrances.find(({ botId }) => botId === bot.id),
          ),
          ...(place < MOST_ASKED ? await this.askTelegram(bot) : []),
        ],
      })),
    ]);
    return { portals, bots, parts, waiting, attention: [...attention, ...unread] };
  }

  private async checkMachine(portals: PortalView[]): Promise<Check[]> {
    const servers = oauthServers(portals, this.environment);
    const [disks, { secondsAhead, bytes }, oldest] = await Promise.all([
      disksOf(this.environment),
      within(NETWORK_LIMIT_MS, this.overview.database()),
      within(NETWORK_LIMIT_MS, this.overview.oldestTransaction()),
      // What takes longer is told the next time.
      within(NETWORK_LIMIT_MS, this.telegram.measure()).catch(() => undefined),
      within(NETWORK_LIMIT_MS, this.bitrix.measure(servers)).catch(() => undefined),
    ]);
    return [
      ...rootChecks(this.telegram.rootStates),
      ...routeChecks('Bitrix24', this.bitrix.routeStates(servers)),
      ...apiKindChecks(this.telegram.isLocalUnsaid),
      clockCheck({ database: secondsAhead, telegram: this.telegram.secondsAhead }),
      diskCheck(disks, this.environment.DATABASE_URL ? bytes : null),
      transactionCheck(oldest),
    ];
  }

  private async askTelegram(bot: BotFacts): Promise<Check[]> {
    if (bot.state === 'disabled') return [];
    const condition = await within(NETWORK_LIMIT_MS, this.bots.check(bot.id)).catch((error: unknown) => ({
      code: 'telegram_unreachable' as const,
      username: bot.username,
      detail: describe(error),
    }));
    const ownRoots = bot.apiRoot === null ? [] : botRootChecks(bot, this.telegram.rootStatesOf(bot));
    return [reachedCheck(bot, condition), ...ownRoots];
  }

  /** Of a portal that is not asked itself, the trouble that its messages met is all that is known. */
  private async examinePortal(
    portal: PortalView,
    applications: Application[],
    trouble: Trouble | null,
    ask: boolean,
  ): Promise<Check[]> {
    if (portal.state !== 'active') return [];
    if (ask) return this.askPortal(portal, applications, trouble?.since ?? null);
    return trouble ? [portalTroubleCheck(portal, applicationOf(portal, applications), trouble, trouble.since)] : [];
  }

  /** One batch per portal: its bucket of requests belongs to the messages. `since`: when its trouble began. */
  private async askPortal(portal: PortalView, applications: Application[], since: Date | null): Promise<Check[]> {
    const lines = linesOf(portal).slice(0, BATCH_LIMIT - 3);
    const commands: Record<string, RestCommand> = {
      installed: { method: 'app.info', params: {} },
      handlers: { method: 'event.get', params: {} },
      configs: { method: LINES_METHOD, params: lineConfigsQuery() },
    };
    for (const line of lines) {
      commands[`line${line}`] = { method: 'imconnector.status', params: { CONNECTOR: portal.connectorId, LINE: line } };
    }
    const named = { portal: portal.domain };
    try {
      const call = this.rest.callBatch(portal.id, commands, { timeoutMs: NETWORK_LIMIT_MS });
      const { results, time } = await within(NETWORK_LIMIT_MS, call);
      const answered = (key: string, name: string, read: (result: unknown) => Check[]): Check[] => {
        const outcome = results[key];
        if (outcome?.ok) return read(outcome.result);
        const detail = outcome ? describe(outcome.error) : 'no answer';
        const told = { ...named, method: commands[key]?.method ?? key, said: detail };
        return [finding(`portal:${portal.id}:${name}`, 'portal.refuses', told)];
      };
      const configOf = lineConfigs(results['configs']);
      await Promise.all(
        lines.map(async (line) => {
          const outcome = results[`line${line}`];
          if (outcome?.ok) await this.lifecycle.lineSeen(portal.id, line, lineStateOf(outcome.result, configOf(line)));
        }),
      );
      return [
        finding(`portal:${portal.id}:rest`, 'portal.answers', named),
        ...portalClockCheck(portal, time?.finish, Date.now()),
        ...answered('installed', 'installed', (result) => [installedCheck(portal, result)]),
        ...answered('handlers', 'handler', (result) => [handlerCheck(portal, result, this.events.handlerUrl)]),
        ...lines.flatMap((line) =>
          answered(`line${line}`, `line:${line}:connector`, (result) =>
            lineChecks(portal, line, result, configOf(line)),
          ),
        ),
      ];
    } catch (error) {
      const said = error instanceof UpstreamError ? error : { code: 'NO_ANSWER', detail: describe(error) };
      return [portalTroubleCheck(portal, applicationOf(portal, applications), said, since)];
    }
  }
}

/** What concerns the portal, or everything without one. */
export function diagnosis({ program, traffic }: Examination, portalId?: bigint): Diagnosis {
  const concerns = (part: { portalId: bigint | null }) => portalId === undefined || part.portalId === portalId;
  const checks = [...program];
  if (traffic) {
    const portals = traffic.portals.filter(({ id }) => concerns({ portalId: id }));
    const ages = traffic.waiting.filter(concerns).map(({ seconds }) => seconds);
    checks.push(
      ...inventoryChecks(portals, traffic.bots.filter(concerns)),
      ...traffic.parts.filter(concerns).flatMap((part) => part.checks),
      queueCheck(ages.length > 0 ? Math.max(...ages) : null),
      attentionCheck(traffic.attention.filter(concerns)),
    );
  }
  return { ok: checks.every(({ ok }) => ok), checks };
}

/** Finds what the portal says of a line: null when it names all of its lines, and not this one. */
function lineConfigs(outcome: CommandOutcome | undefined): (line: string) => LineConfig | null | undefined {
  if (!outcome?.ok) return () => undefined;
  const configs = readLineConfigs(outcome.result);
  // None at all: more likely the administrator of the tokens may not see them.
  const complete = configs.length > 0 && configs.length < MOST_LINES;
  return (line) => configs.find(({ lineId }) => lineId === line) ?? (complete ? null : undefined);
}

function wholePortalTrouble({ id }: PortalView, troubles: Trouble[]): Trouble | null {
  return troubles.find(({ portalId, method }) => portalId === id && method === WHOLE_PORTAL) ?? null;
}

function applicationOf({ clientId }: PortalView, applications: Application[]): Application | null {
  return applications.find((application) => application.clientId === clientId) ?? null;
}

/** Null: the application of the portal is none of ours. */
function installationOf(portal: PortalView, applications: Application[]): Installation | null {
  const application = applicationOf(portal, applications);
  if (!application) return null;
  if (application.id === null) return { path: '/b24/install?redirect=1' };
  return application.portalOrigin === null
    ? 'market'
    : { path: `/b24/install?application=${application.id}&redirect=1` };
}

/** Whatever portals there are, or are to be: tokens are renewed there, so the proxies have to lead there. */
function oauthServers(portals: PortalView[], { oauthOrigin, portalOrigin }: Environment): string[] {
  if (oauthOrigin !== undefined) return [oauthOrigin];
  const hosts = portals.filter(({ state }) => state === 'active').map(({ domain }) => domain);
  if (hosts.length === 0 && portalOrigin !== undefined) hosts.push(new URL(portalOrigin).host);
  return [...new Set(hosts.map((host) => oauthOriginOfRegion(host.replace(/:\d+$/, ''))))];
}

function migrationsCheck(pending: string[]): Check {
  return pending.length === 0
    ? finding('migrations', 'migrations.ok', {})
    : finding('migrations', 'migrations.missing', { names: pending.join(', ') });
}

function describe(error: unknown): string {
  if (error instanceof UpstreamError) return `${error.code}: ${error.detail}`;
  const { message, code } = (error ?? {}) as { message?: string; code?: string };
  return redact(message || code || 'unknown error').slice(0, 200);
}
