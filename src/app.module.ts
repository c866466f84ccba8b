import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { AdminModule } from './admin/admin.module.js';
import { PortsModule } from './app.ports.module.js';
import { BitrixModule } from './bitrix/bitrix.module.js';
import { ConfigModule } from './config/config.module.js';
import { ConnectorModule } from './connector/connector.module.js';
import { CrmModule } from './crm/crm.module.js';
import { ObservabilityModule } from './observability/observability.module.js';
import { RelayModule } from './relay/relay.module.js';
import { StorageModule } from './storage/storage.module.js';
import { TelegramModule } from './telegram/telegram.module.js';

/** The rooms of the program. */
@Module({
  imports: [
    ConfigModule,
    ScheduleModule.forRoot(),
    StorageModule,
    RelayModule,
    BitrixModule,
    TelegramModule,
    ConnectorModule,
    PortsModule,
    CrmModule,
    AdminModule,
    ObservabilityModule,
  ],
})
export class AppModule {}
