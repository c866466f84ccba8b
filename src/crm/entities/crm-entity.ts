import type { PortalRecord } from '../../storage/accounts/portals.repository.js';

/** The types that open lines know, and their numbers in the CRM (CCrmOwnerType). */
const OF_OPEN_LINES = { lead: 1, deal: 2, contact: 3, company: 4 } as const;

export type OpenLineEntityType = keyof typeof OF_OPEN_LINES;
/** How types are written. */
export const ENTITY_TYPE = new RegExp(`^(?:${Object.keys(OF_OPEN_LINES).join('|')}|dynamic_\\d{1,9})$`);

/** `dynamic_183`: an item of the smart process 183. */
export type EntityType = OpenLineEntityType | `dynamic_${number}`;

/** Something in the CRM of a portal. */
export interface CrmEntity {
  type: EntityType;
  /** A number, as Bitrix24 writes it. */
  id: string;
}

export function isOpenLineType(type: string): type is OpenLineEntityType {
  return Object.hasOwn(OF_OPEN_LINES, type);
}

/** `entityTypeId` of crm.item.*. */
export function typeIdOf(type: EntityType): number {
  return isOpenLineType(type) ? OF_OPEN_LINES[type] : Number(type.slice('dynamic_'.length));
}

/** Whether the application may use the CRM of the portal; a portal that never told its scope is asked. */
export function mayUseCrm({ scope }: Pick<PortalRecord, 'scope'>): boolean {
  return scope === '' || scope.split(',').includes('crm');
}
