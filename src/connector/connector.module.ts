import { HttpModule } from '@nestjs/axios';
import { Module, type OnModuleInit } from '@nestjs/common';
import { BitrixModule } from '../bitrix/bitrix.module.js';
import { HTTP_OPTIONS } from '../bitrix/transport.js';
import { RateLimiter } from '../bitrix/rate-limiter.js';
import { RestTroubles } from '../bitrix/rest-troubles.js';
import { Environment } from '../config/environment.js';
import { EndpointDrivers } from '../relay/endpoint-driver.js';
import { OperatorSide } from '../relay/operator-side.js';
import { RelayModule } from '../relay/relay.module.js';
import { PortalsRepository } from '../storage/portals.repository.js';
import { ClientFiles } from './client-files.js';
import { DialogReportSender } from './dialog-report.sender.js';
import { DialogReportsService } from './dialog-reports.service.js';
import { DialogReader } from './dialog.reader.js';
import { DialogTitles } from './dialog-titles.service.js';
import { EventsController } from './events.controller.js';
import { EventsService } from './events.service.js';
import { FramesService } from './frames.service.js';
import { IdentityService } from './identity.service.js';
import { InstallController } from './install.controller.js';
import { InstallService } from './install.service.js';
import { LineOperatorsService } from './line-operators.service.js';
import { LineSettingsService } from './line-settings.service.js';
import { OperatorFilesClient } from './operator-files.client.js';
import { OperatorsService } from './operators.service.js';
import { OauthCallbackService } from './oauth-callback.service.js';
import { OauthController } from './oauth.controller.js';
import { PortalLifecycleService } from './portal-lifecycle.service.js';
import { PortalLinesService } from './portal-lines.service.js';
import { MessengerEvents } from './messenger-events.service.js';
import { MissedMessagesService } from './missed-messages.service.js';
import { PortalDriver } from './portal.driver.js';
import { PortalSender } from './portal.sender.js';
import { ProfileClient } from './profile.client.js';
import { RefusedCalls } from './refused-calls.js';
import { RegistrationService } from './registration.service.js';
import { ServiceLinesSender } from './service-lines.sender.js';
import { SettingsApiController } from './settings-api.controller.js';
import { SettingsSessions } from './settings-sessions.js';
import { SettingsController } from './settings.controller.js';
import { SettingsService } from './settings.service.js';

/** Our Open Lines connector: how a portal connects, and what it tells us. */
@Module({
  imports: [BitrixModule, RelayModule, HttpModule.register(HTTP_OPTIONS)],
  // InstallController before OauthController: a HEAD route has to be known before the GET of the same path.
  controllers: [InstallController, OauthController, EventsController, SettingsController, SettingsApiController],
  providers: [
    EventsService,
    DialogReportSender,
    DialogReportsService,
    FramesService,
    IdentityService,
    InstallService,
    LineOperatorsService,
    LineSettingsService,
    MessengerEvents,
    MissedMessagesService,
    OauthCallbackService,
    OperatorFilesClient,
    OperatorsService,
    ClientFiles,
    DialogReader,
    DialogTitles,
    PortalSender,
    PortalLifecycleService,
    PortalLinesService,
    ProfileClient,
    RefusedCalls,
    RegistrationService,
    ServiceLinesSender,
    SettingsService,
    SettingsSessions,
  ],
  exports: [LineOperatorsService, PortalLifecycleService, PortalLinesService, RegistrationService],
})
export class ConnectorModule implements OnModuleInit {
  constructor(
    private readonly drivers: EndpointDrivers,
    private readonly portals: PortalsRepository,
    private readonly limiter: RateLimiter,
    private readonly troubles: RestTroubles,
    private readonly sender: PortalSender,
    private readonly lines: ServiceLinesSender,
    private readonly missed: MissedMessagesService,
    private readonly titles: DialogTitles,
    private readonly messengerEvents: MessengerEvents,
    private readonly environment: Environment,
    private readonly operatorSide: OperatorSide,
    private readonly operatorFiles: OperatorFilesClient,
    private readonly operators: OperatorsService,
    private readonly lineOperators: LineOperatorsService,
  ) {}

  onModuleInit(): void {
    this.operatorSide.register({
      openFile: (...asked) => this.operatorFiles.open(...asked),
      operator: (...asked) => this.operators.find(...asked),
      operatorOnLine: (...asked) => this.lineOperators.find(...asked),
    });
    this.drivers.register(
      'portal',
      (id, held) =>
        new PortalDriver(
          id,
          held,
          this.portals,
          this.limiter,
          this.troubles,
          this.sender,
          this.lines,
          this.missed,
          this.titles,
          this.messengerEvents,
          this.environment.B24_REQUESTS_PER_SECOND,
        ),
    );
  }
}
