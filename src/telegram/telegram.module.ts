import { Module, type OnModuleInit } from '@nestjs/common';
import { ClientSide } from '../relay/client-side.js';
import { EndpointDrivers } from '../relay/endpoint-driver.js';
import { RelayModule } from '../relay/relay.module.js';
import { BotsRepository } from '../storage/bots.repository.js';
import { BotDriver } from './bot.driver.js';
import { BotSender } from './bot.sender.js';
import { BotsService } from './bots.service.js';
import { FileSpool } from './file-spool.js';
import { FilesController } from './files.controller.js';
import { FilesService } from './files.service.js';
import { LineBotsService } from './line-bots.service.js';
import { MediaSender } from './media.sender.js';
import { ProfilePhotos } from './profile-photos.js';
import { TelegramClient } from './telegram.client.js';
import { UpdatesService } from './updates.service.js';
import { WebhookController } from './webhook.controller.js';

/** Everything that knows the Bot API. */
@Module({
  imports: [RelayModule],
  controllers: [FilesController, WebhookController],
  providers: [
    BotSender,
    BotsService,
    FilesService,
    FileSpool,
    LineBotsService,
    MediaSender,
    ProfilePhotos,
    TelegramClient,
    UpdatesService,
  ],
  exports: [BotsService, TelegramClient],
})
export class TelegramModule implements OnModuleInit {
  constructor(
    private readonly drivers: EndpointDrivers,
    private readonly service: BotsService,
    private readonly bots: BotsRepository,
    private readonly updates: UpdatesService,
    private readonly photos: ProfilePhotos,
    private readonly sender: BotSender,
    private readonly clientSide: ClientSide,
    private readonly lineBots: LineBotsService,
  ) {}

  onModuleInit(): void {
    this.clientSide.register(this.lineBots);
    this.drivers.register(
      'bot',
      (id, held) => new BotDriver(id, held, this.service, this.bots, this.updates, this.photos, this.sender),
    );
  }
}
