import { Module } from '@nestjs/common';
import { BitrixModule } from '../bitrix/bitrix.module.js';
import { ConnectorModule } from '../connector/connector.module.js';
import { CrmModule } from '../crm/crm.module.js';
import { RelayModule } from '../relay/relay.module.js';
import { TelegramModule } from '../telegram/telegram.module.js';
import { AnswersController } from './crm/answers.controller.js';
import { ApplicationsController } from './connections/applications.controller.js';
import { AdminBotRequestsController } from './connections/bot-requests.controller.js';
import { BotsController } from './connections/bots.controller.js';
import { ChatsController } from './history/chats.controller.js';
import { ChosenPortal } from './crm/chosen-portal.js';
import { ConsoleController } from './console.controller.js';
import { FeaturesController } from './connections/features.controller.js';
import { DoctorService } from './doctor/doctor.service.js';
import { KeysController } from './access/keys.controller.js';
import { ErasuresController } from './history/erasures.controller.js';
import { ExportController } from './history/export.controller.js';
import { ExportService } from './history/export.service.js';
import { BroadcastsController } from './crm/broadcasts.controller.js';
import { LinksController } from './crm/links.controller.js';
import { LinesController } from './connections/lines.controller.js';
import { MessagesController } from './history/messages.controller.js';
import { MessagesService } from './history/messages.service.js';
import { OverviewService } from './numbers/overview.service.js';
import { PortalExaminer } from './doctor/portal-examiner.js';
import { PortalsController } from './connections/portals.controller.js';
import { RequestsController } from './connections/requests.controller.js';
import { StatisticsController } from './numbers/statistics.controller.js';
import { StatisticsService } from './numbers/statistics.service.js';
import { StatusController } from './doctor/status.controller.js';

/** REST for the people who run the service. Repositories come from the global storage module. */
@Module({
  imports: [RelayModule, BitrixModule, TelegramModule, ConnectorModule, CrmModule],
  controllers: [
    AnswersController,
    ApplicationsController,
    PortalsController,
    FeaturesController,
    RequestsController,
    LinesController,
    LinksController,
    AdminBotRequestsController,
    BroadcastsController,
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
    ChosenPortal,
    MessagesService,
    ExportService,
    OverviewService,
    StatisticsService,
    DoctorService,
    PortalExaminer,
  ],
})
export class AdminModule {}
