import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { FeatureName } from '../../storage/crm/portal-features.repository.js';
import type { Feature } from '../features/feature.js';
import { PortalFeatures } from '../features/portal-features.service.js';
import { PlacementBindings, type PlacementWish } from '../frames/placement-bindings.js';
import { CARD } from './cards.service.js';

const TITLES = { en: 'Telegram', ru: 'Telegram' };

/** Tabs that portals choose separately. */
const TABS: { name: FeatureName; isOurs: (placement: string) => boolean }[] = [
  { name: 'card', isOurs: (name) => /^CRM_(?:LEAD|DEAL|CONTACT|COMPANY)_DETAIL_TAB$/.test(name) },
  { name: 'card_processes', isOurs: (name) => /^CRM_DYNAMIC_\d+_DETAIL_TAB$/.test(name) },
];

/** Puts the tab into the cards of the portals that want it; into those of new smart processes when it is looked at again. */
@Injectable()
export class CardTabs implements OnModuleInit {
  constructor(
    private readonly features: PortalFeatures,
    private readonly placements: PlacementBindings,
  ) {}

  onModuleInit(): void {
    for (const { name, isOurs } of TABS) this.features.register(this.feature(name, isOurs));
  }

  private feature(name: FeatureName, isOurs: (placement: string) => boolean): Feature {
    const { placements } = this;
    const wishes = async (portal: PortalRecord): Promise<PlacementWish[]> =>
      (await placements.offered(portal)).filter(isOurs).map((placement) => ({ placement, kind: CARD, titles: TITLES }));
    return {
      name,
      scopes: ['placement', 'crm'],
      wish: () => Promise.resolve([placements.address(CARD), TITLES]),
      register: async (portal, changed) => placements.reconcile(portal, await wishes(portal), isOurs, changed),
      withdraw: async (portal) => {
        await placements.reconcile(portal, [], isOurs, false);
      },
    };
  }
}
