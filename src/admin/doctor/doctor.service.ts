import { Injectable } from '@nestjs/common';
import { BitrixConnections } from '../../bitrix/bitrix-connections.js';
import { ApplicationsService, type Application } from '../../bitrix/applications.service.js';
import { oauthOriginOfRegion } from '../../bitrix/portal-hosts.js';
import { within } from '../../common/within.js';
import { Environment } from '../../config/environment.js';
import { IntakeService } from '../../relay/intake.service.js';
import { linesOf, type PortalView, PortalViewsRepository } from '../../storage/accounts/portal-views.repository.js';
import { OverviewRepository, type BotFacts } from '../../storage/history/overview.repository.js';
import { WaitingWorkRepository } from '../../storage/history/waiting-work.repository.js';
import { PortalFeaturesRepository } from '../../storage/crm/portal-features.repository.js';
import { SchemaService } from '../../storage/postgres/schema.service.js';
import { ServerRepository } from '../../storage/postgres/server.repository.js';
import { botEndpoint, portalEndpoint } from '../../storage/work/endpoint-id.js';
import { EndpointsRepository } from '../../storage/work/endpoints.repository.js';
import { RestLimitsRepository, type Trouble, WHOLE_PORTAL } from '../../storage/work/rest-limits.repository.js';
import { TelegramClient } from '../../telegram/api/telegram.client.js';
import { BotHealth } from '../../telegram/bots/bot-health.js';
import { ManagerBotService } from '../../telegram/manager/manager-bot.service.js';
import { Cached } from '../cached.js';
import { databaseCheck, intakeCheck, transactionCheck } from './database.checks.js';
import { describeError } from './describe-error.js';
import {
  answerChecks,
  botChecks,
  environmentChecks,
  portalChecks,
  reachedCheck,
  type Installation,
} from './doctor.checks.js';
import type { Check, Diagnosis } from './doctor.dto.js';
import { diagnosis, type Examination, type Traffic } from './examination.js';
import { finding } from './finding.js';
import { clockCheck, diskCheck, disksOf } from './machine.checks.js';
import { applicationOf, PortalExaminer } from './portal-examiner.js';
import { managerChecks } from './manager.checks.js';
import { methodTroubleChecks } from './portal-trouble.checks.js';
import { featureChecks } from './feature.checks.js';
import { routeChecks } from './proxy-routes.checks.js';
import { apiKindChecks, botRootChecks, rootChecks } from './telegram-roots.checks.js';

/** How long a diagnosis is kept: asking must not cost the portals their calls. */
const KEPT_MS = 10_000;
const NETWORK_LIMIT_MS = 3_000;
/** Portals and bots that are asked over the network, each; of further ones our own tables tell. */
const MOST_ASKED = 100;
const MOST_PORTALS = 10_000;

/** Finds out why messages do not flow. Never throws: what cannot be found out is a check that failed. */
@Injectable()
export class DoctorService {
  private readonly cached = new Cached(() => this.examine(), KEPT_MS);

  constructor(
    private readonly environment: Environment,
    private readonly overview: OverviewRepository,
    private readonly portals: PortalViewsRepository,
    private readonly waiting: WaitingWorkRepository,
    private readonly endpoints: EndpointsRepository,
    private readonly server: ServerRepository,
    private readonly schema: SchemaService,
    private readonly bots: BotHealth,
    private readonly telegram: TelegramClient,
    private readonly bitrix: BitrixConnections,
    private readonly examiner: PortalExaminer,
    private readonly applications: ApplicationsService,
    private readonly limits: RestLimitsRepository,
    private readonly intake: IntakeService,
    private readonly features: PortalFeaturesRepository,
    private readonly manager: ManagerBotService,
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
      program.push(...managerChecks(await this.manager.state(), Date.now()));
      const traffic = await this.examineTraffic(applications);
      // After Telegram was asked: the ways to it and its clock are as they are now.
      program.push(...(await this.checkMachine(traffic.portals)));
      return { program, traffic };
    } catch (error) {
      const broken = finding('examination', 'examination.broken', { said: describeError(error) });
      return { program: [...program, broken], traffic: null };
    }
  }

  private async checkDatabase(): Promise<Check> {
    const failure = await within(NETWORK_LIMIT_MS, this.server.ping()).then(
      () => null,
      (error: unknown) => error,
    );
    return databaseCheck(failure, describeError(failure));
  }

  private async examineTraffic(applications: Application[]): Promise<Traffic> {
    const [portals, bots, idle, ill, waiting, attention, hindrances, unread, troubles, lacking] = await Promise.all([
      this.portals.portals(MOST_PORTALS),
      this.overview.bots(),
      this.endpoints.idleEndpoints(),
      this.endpoints.endpointTroubles(),
      this.waiting.oldestWaitingByPortal(),
      this.overview.attention(),
      this.waiting.hindrances(),
      this.overview.unreadByPortal(),
      this.limits.troubles(),
      this.features.lacking(),
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
          ...(await this.examiner.examine(
            portal,
            applications,
            wholePortalTrouble(portal, troubles),
            place < MOST_ASKED,
          )),
          ...methodTroubleChecks(portal, troubles),
          ...featureChecks(portal, lacking),
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
      within(NETWORK_LIMIT_MS, this.server.clockAndSize()),
      within(NETWORK_LIMIT_MS, this.server.oldestTransaction()),
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
      detail: describeError(error),
    }));
    const ownRoots = bot.apiRoot === null ? [] : botRootChecks(bot, this.telegram.rootStatesOf(bot));
    return [reachedCheck(bot, condition), ...ownRoots];
  }
}

function wholePortalTrouble({ id }: PortalView, troubles: Trouble[]): Trouble | null {
  return troubles.find(({ portalId, method }) => portalId === id && method === WHOLE_PORTAL) ?? null;
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
