import { Global, Module } from '@nestjs/common';
import { ConnectorModule } from './connector/connector.module.js';
import { LineOperatorsService } from './connector/dialogs/line-operators.service.js';
import { OperatorFilesClient } from './connector/dialogs/operator-files.client.js';
import { BotManager } from './relay/bot-manager.js';
import { ClientReactions } from './relay/client-reactions.js';
import { LineBots } from './relay/line-bots.js';
import { OperatorDirectory, OperatorDownloads } from './relay/operator-directory.js';
import { ClientReactionsService } from './telegram/bots/client-reactions.service.js';
import { LineBotsService } from './telegram/bots/line-bots.service.js';
import { ManagerBotService } from './telegram/manager/manager-bot.service.js';
import { TelegramModule } from './telegram/telegram.module.js';

/** Gives src/telegram and src/connector what each asks of the other, as neither imports the other. */
@Global()
@Module({
  imports: [TelegramModule, ConnectorModule],
  providers: [
    { provide: BotManager, useExisting: ManagerBotService },
    { provide: ClientReactions, useExisting: ClientReactionsService },
    { provide: LineBots, useExisting: LineBotsService },
    { provide: OperatorDirectory, useExisting: LineOperatorsService },
    { provide: OperatorDownloads, useExisting: OperatorFilesClient },
  ],
  exports: [BotManager, ClientReactions, LineBots, OperatorDirectory, OperatorDownloads],
})
export class PortsModule {}
