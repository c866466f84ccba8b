import { Global, Logger, Module, type Provider } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { DatabaseService } from './postgres/database.service.js';
import { openDatabase } from './postgres/database-start.js';
import { EncryptionService, parseEncryptionKeys } from './secrets/encryption.service.js';
import { adminKey, encryptionKey } from './secrets/key-file.js';
import { WaitingWorkRepository } from './history/waiting-work.repository.js';
import { MessageFilesRepository } from './crm/message-files.repository.js';
import { AccessKeysRepository } from './accounts/access-keys.repository.js';
import { BroadcastsRepository } from './crm/broadcasts.repository.js';
import { BroadcastPortionsRepository } from './intake/broadcast-portions.repository.js';
import { ArrivalsRepository } from './crm/arrivals.repository.js';
import { ApplicationsRepository } from './accounts/applications.repository.js';
import { AttachmentsRepository } from './intake/attachments.repository.js';
import { AuditRepository } from './accounts/audit.repository.js';
import { BackgroundMigrationsService } from './postgres/background-migrations.service.js';
import { BotRequestsRepository } from './accounts/bot-requests.repository.js';
import { BotsRepository } from './accounts/bots.repository.js';
import { ButtonsRepository } from './intake/buttons.repository.js';
import { ChatsRepository } from './history/chats.repository.js';
import { DecisionsRepository } from './work/decisions.repository.js';
import { DialogTitlesRepository } from './work/dialog-titles.repository.js';
import { ClientErasureRepository } from './erasure/client-erasure.repository.js';
import { DeliveryReportsRepository } from './work/delivery-reports.repository.js';
import { DialogReportsRepository } from './work/dialog-reports.repository.js';
import { EndpointsRepository } from './work/endpoints.repository.js';
import { ErasuresRepository } from './erasure/erasures.repository.js';
import { EntityChatsRepository } from './crm/entity-chats.repository.js';
import { KeptFilesRepository } from './crm/kept-files.repository.js';
import { HistoryRepository } from './history/history.repository.js';
import { IntakeRepository } from './intake/intake.repository.js';
import { LanesRepository } from './work/lanes.repository.js';
import { LinksRepository } from './crm/links.repository.js';
import { LinesRepository } from './accounts/lines.repository.js';
import { ManagerBotsRepository } from './accounts/manager-bots.repository.js';
import { ManagerRepliesRepository } from './accounts/manager-replies.repository.js';
import { CardChatsRepository } from './crm/card-chats.repository.js';
import { MessageCountsRepository } from './history/message-counts.repository.js';
import { MessagePages } from './history/message-pages.js';
import { MessageRetentionRepository } from './history/message-retention.repository.js';
import { MessageWordsRepository } from './history/message-words.repository.js';
import { OauthStatesRepository } from './accounts/oauth-states.repository.js';
import { OverviewRepository } from './history/overview.repository.js';
import { PanelChatsRepository } from './crm/panel-chats.repository.js';
import { PortalErasureRepository } from './erasure/portal-erasure.repository.js';
import { PortalViewsRepository } from './accounts/portal-views.repository.js';
import { PortalsRepository } from './accounts/portals.repository.js';
import { ReadyAnswersRepository } from './crm/ready-answers.repository.js';
import { RestLimitsRepository } from './work/rest-limits.repository.js';
import { RestRequestsRepository } from './work/rest-requests.repository.js';
import { ServerRepository } from './postgres/server.repository.js';
import { ClientPhonesRepository } from './crm/client-phones.repository.js';
import { PortalFeaturesRepository } from './crm/portal-features.repository.js';
import { TriggerEventsRepository } from './crm/trigger-events.repository.js';
import { SendRequestsRepository } from './crm/send-requests.repository.js';
import { SchemaService } from './postgres/schema.service.js';
import { StatisticsRepository } from './history/statistics.repository.js';
import { TokensRepository } from './accounts/tokens.repository.js';
import { UploadsRepository } from './work/uploads.repository.js';

/** The root key of `/admin`, which is in no table; `file` keeps it when it was made here rather than configured. */
export class AdminKey {
  constructor(
    readonly value: string,
    readonly file?: string,
  ) {}
}

/** One repository per table; each is provided and exported by {@link StorageModule}. */
const REPOSITORIES: Provider[] = [
  WaitingWorkRepository,
  AccessKeysRepository,
  MessageFilesRepository,
  ApplicationsRepository,
  ArrivalsRepository,
  AttachmentsRepository,
  AuditRepository,
  BotRequestsRepository,
  BotsRepository,
  BroadcastPortionsRepository,
  BroadcastsRepository,
  ClientPhonesRepository,
  ButtonsRepository,
  CardChatsRepository,
  ChatsRepository,
  DecisionsRepository,
  DialogTitlesRepository,
  ClientErasureRepository,
  DeliveryReportsRepository,
  DialogReportsRepository,
  EndpointsRepository,
  EntityChatsRepository,
  ErasuresRepository,
  HistoryRepository,
  IntakeRepository,
  KeptFilesRepository,
  LanesRepository,
  LinesRepository,
  LinksRepository,
  ManagerBotsRepository,
  ManagerRepliesRepository,
  MessageCountsRepository,
  MessagePages,
  MessageRetentionRepository,
  MessageWordsRepository,
  OauthStatesRepository,
  OverviewRepository,
  PanelChatsRepository,
  PortalErasureRepository,
  PortalViewsRepository,
  PortalFeaturesRepository,
  TriggerEventsRepository,
  PortalsRepository,
  ReadyAnswersRepository,
  RestLimitsRepository,
  RestRequestsRepository,
  ServerRepository,
  SchemaService,
  SendRequestsRepository,
  StatisticsRepository,
  TokensRepository,
  UploadsRepository,
];

/**
 * Everything that is kept: the database, migrated before anyone can use it, and the keys. Nest closes global modules
 * after all others, and their providers in {@link DatabaseService.onApplicationShutdown}, the last phase: whatever
 * drains in the phases before still has its database.
 */
@Global()
@Module({
  providers: [
    {
      provide: DatabaseService,
      inject: [Environment],
      useFactory: (environment: Environment) => openDatabase(environment, new Logger('Database')),
    },
    {
      provide: EncryptionService,
      inject: [Environment],
      useFactory: async (environment: Environment) => {
        const { value, file } = await encryptionKey(environment.ENCRYPTION_KEY, environment.DATA_DIR);
        if (file) new Logger('Encryption').log(`The key of stored secrets is kept in ${file}: back it up.`);
        return new EncryptionService(parseEncryptionKeys(value));
      },
    },
    {
      provide: AdminKey,
      inject: [Environment],
      useFactory: async (environment: Environment) => {
        const { value, file } = await adminKey(environment.ADMIN_API_KEY, environment.DATA_DIR);
        if (file) new Logger('Admin').log(`The bearer key of /admin is kept in ${file}.`);
        return new AdminKey(value, file);
      },
    },
    BackgroundMigrationsService,
    ...REPOSITORIES,
  ],
  exports: [DatabaseService, EncryptionService, AdminKey, ...REPOSITORIES],
})
export class StorageModule {}
