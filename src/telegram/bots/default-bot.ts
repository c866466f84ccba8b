import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Environment } from '../../config/environment.js';
import { ApplicationsRepository } from '../../storage/accounts/applications.repository.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import type { Bot } from '../../storage/prisma/client.js';
import { BotSecrets, newWebhookKey } from './bot-secrets.js';
import { RunningBots } from './running-bots.js';

/** Takes the bot of TG_BOT_TOKEN into service at the start, or brings it up to date with the environment. */
@Injectable()
export class DefaultBot implements OnApplicationBootstrap {
  private readonly logger = new Logger(DefaultBot.name);

  constructor(
    private readonly bots: BotsRepository,
    private readonly portals: PortalsRepository,
    private readonly applications: ApplicationsRepository,
    private readonly secrets: BotSecrets,
    private readonly running: RunningBots,
    private readonly environment: Environment,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { TG_BOT_TOKEN: token, B24_LINE_ID: lineId } = this.environment;
    if (!token) return;
    const bot = await this.save(token);
    await this.bots.setDefault(bot.id);
    if (bot.lineId === null && lineId) await this.adopt(lineId);
    this.running.changed(bot.id);
    // Names are only for people: the program must start even while Telegram cannot be reached.
    void this.learnName(bot);
  }

  private async save(token: string): Promise<Bot> {
    // The environment was checked: the number before the colon is the bot's Telegram id.
    const telegramId = BigInt(token.split(':', 1)[0]!);
    const { TG_USE_POLLING: polling, TG_WEBHOOK_SECRET: secret } = this.environment;
    const fields = {
      token: this.secrets.sealToken(telegramId, token),
      webhookSecret: secret ? this.secrets.sealWebhookSecret(telegramId, secret) : null,
      mode: polling ? ('polling' as const) : ('webhook' as const),
    };
    const known = await this.bots.findByTelegramId(telegramId);
    if (known) return this.bots.update(known.id, fields);
    return this.bots.create({ ...fields, telegramId, key: newWebhookKey() }).catch(async (error: unknown) => {
      // Another replica did so at the same moment.
      const other = await this.bots.findByTelegramId(telegramId);
      if (!other) throw error;
      return other;
    });
  }

  /** B24_LINE_ID is a line of a portal of B24_CLIENT_ID: other applications have lines of their own. */
  private async adopt(lineId: string): Promise<void> {
    const others = new Set((await this.applications.list()).map(({ clientId }) => clientId));
    const portals = (await this.portals.list()).filter(
      ({ state, clientId }) => state !== 'uninstalled' && !others.has(clientId),
    );
    const { portalOrigin } = this.environment;
    const portal =
      portals.find((candidate) => portalOrigin && new URL(candidate.clientEndpoint).origin === portalOrigin) ??
      (portals.length === 1 ? portals[0] : undefined);
    if (portal) await this.bots.adoptUnassigned(portal.id, lineId);
  }

  private async learnName(bot: Bot): Promise<void> {
    try {
      const me = await this.running.open(bot).api.calls.getMe();
      await this.bots.update(bot.id, { username: me.username, name: me.first_name });
    } catch (error) {
      this.logger.warn({ botId: String(bot.id), err: error }, 'getMe of the default bot failed');
    }
  }
}
