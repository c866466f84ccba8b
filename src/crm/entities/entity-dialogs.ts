import { elementsOf, fieldsOf, idOf } from '../../bitrix/php-values.reader.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { EntityChat, EntityChatsRepository } from '../../storage/crm/entity-chats.repository.js';
import { isOpenLineType, type CrmEntity } from './crm-entity.js';
import { relatedIds, type CrmCall, type CrmItem } from './crm-items.client.js';

/**
 * Our chats that belong to the entity itself, those with the newest sessions first; finished and waiting ones too. Open
 * lines know four types: to an item of a smart process belong those whose clients came by its invitation. Throws
 * UpstreamError.
 */
export async function chatsOf(
  call: CrmCall,
  { id: portalId, connectorId }: Pick<PortalRecord, 'id' | 'connectorId'>,
  entity: CrmEntity,
  chats: EntityChatsRepository,
): Promise<EntityChat[]> {
  if (!isOpenLineType(entity.type)) return chats.invited(portalId, entity);
  return chats.inDialogs(portalId, await dialogsOf(call, connectorId, entity));
}

/** Their ids on the portal. */
async function dialogsOf(call: CrmCall, connectorId: string, { type, id }: CrmEntity): Promise<string[]> {
  // The names of these parameters count with their case.
  const params = { CRM_ENTITY_TYPE: type.toUpperCase(), CRM_ENTITY: Number(id), ACTIVE_ONLY: 'N' };
  return elementsOf(await call('imopenlines.crm.chat.get', params))
    .map(fieldsOf)
    .filter((row) => String(row?.CONNECTOR_ID).toLowerCase() === connectorId.toLowerCase())
    .flatMap((row) => idOf(row?.CHAT_ID) ?? []);
}

/** Whose dialogs are meant where a lead, deal or item of a smart process has none itself; most important first. */
export function relatedEntities({ type }: CrmEntity, item: CrmItem): CrmEntity[] {
  if (type === 'contact' || type === 'company') return [];
  return [
    ...relatedIds(item, 'contactIds', 'contactId').map((id) => ({ type: 'contact' as const, id })),
    ...relatedIds(item, 'leadId').map((id) => ({ type: 'lead' as const, id })),
    ...relatedIds(item, 'companyId').map((id) => ({ type: 'company' as const, id })),
  ];
}
