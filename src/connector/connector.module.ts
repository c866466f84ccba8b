import { Module, type OnModuleInit } from '@nestjs/common';
import { BITRIX_PROBLEMS } from '../bitrix/bitrix-problems.js';
import { BitrixModule } from '../bitrix/bitrix.module.js';
import { RateLimiter } from '../bitrix/rate-limiter.js';
import { RestTroubles } from '../bitrix/rest-troubles.js';
import { Environment } from '../config/environment.js';
import { DeliveryProblems } from '../relay/delivery-problems.js';
import { EndpointDrivers } from '../relay/endpoint-driver.js';
import { RelayModule } from '../relay/relay.module.js';
import { PortalsRepository } from '../storage/accounts/portals.repository.js';
import { ClientFiles } from './dialogs/client-files.js';
import { DialogReportSender } from './dialogs/dialog-report.sender.js';
import { DeliveryReportsService } from './dialogs/delivery-reports.service.js';
import { DialogReportsService } from './dialogs/dialog-reports.service.js';
import { DialogReader } from './dialogs/dialog.reader.js';
import { DialogTitles } from './dialogs/dialog-titles.service.js';
import { EventsController } from './events/events.controller.js';
import { EventSenders } from './events/event-senders.js';
import { EventsService } from './events/events.service.js';
import { AuthorisationService } from './install/authorisation.service.js';
import { BotAdoption } from './install/bot-adoption.service.js';
import { EventBindings } from './install/event-bindings.service.js';
import { LineConnections } from './install/line-connections.service.js';
import { FramesService } from './install/frames.service.js';
import { IdentityService } from './install/identity.service.js';
import { InstallController } from './install.controller.js';
import { InstalledPortals } from './install/installed-portals.service.js';
import { InstallService } from './install/install.service.js';
import { LineOperatorsService } from './dialogs/line-operators.service.js';
import { BotConnections } from './settings/bot-connections.service.js';
import { BotRequestsController } from './settings/bot-requests.controller.js';
import { BotRequestsService } from './settings/bot-requests.service.js';
import { LineSettingsService } from './settings/line-settings.service.js';
import { OperatorFilesClient } from './dialogs/operator-files.client.js';
import { OperatorNotes } from './dialogs/operator-notes.js';
import { OperatorsService } from './dialogs/operators.service.js';
import { OauthCallbackService } from './install/oauth-callback.service.js';
import { OauthController } from './oauth.controller.js';
import { PortalLifecycleService } from './install/portal-lifecycle.service.js';
import { PortalLinesService } from './install/portal-lines.service.js';
import { MessengerEvents } from './events/messenger-events.service.js';
import { OperatorReactions } from './events/operator-reactions.service.js';
import { MissedMessagesService } from './events/missed-messages.service.js';
import { PortalDriver } from './portal.driver.js';
import { PortalSender } from './dialogs/portal.sender.js';
import { PreparedMessages } from './dialogs/prepared-messages.js';
import { ProfileClient } from './install/profile.client.js';
import { RefusedCalls } from './dialogs/refused-calls.js';
import { RegistrationService } from './install/registration.service.js';
import { ServiceLinesSender } from './dialogs/service-lines.sender.js';
import { MadeBots } from './settings/made-bots.service.js';
import { SettingsApiController } from './settings/settings-api.controller.js';
import { SettingsAudit } from './settings/settings-audit.js';
import { SettingsSessions } from './settings/settings-sessions.js';
import { SettingsController } from './settings/settings.controller.js';
import { SettingsService } from './settings/settings.service.js';

/** Our Open Lines connector: how a portal connects, and what it tells us. */
@Module({
  imports: [BitrixModule, RelayModule],
  // InstallController before OauthController: a HEAD route has to be known before the GET of the same path.
  controllers: [
    InstallController,
    OauthController,
    EventsController,
    SettingsController,
    SettingsApiController,
    BotRequestsController,
  ],
  providers: [
    EventSenders,
    EventsService,
    DialogReportSender,
    DeliveryReportsService,
    DialogReportsService,
    FramesService,
    IdentityService,
    AuthorisationService,
    InstalledPortals,
    InstallService,
    LineOperatorsService,
    LineSettingsService,
    MadeBots,
    MessengerEvents,
    OperatorReactions,
    MissedMessagesService,
    OauthCallbackService,
    OperatorFilesClient,
    OperatorsService,
    ClientFiles,
    DialogReader,
    DialogTitles,
    OperatorNotes,
    PortalSender,
    PreparedMessages,
    PortalLifecycleService,
    PortalLinesService,
    ProfileClient,
    RefusedCalls,
    BotAdoption,
    BotConnections,
    BotRequestsService,
    EventBindings,
    LineConnections,
    RegistrationService,
    ServiceLinesSender,
    SettingsAudit,
    SettingsService,
    SettingsSessions,
  ],
  exports: [
    BotRequestsService,
    EventBindings,
    FramesService,
    IdentityService,
    LineConnections,
    LineOperatorsService,
    OperatorFilesClient,
    PortalLifecycleService,
    PortalLinesService,
    RegistrationService,
    SettingsSessions,
  ],
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
    private readonly problems: DeliveryProblems,
  ) {}

  onModuleInit(): void {
    this.problems.register(BITRIX_PROBLEMS);
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
