import { Injectable } from '@nestjs/common';
import { UpstreamError } from '../../common/upstream-error.js';
import { ClientPhonesRepository } from '../../storage/crm/client-phones.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { CrmEntity } from '../entities/crm-entity.js';
import { CrmItems } from '../entities/crm-items.client.js';
import { DialogEntitiesService } from '../entities/dialog-entities.service.js';

/** The client to whom something is to be written; or why there is nobody. */
export type Addressee = { chatId: bigint } | { missing: 'no_chat' | 'no_entity' };

/** Finds the client of an entity of the CRM, or of a phone number. */
@Injectable()
export class Addressees {
  constructor(
    private readonly dialogs: DialogEntitiesService,
    private readonly items: CrmItems,
    private readonly phones: ClientPhonesRepository,
  ) {}

  /**
   * By the dialogs of the entities first, those that can be written to before the others; then by the number; `botId`:
   * this bot's chats only. Throws UpstreamError where the portal does not say; where the application may not look into
   * the CRM, the number is left.
   */
  async find(portal: PortalRecord, entities: CrmEntity[], phone: string, botId?: bigint): Promise<Addressee> {
    for (const entity of entities) {
      const all = await withScope(this.dialogs.chatsOf(portal, entity, { fresh: true }), []);
      const chats = all.filter((chat) => botId === undefined || chat.botId === botId);
      const chat = chats.find(({ state }) => state === 'active') ?? chats[0];
      if (chat) return { chatId: chat.chatId };
    }
    const shared = await this.phones.find(portal.id, phone.replace(/\D/g, ''), botId);
    if (shared !== null) return { chatId: shared };
    const [first] = entities;
    const isGone = first && (await withScope(this.items.find(portal.id, first), {})) === null;
    return { missing: isGone ? 'no_entity' : 'no_chat' };
  }
}

/** `otherwise` where the application was not given the scope. */
async function withScope<Value>(answer: Promise<Value>, otherwise: Value): Promise<Value> {
  return answer.catch((error: unknown) => {
    if (error instanceof UpstreamError && /^IN(?:SUFFICIENT|VALID)_SCOPE$/i.test(error.code)) return otherwise;
    throw error;
  });
}
