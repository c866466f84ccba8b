import { Injectable } from '@nestjs/common';
import { fieldsOf, idOf, scalar } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { EntityChatsRepository, type EntityChat } from '../../storage/crm/entity-chats.repository.js';
import { isOpenLineType, type CrmEntity, type OpenLineEntityType } from './crm-entity.js';
import { CrmItems, type CrmCall } from './crm-items.client.js';
import { chatsOf, relatedEntities } from './entity-dialogs.js';

/** What the CRM has of a dialog. */
export interface DialogEntities {
  /** Ids by type, those that there are. They stay when the entity was converted or deleted: look before use. */
  ids: Partial<Record<OpenLineEntityType, string>>;
  /** The one that the portal itself takes for the dialog's: the deal, else the lead, company, contact. */
  primary: CrmEntity | null;
  /** Of the session that is open; null: none is. */
  sessionId: string | null;
}

/** Most up-to-date first (yuliai/bitrix-modules, imopenlines/lib/crm.php, updateFlags). */
const PRIMARY: OpenLineEntityType[] = ['deal', 'lead', 'company', 'contact'];
/** What triggers move: of a contact or company the portal itself picks the deal (crm/lib/integration/bizproc/starter). */
const MOVABLE: OpenLineEntityType[] = ['deal', 'lead', 'contact', 'company'];
/** A lead that has become a deal stays where it is. */
const CONVERTED = 'CONVERTED';
/** Place of the session's id in entity_data_1, see dialog.reader.ts. */
const SESSION_FIELD = 5;
const KEPT_MS = 120_000;
const KEPT_AT_MOST = 5_000;

/**
 * Which entity does this dialog have, and which dialogs belong to this entity? Asked of the portal, with the rights of
 * whoever installed the application, and kept for two minutes. Throws UpstreamError.
 */
@Injectable()
export class DialogEntitiesService {
  private readonly kept = new Map<string, { until: number; value: Promise<unknown> }>();

  constructor(
    private readonly rest: RestClient,
    private readonly items: CrmItems,
    private readonly chats: EntityChatsRepository,
  ) {}

  /** Null: the portal has no such dialog. `fresh`: asked now. */
  entitiesOf(portal: PortalRecord, bitrixChatId: string, { fresh = false } = {}): Promise<DialogEntities | null> {
    return this.keep(`${portal.id}/chat/${bitrixChatId}`, fresh, () => this.askDialog(portal, bitrixChatId));
  }

  /**
   * Our chats that belong to the entity, those with the newest sessions first; finished and waiting dialogs too. Where
   * a lead, deal or item of a smart process has none itself, those of its contacts and company are meant.
   */
  chatsOf(portal: PortalRecord, entity: CrmEntity, { fresh = false } = {}): Promise<EntityChat[]> {
    return this.keep(`${portal.id}/${entity.type}/${entity.id}`, fresh, async () => {
      const own = await this.ownChats(portal, entity);
      if (own.length > 0 || entity.type === 'contact' || entity.type === 'company') return own;
      const item = await this.items.find(portal.id, entity);
      for (const other of item === null ? [] : relatedEntities(entity, item)) {
        const found = await this.ownChats(portal, other);
        if (found.length > 0) return found;
      }
      return [];
    });
  }

  /** What of the dialog a trigger is for: the first that is there, and no lead that was converted; null: nothing (yet). */
  async movable(portal: PortalRecord, bitrixChatId: string): Promise<CrmEntity | null> {
    const key = `${portal.id}/moves/${bitrixChatId}`;
    const found = await this.keep(key, false, () => this.askMovable(portal, bitrixChatId));
    if (found === null) this.kept.delete(key);
    return found;
  }

  /** Something was bound: what is kept of the portal's entities may be old. */
  forget(portalId: bigint): void {
    for (const key of this.kept.keys()) if (key.startsWith(`${portalId}/`)) this.kept.delete(key);
  }

  private async askDialog(portal: PortalRecord, bitrixChatId: string): Promise<DialogEntities | null> {
    const params = { CHAT_ID: Number(bitrixChatId) };
    try {
      const { result } = await this.rest.call<unknown>(portal.id, 'imopenlines.dialog.get', params, { yields: true });
      return readDialog(fieldsOf(result) ?? {});
    } catch (error) {
      if (error instanceof UpstreamError && error.code.toUpperCase() === 'DIALOG_NOT_FOUND') return null;
      throw error;
    }
  }

  private async askMovable(portal: PortalRecord, bitrixChatId: string): Promise<CrmEntity | null> {
    const dialog = await this.entitiesOf(portal, bitrixChatId, { fresh: true });
    for (const type of MOVABLE) {
      const id = dialog?.ids[type];
      if (id === undefined) continue;
      const item = await this.items.find(portal.id, { type, id });
      if (item !== null && !(type === 'lead' && item['stageId'] === CONVERTED)) return { type, id };
    }
    return null;
  }

  private async ownChats(portal: PortalRecord, entity: CrmEntity): Promise<EntityChat[]> {
    const call: CrmCall = async (method, params) =>
      (await this.rest.call<unknown>(portal.id, method, params, { yields: true })).result;
    return chatsOf(call, portal, entity, this.chats);
  }

  private keep<Value>(key: string, fresh: boolean, ask: () => Promise<Value>): Promise<Value> {
    const now = performance.now();
    const known = this.kept.get(key);
    if (known && known.until > now && !fresh) return known.value as Promise<Value>;
    const value = ask();
    this.kept.delete(key);
    this.kept.set(key, { until: now + KEPT_MS, value });
    value.catch(() => this.kept.delete(key));
    // The oldest stands first.
    if (this.kept.size > KEPT_AT_MOST) this.kept.delete(this.kept.keys().next().value!);
    return value;
  }
}

/** `entity_data_2` is pairs of a type and an id, 0 for none, in any order; empty where the CRM never had a part in it. */
export function readDialog(dialog: Record<string, unknown>): DialogEntities {
  const pairs = (scalar(dialog.entity_data_2) ?? '').split('|');
  const ids: DialogEntities['ids'] = {};
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const type = pairs[at]!.toLowerCase();
    const id = idOf(pairs[at + 1]);
    if (isOpenLineType(type) && id !== undefined && id !== '0') ids[type] = id;
  }
  const type = PRIMARY.find((candidate) => ids[candidate] !== undefined);
  const session = idOf((scalar(dialog.entity_data_1) ?? '').split('|')[SESSION_FIELD]);
  return {
    ids,
    primary: type === undefined ? null : { type, id: ids[type]! },
    sessionId: session === undefined || session === '0' ? null : session,
  };
}
