import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Problem } from '../../common/problem.js';
import { languageOf } from '../../common/language.js';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { drain, WakeableLoop } from '../../common/wakeable-loop.js';
import { Environment } from '../../config/environment.js';
import { BotManager } from '../../relay/bot-manager.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { BotRequestsRepository, type PlacedRequest } from '../../storage/accounts/bot-requests.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { BotConnections } from './bot-connections.service.js';
import { managerProblem } from './bot-request.problems.js';

/** What another replica committed is found after so long. */
const LOOK_MS = 2_000;
const CLAIMED_AT_ONCE = 10;
const DRAIN_MS = 2_000;
const HOUR_MS = 3_600_000;
/** Between two tries, as often as there were tries. */
const AGAIN_MS = 2_000;
const LONGEST_AGAIN_MS = 60_000;

/**
 * Connects bots that people made through the manager bot, each to the line of its request, as a pasted token would, and
 * tells whoever made it. Every replica may do it, and any step may be repeated. One request's trouble is its own.
 */
@Injectable()
export class MadeBots implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(MadeBots.name);
  private readonly underWay = new Set<Promise<void>>();
  private readonly loop = new WakeableLoop({
    look: () => this.look(),
    onError: (error) => {
      const level = isStorageUnavailable(error) ? 'debug' : 'error';
      this.logger[level]({ err: error }, 'Requests for bots could not be looked through; trying again');
    },
    everyMs: LOOK_MS,
  });

  constructor(
    private readonly requests: BotRequestsRepository,
    private readonly portals: PortalsRepository,
    private readonly manager: BotManager,
    private readonly connections: BotConnections,
    private readonly environment: Environment,
    relay: RelayEvents,
  ) {
    relay.on('managedBots', () => this.loop.wake());
  }

  onApplicationBootstrap(): void {
    if (this.environment.managerBotId !== undefined) this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    await drain(this.underWay, DRAIN_MS);
  }

  @Interval(HOUR_MS)
  async forgetOld(): Promise<void> {
    await this.requests.forget().catch((error: unknown) => {
      this.logger.warn({ err: error }, 'Old requests for bots could not be forgotten; trying again in an hour');
    });
  }

  private async look(): Promise<void> {
    const room = CLAIMED_AT_ONCE - this.underWay.size;
    if (room <= 0) return;
    const claimed = await this.requests.claim(room);
    for (const request of claimed) {
      const done: Promise<void> = this.work(request)
        .catch((error: unknown) => {
          this.logger.warn({ requestId: String(request.id), err: error }, 'A made bot waits; trying again');
        })
        .finally(() => this.underWay.delete(done));
      this.underWay.add(done);
    }
  }

  private async work(request: PlacedRequest): Promise<void> {
    if (request.state === 'made') await this.connect(request);
    else await this.tell(request);
  }

  private async connect(request: PlacedRequest): Promise<void> {
    const error = await this.tryToConnect(request);
    if (error === null || error instanceof Problem) {
      const isLater = error !== null && (error.getStatus() >= 500 || error.code === 'too_many_requests');
      if (isLater && request.expiresAt.getTime() > Date.now()) {
        return this.requests.postpone(request, againMs(request), error.code);
      }
      await this.requests.finish(request.id, error && error.code);
      this.loop.wake();
      return;
    }
    // The portal, or the database: what is wrong is in the log, and passes; or it is a mistake of ours.
    if (request.expiresAt.getTime() > Date.now())
      await this.requests.postpone(request, againMs(request), 'internal_error');
    else await this.requests.finish(request.id, 'internal_error');
    throw error;
  }

  /** Null: the bot serves the line, whether by this try or one before it. */
  private async tryToConnect(request: PlacedRequest): Promise<unknown> {
    const { portalId, lineId, createdBy: actor } = request;
    try {
      const portal = await this.portals.findById(portalId);
      if (!portal || portal.state === 'uninstalled') return new Problem(403, 'portal_gone', 'The portal is gone.');
      const token = await this.manager.token(request.botTelegramId!);
      await this.connections.connect({ portalId, lineId, actor }, { token, mode: 'polling', move: false });
      return null;
    } catch (error) {
      return managerProblem(error);
    }
  }

  private async tell(request: PlacedRequest): Promise<void> {
    const { id, personId, state, error, lineName, lineId, portal, botUsername } = request;
    if (personId !== null) {
      const bot = botUsername === null ? null : `@${botUsername}`;
      const outcome = { language: languageOf(request.language), bot, error: state === 'failed' ? error : null };
      await this.manager.tell({ requestId: id, personId, ...outcome, lineName, lineId, portal });
    }
    await this.requests.told(id);
  }
}

const againMs = ({ attempts }: PlacedRequest) => Math.min(AGAIN_MS * attempts, LONGEST_AGAIN_MS);
