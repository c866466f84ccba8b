import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { BitrixModule } from '../bitrix/bitrix.module.js';
import { HTTP_OPTIONS } from '../bitrix/transport.js';
import { RelayModule } from '../relay/relay.module.js';
import { EventsController } from './events.controller.js';
import { EventsService } from './events.service.js';
import { FramesService } from './frames.service.js';
import { IdentityService } from './identity.service.js';
import { InstallController } from './install.controller.js';
import { InstallService } from './install.service.js';
import { OauthCallbackService } from './oauth-callback.service.js';
import { OauthController } from './oauth.controller.js';
import { PortalLifecycleService } from './portal-lifecycle.service.js';
import { ProfileClient } from './profile.client.js';
import { RegistrationService } from './registration.service.js';
import { SettingsController } from './settings.controller.js';
import { SettingsService } from './settings.service.js';

/** Our Open Lines connector: how a portal connects, and what it tells us. */
@Module({
  imports: [BitrixModule, RelayModule, HttpModule.register(HTTP_OPTIONS)],
  // InstallController before OauthController: a HEAD route has to be known before the GET of the same path.
  controllers: [InstallController, OauthController, EventsController, SettingsController],
  providers: [
    EventsService,
    FramesService,
    IdentityService,
    InstallService,
    OauthCallbackService,
    PortalLifecycleService,
    ProfileClient,
    RegistrationService,
    SettingsService,
  ],
  exports: [RegistrationService],
})
export class ConnectorModule {}
