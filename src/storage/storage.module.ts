import { Global, Logger, Module, type Provider } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { DatabaseService } from './database.service.js';
import { openDatabase } from './database-start.js';
import { EncryptionService, parseEncryptionKeys } from './encryption.service.js';
import { adminKey, encryptionKey } from './key-file.js';
import { AccessKeysRepository } from './access-keys.repository.js';
import { ApplicationsRepository } from './applications.repository.js';
import { AttachmentsRepository } from './attachments.repository.js';
import { AuditRepository } from './audit.repository.js';
import { BackgroundMigrationsService } from './background-migrations.service.js';
import { BotsRepository } from './bots.repository.js';
import { ChatsRepository } from './chats.repository.js';
import { DialogTitlesRepository } from './dialog-titles.repository.js';
import { ClientErasureRepository } from './client-erasure.repository.js';
import { DialogReportsRepository } from './dialog-reports.repository.js';
import { EndpointsRepository } from './endpoints.repository.js';
import { ErasuresRepository } from './erasures.repository.js';
import { HistoryRepository } from './history.repository.js';
import { IntakeRepository } from './intake.repository.js';
import { LanesRepository } from './lanes.repository.js';
import { LinesRepository } from './lines.repository.js';
import { MessageCountsRepository } from './message-counts.repository.js';
import { MessageRetentionRepository } from './message-retention.repository.js';
import { MessageWordsRepository } from './message-words.repository.js';
import { OauthStatesRepository } from './oauth-states.repository.js';
import { OverviewRepository } from './overview.repository.js';
import { PortalErasureRepository } from './portal-erasure.repository.js';
import { PortalsRepository } from './portals.repository.js';
import { RestLimitsRepository } from './rest-limits.repository.js';
import { SchemaService } from './schema.service.js';
import { StatisticsRepository } from './statistics.repository.js';
import { TokensRepository } from './tokens.repository.js';
import { UploadsRepository } from './uploads.repository.js';

/** The root key of `/admin`, which is in no table; `file` keeps it when it was made here rather than configured. */
export class AdminKey {
  constructor(
    readonly value: string,
    readonly file?: string,
  ) {}
}

/** One repository per table; each is provided and exported by {@link StorageModule}. */
const REPOSITORIES: Provider[] = [
  AccessKeysRepository,
  ApplicationsRepository,
  AttachmentsRepository,
  AuditRepository,
  BotsRepository,
  ChatsRepository,
  DialogTitlesRepository,
  ClientErasureRepository,
  DialogReportsRepository,
  EndpointsRepository,
  ErasuresRepository,
  HistoryRepository,
  IntakeRepository,
  LanesRepository,
  LinesRepository,
  MessageCountsRepository,
  MessageRetentionRepository,
  MessageWordsRepository,
  OauthStatesRepository,
  OverviewRepository,
  PortalErasureRepository,
  PortalsRepository,
  RestLimitsRepository,
  SchemaService,
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
