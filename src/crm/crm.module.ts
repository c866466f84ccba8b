import { Module } from '@nestjs/common';
import { BitrixModule } from '../bitrix/bitrix.module.js';
import { ConnectorModule } from '../connector/connector.module.js';
import { RelayModule } from '../relay/relay.module.js';
import { SendRequests } from './requests/send-requests.service.js';

/** What a portal's CRM does with a conversation: links and invitations, robots, triggers, cards. */
@Module({
  imports: [BitrixModule, ConnectorModule, RelayModule],
  providers: [SendRequests],
  exports: [SendRequests],
})
export class CrmModule {}
