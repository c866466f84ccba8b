import { Module } from '@nestjs/common';
import { AuthorNames } from './author-names.js';
import { DeliveryProblems } from './delivery-problems.js';
import { EndpointDrivers } from './endpoint-driver.js';
import { EndpointSupervisor } from './endpoint-supervisor.js';
import { ErasureService } from './erasure.service.js';
import { FileLinks } from './file-links.js';
import { IntakeService } from './intake.service.js';
import { RelayEvents } from './relay-events.js';
import { RetentionService } from './retention.service.js';
import { ReplayService } from './replay.service.js';
import { ViewingLinks } from './viewing-links.js';
import { WordIndexService } from './word-index.service.js';

/** The core: what a message is, where it goes, in which order, and what becomes of it. */
@Module({
  providers: [
    AuthorNames,
    DeliveryProblems,
    EndpointDrivers,
    EndpointSupervisor,
    ErasureService,
    FileLinks,
    IntakeService,
    RelayEvents,
    ReplayService,
    RetentionService,
    ViewingLinks,
    WordIndexService,
  ],
  exports: [
    AuthorNames,
    DeliveryProblems,
    EndpointDrivers,
    EndpointSupervisor,
    ErasureService,
    FileLinks,
    IntakeService,
    RelayEvents,
    ReplayService,
    ViewingLinks,
  ],
})
export class RelayModule {}
