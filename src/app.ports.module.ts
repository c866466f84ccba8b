import { Global, Module } from '@nestjs/common';
import { ConnectorModule } from './connector/connector.module.js';
import { LineOperatorsService } from './connector/dialogs/line-operators.service.js';
import { OperatorFilesClient } from './connector/dialogs/operator-files.client.js';
import { LineBots } from './relay/line-bots.js';
import { OperatorDirectory, OperatorDownloads } from './relay/operator-directory.js';
import { LineBotsService } from './telegram/bots/line-bots.service.js';
import { TelegramModule } from './telegram/telegram.module.js';

/** Gives src/telegram and src/connector what each asks of the other, as neither imports the other. */
@Global()
@Module({
  imports: [TelegramModule, ConnectorModule],
  providers: [
    { provide: LineBots, useExisting: LineBotsService },
    { provide: OperatorDirectory, useExisting: LineOperatorsService },
    { provide: OperatorDownloads, useExisting: OperatorFilesClient },
  ],
  exports: [LineBots, OperatorDirectory, OperatorDownloads],
})
export class PortsModule {}
