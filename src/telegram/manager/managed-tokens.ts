import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { WakeableLoop } from '../../common/wakeable-loop.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { AuditRepository } from '../../storage/accounts/audit.repository.js';
import { type ClaimedToken, ManagerBotsRepository } from '../../storage/accounts/manager-bots.repository.js';
import { PROGRAM } from '../../storage/postgres/audit-entries.js';
import { BotSecrets } from '../bots/bot-secrets.js';
import { BotsService } from '../bots/bots.service.js';
import { ManagerBotService } from './manager-bot.service.js';

const LOOK_MS = 10_000;
const CLAIMED_AT_ONCE = 5;

/**
 * Keeps the tokens of bots that a manager bot manages: when Telegram says that one changed, or refuses it, the new one is
 * asked for, so that nobody has to copy it. Every replica may do it.
 */
@Injectable()
export class ManagedTokens implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ManagedTokens.name);
  private readonly loop = new WakeableLoop({
    look: () => this.look(),
    onError: (error) => {
      const level = isStorageUnavailable(error) ? 'debug' : 'error';
      this.logger[level]({ err: error }, 'Tokens of managed bots could not be looked after; trying again');
    },
    everyMs: LOOK_MS,
  });

  constructor(
    private readonly manager: ManagerBotService,
    private readonly managers: ManagerBotsRepository,
    private readonly bots: BotsService,
    private readonly secrets: BotSecrets,
    private readonly entries: AuditRepository,
    relay: RelayEvents,
  ) {
    relay.on('managedBots', () => this.loop.wake());
  }

  onApplicationBootstrap(): void {
    if (this.manager.identity) this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
  }

  private async look(): Promise<void> {
    const claimed = await this.managers.claimTokens(this.manager.identity!.telegramId, CLAIMED_AT_ONCE);
    for (const bot of claimed) {
      if (this.loop.signal.aborted) return;
      await this.refresh(bot);
    }
    if (claimed.length === CLAIMED_AT_ONCE) this.loop.wake();
  }

  /** One bot's trouble is not another's. A try that comes to no end is made again once its claim is over. */
  private async refresh(bot: ClaimedToken): Promise<void> {
    const about = { botId: String(bot.id) };
    try {
      const token = await this.manager.token(bot.telegramId);
      if (token !== this.secrets.openToken(bot)) {
        await this.bots.update(bot.id, { token });
        await this.entries.record({
          actor: PROGRAM,
          action: 'bot.token',
          subject: `bot:${bot.id}`,
          portalId: bot.portalId,
          detail: {},
        });
        this.logger.log(about, 'A managed bot has a new token');
      }
      await this.managers.tokenAsked(bot);
    } catch (error) {
      if (error instanceof UpstreamError && error.kind === 'refused') {
        this.logger.warn({ ...about, code: error.code }, 'The manager bot is not given the token of a bot');
        return this.managers.tokenAsked(bot);
      }
      if (!(error instanceof UpstreamError || error instanceof Problem)) throw error;
      this.logger.warn({ ...about, err: error }, 'The token of a managed bot could not be renewed; trying again');
    }
  }
}
