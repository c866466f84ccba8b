import { Injectable, type OnModuleInit } from '@nestjs/common';
import { bitrixError } from '../../bitrix/bitrix-problems.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { Feature } from '../features/feature.js';
import { PortalFeatures } from '../features/portal-features.service.js';
import { PlacementBindings, type PlacementWish } from '../frames/placement-bindings.js';
import { CHAT_PANEL } from './chat-panel.service.js';

/** The side panel of a chat, and the panel at its input field (apidocs.bitrix24.com, widgets/im). */
const PLACES = ['IM_SIDEBAR', 'IM_TEXTAREA'];
const TITLES = { en: 'Telegram', ru: 'Telegram' };
/** In chats of open lines only; the icon is one of Font Awesome 4. */
const OPTIONS = { iconName: 'fa-paper-plane', context: 'LINES', role: 'USER', extranet: 'N', color: 'AZURE' };

/** Puts the panel beside the dialogs of portals that want it. */
@Injectable()
export class PanelPlaces implements Feature, OnModuleInit {
  readonly name = 'chat_panel';
  readonly scopes = ['placement', 'im'] as const;

  constructor(
    private readonly features: PortalFeatures,
    private readonly placements: PlacementBindings,
  ) {}

  onModuleInit(): void {
    this.features.register(this);
  }

  wish(): Promise<unknown> {
    return Promise.resolve([this.placements.address(CHAT_PANEL), TITLES, OPTIONS]);
  }

  async register(portal: PortalRecord, changed: boolean): Promise<string> {
    const offered = (await this.placements.offered(portal)).filter(isOurs);
    if (offered.length === 0) {
      throw bitrixError('refused', 'ERROR_PLACEMENT_NOT_FOUND', 'it shows no applications in chats', 'message');
    }
    const wishes = offered.map((placement): PlacementWish => ({
      placement,
      kind: CHAT_PANEL,
      titles: TITLES,
      options: OPTIONS,
    }));
    return this.placements.reconcile(portal, wishes, isOurs, changed);
  }

  async withdraw(portal: PortalRecord): Promise<void> {
    await this.placements.reconcile(portal, [], isOurs, false);
  }
}

const isOurs = (placement: string): boolean => PLACES.includes(placement);
