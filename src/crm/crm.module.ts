import { Module } from '@nestjs/common';
import { BitrixModule } from '../bitrix/bitrix.module.js';
import { ConnectorModule } from '../connector/connector.module.js';
import { RelayModule } from '../relay/relay.module.js';
import { AnswersService } from './answers/answers.service.js';
import { SettingsAnswersController } from './answers/settings-answers.controller.js';
import { BroadcastFanOut } from './broadcasts/broadcast-fan-out.service.js';
import { Broadcasts } from './broadcasts/broadcasts.service.js';
import { CardController } from './cards/card.controller.js';
import { Cards } from './cards/cards.service.js';
import { CardTabs } from './cards/card-tabs.js';
import { CrmItems } from './entities/crm-items.client.js';
import { DialogEntitiesService } from './entities/dialog-entities.service.js';
import { KeptFiles } from './files/kept-files.service.js';
import { PortalFeatures } from './features/portal-features.service.js';
import { SettingsFeaturesController } from './features/settings-features.controller.js';
import { FileUploads } from './files/file-uploads.js';
import { MessageFiles } from './files/message-files.service.js';
import { FrameGuard } from './frames/frame.guard.js';
import { FrameSessions } from './frames/frame-sessions.js';
import { PlacementBindings } from './frames/placement-bindings.js';
import { PlacementsController } from './frames/placements.controller.js';
import { PortalFrames } from './frames/portal-frames.service.js';
import { ViewerNames } from './frames/viewer-names.service.js';
import { ViewerRights } from './frames/viewer-rights.service.js';
import { ArrivalWork } from './links/arrival.work.js';
import { ArrivalsService } from './links/arrivals.service.js';
import { LinksService } from './links/links.service.js';
import { SettingsLinksController } from './links/settings-links.controller.js';
import { ChatPanel } from './panel/chat-panel.service.js';
import { PanelPlaces } from './panel/panel-places.js';
import { PanelController } from './panel/panel.controller.js';
import { Addressees } from './requests/addressees.service.js';
import { PersonMessages } from './requests/person-messages.service.js';
import { PortalPosts } from './requests/portal-posts.js';
import { SendRequests } from './requests/send-requests.service.js';
import { RobotsController } from './robots/robots.controller.js';
import { Robots } from './robots/robots.service.js';
import { MessageService } from './sms/message-service.js';
import { SmsController } from './sms/sms.controller.js';
import { TriggerEvents } from './triggers/trigger-events.service.js';
import { Triggers } from './triggers/triggers.service.js';
import { TriggerWork } from './triggers/trigger.work.js';

/**
 * What a portal's CRM does with a conversation: links and invitations, robots and triggers, the message service, ready
 * answers, broadcasts, pages in its cards and chats.
 */
@Module({
  imports: [BitrixModule, ConnectorModule, RelayModule],
  controllers: [
    CardController,
    PanelController,
    PlacementsController,
    RobotsController,
    SettingsAnswersController,
    SettingsFeaturesController,
    SettingsLinksController,
    SmsController,
  ],
  providers: [
    Addressees,
    AnswersService,
    ArrivalsService,
    ArrivalWork,
    BroadcastFanOut,
    Broadcasts,
    Cards,
    CardTabs,
    ChatPanel,
    CrmItems,
    DialogEntitiesService,
    FileUploads,
    FrameGuard,
    KeptFiles,
    FrameSessions,
    LinksService,
    MessageFiles,
    MessageService,
    PanelPlaces,
    PersonMessages,
    PlacementBindings,
    PortalFeatures,
    PortalFrames,
    PortalPosts,
    Robots,
    SendRequests,
    Triggers,
    TriggerEvents,
    TriggerWork,
    ViewerNames,
    ViewerRights,
  ],
  exports: [
    AnswersService,
    Broadcasts,
    CrmItems,
    DialogEntitiesService,
    LinksService,
    MessageFiles,
    PersonMessages,
    PortalFeatures,
    SendRequests,
  ],
})
export class CrmModule {}
