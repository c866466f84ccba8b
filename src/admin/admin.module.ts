import { Module } from '@nestjs/common';
import { BitrixModule } from '../bitrix/bitrix.module.js';
import { ConnectorModule } from '../connector/connector.module.js';
import { RelayModule } from '../relay/relay.module.js';
import { TelegramModule } from '../telegram/telegram.module.js';
import { ApplicationsController } from './applications.controller.js';
import { AuthorNames } from './author-names.js';
import { BotsController } from './bots.controller.js';
import { ChatsController } from './chats.controller.js';
import { ConsoleController } from './console.controller.js';
import { DoctorService } from './doctor.service.js';
import { KeysController } from './keys.controller.js';
import { ErasuresController } from './erasures.controller.js';
import { ExportController } from './export.controller.js';
import { ExportService } from './export.service.js';
import { LinesController } from './lines.controller.js';
import { MessagesController } from './messages.controller.js';
import { MessagesService } from './messages.service.js';
import { OverviewService } from './overview.service.js';
import { PortalsController } from './portals.controller.js';
import { StatisticsController } from './statistics.controller.js';
import { StatisticsService } from './statistics.service.js';
import { StatusController } from './status.controller.js';
import { ViewingLinks } from './viewing-links.js';

/** REST for the people who run the service. Repositories come from the global storage module. */
@Module({
  imports: [RelayModule, BitrixModule, TelegramModule, ConnectorModule],
  controllers: [
    ApplicationsController,
    PortalsController,
    LinesController,
    BotsController,
    ChatsController,
    MessagesController,
    StatusController,
    ConsoleController,
    KeysController,
    ExportController,
    StatisticsController,
    ErasuresController,
  ],
  providers: [
    AuthorNames,
    MessagesService,
    ExportService,
    OverviewService,
    StatisticsService,
    DoctorService,
    ViewingLinks,
  ],
})
export class AdminModule {}
