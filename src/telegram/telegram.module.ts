import { Module, type OnModuleInit } from '@nestjs/common';
import { DeliveryProblems } from '../relay/delivery-problems.js';
import { EndpointDrivers } from '../relay/endpoint-driver.js';
import { RelayModule } from '../relay/relay.module.js';
import { EndpointsRepository } from '../storage/work/endpoints.repository.js';
import { BotsRepository } from '../storage/accounts/bots.repository.js';
import { BotDriver } from './bot.driver.js';
import { BotSender } from './outbound/bot.sender.js';
import { BotHealth } from './bots/bot-health.js';
import { BotSecrets } from './bots/bot-secrets.js';
import { BotsService } from './bots/bots.service.js';
import { DefaultBot } from './bots/default-bot.js';
import { RunningBots } from './bots/running-bots.js';
import { FileSpool } from './files/file-spool.js';
import { FilesController } from './files/files.controller.js';
import { FilesService } from './files/files.service.js';
import { LineBotsService } from './bots/line-bots.service.js';
import { ClientReactionsService } from './bots/client-reactions.service.js';
import { ManagedTokens } from './manager/managed-tokens.js';
import { ManagerBotService } from './manager/manager-bot.service.js';
import { ManagerDesk } from './manager/manager-desk.js';
import { ManagerReplies } from './manager/manager-replies.js';
import { ManagerReceiver } from './manager/manager.receiver.js';
import { MediaSender } from './outbound/media.sender.js';
import { OperatorFiles } from './outbound/operator-files.js';
import { PartSender } from './outbound/part.sender.js';
import { ProfilePhotos } from './bots/profile-photos.js';
import { TELEGRAM_PROBLEMS } from './api/telegram-problems.js';
import { TelegramClient } from './api/telegram.client.js';
import { UpdatesService } from './inbound/updates.service.js';
import { WebhookController } from './inbound/webhook.controller.js';

/** Everything that knows the Bot API. */
@Module({
  imports: [RelayModule],
  controllers: [FilesController, WebhookController],
  providers: [
    BotHealth,
    BotSecrets,
    BotSender,
    BotsService,
    DefaultBot,
    FilesService,
    FileSpool,
    LineBotsService,
    ManagedTokens,
    ClientReactionsService,
    ManagerBotService,
    ManagerDesk,
    ManagerReplies,
    ManagerReceiver,
    MediaSender,
    OperatorFiles,
    PartSender,
    ProfilePhotos,
    RunningBots,
    TelegramClient,
    UpdatesService,
  ],
  exports: [BotHealth, BotsService, ClientReactionsService, LineBotsService, ManagerBotService, TelegramClient],
})
export class TelegramModule implements OnModuleInit {
  constructor(
    private readonly drivers: EndpointDrivers,
    private readonly problems: DeliveryProblems,
    private readonly running: RunningBots,
    private readonly bots: BotsRepository,
    private readonly updates: UpdatesService,
    private readonly photos: ProfilePhotos,
    private readonly sender: BotSender,
    private readonly endpoints: EndpointsRepository,
  ) {}

  onModuleInit(): void {
    this.problems.register(TELEGRAM_PROBLEMS);
    this.drivers.register(
      'bot',
      (id, held) =>
        new BotDriver(id, held, this.running, this.bots, this.updates, this.photos, this.sender, this.endpoints),
    );
  }
}
