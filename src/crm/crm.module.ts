import { Module } from '@nestjs/common';
import { BitrixModule } from '../bitrix/bitrix.module.js';
import { ConnectorModule } from '../connector/connector.module.js';
import { RelayModule } from '../relay/relay.module.js';
import { CrmItems } from './entities/crm-items.client.js';
import { DialogEntitiesService } from './entities/dialog-entities.service.js';
import { ArrivalWork } from './links/arrival.work.js';
import { ArrivalsService } from './links/arrivals.service.js';
import { LinksService } from './links/links.service.js';
import { SettingsLinksController } from './links/settings-links.controller.js';
import { SendRequests } from './requests/send-requests.service.js';

/** What a portal's CRM does with a conversation: links and invitations, robots, triggers, cards. */
@Module({
  imports: [BitrixModule, ConnectorModule, RelayModule],
  controllers: [SettingsLinksController],
  providers: [ArrivalsService, ArrivalWork, CrmItems, DialogEntitiesService, LinksService, SendRequests],
  exports: [CrmItems, DialogEntitiesService, LinksService, SendRequests],
})
export class CrmModule {}
