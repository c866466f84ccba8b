import { Injectable } from '@nestjs/common';
import { UpstreamError } from '../../common/upstream-error.js';
import { ClientPhonesRepository } from '../../storage/crm/client-phones.repository.js';
import type { EntityChat } from '../../storage/crm/entity-chats.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { CrmEntity } from '../entities/crm-entity.js';
import { CrmItems } from '../entities/crm-items.client.js';
import { DialogEntitiesService } from '../entities/dialog-entities.service.js';
import { phoneNumbersIn } from './phone-numbers.js';

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
   * By the dialogs of the entities first, those that can be written to before the others; then by the number. Throws
   * UpstreamError where the portal does not say; where the application may not look into the CRM, the number is left.
   */
  async find(portal: PortalRecord, entities: CrmEntity[], phone: string): Promise<Addressee> {
    const found = (await this.inDialogs(portal, entities)) ?? (await this.withNumber(portal, phone));
    if (found !== null) return { chatId: found };
    const [first] = entities;
    const isGone = first && (await withScope(this.items.find(portal.id, first), {})) === null;
    return { missing: isGone ? 'no_entity' : 'no_chat' };
  }

  /**
   * Whoever has this number among the clients of the bot; where nobody has shared it, the client of the entities, people
   * before what is done for them: a deal may have several clients, of whom another one is meant. Null: nobody.
   */
  async findByNumber(
    portal: PortalRecord,
    phone: string,
    entities: CrmEntity[],
    botId: bigint,
  ): Promise<bigint | null> {
    const ofBot = (chat: EntityChat) => chat.botId === botId;
    const isPerson = ({ type }: CrmEntity) => type === 'contact' || type === 'company';
    const people = entities.filter(isPerson);
    const others = entities.filter((entity) => !isPerson(entity));
    return (
      (await this.withNumber(portal, phone, botId)) ??
      (await this.inDialogs(portal, people, ofBot)) ??
      // Where somebody is named, whoever has shared another number is somebody else.
      (await this.inDialogs(portal, others, (chat) => ofBot(chat) && (people.length === 0 || chat.phone === null)))
    );
  }

  private withNumber(portal: PortalRecord, phone: string, botId?: bigint): Promise<bigint | null> {
    return this.phones.find(portal.id, phoneNumbersIn(phone), botId);
  }

  private async inDialogs(
    portal: PortalRecord,
    entities: CrmEntity[],
    fits: (chat: EntityChat) => boolean = () => true,
  ): Promise<bigint | null> {
    for (const entity of entities) {
      const chats = (await withScope(this.dialogs.chatsOf(portal, entity, { fresh: true }), [])).filter(fits);
      const chat = chats.find(({ state }) => state === 'active') ?? chats[0];
      if (chat) return chat.chatId;
    }
    return null;
  }
}

/** `otherwise` where the application was not given the scope. */
async function withScope<Value>(answer: Promise<Value>, otherwise: Value): Promise<Value> {
  return answer.catch((error: unknown) => {
    if (error instanceof UpstreamError && /^IN(?:SUFFICIENT|VALID)_SCOPE$/i.test(error.code)) return otherwise;
    throw error;
  });
}
