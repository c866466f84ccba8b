import { Injectable } from '@nestjs/common';
import { portalProblem } from '../../bitrix/bitrix-problems.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { EntityChatsRepository, type EntityChat } from '../../storage/crm/entity-chats.repository.js';
import type { CrmEntity } from '../entities/crm-entity.js';
import { findItem, type CrmCall, type CrmItem } from '../entities/crm-items.client.js';
import { chatsOf, relatedEntities } from '../entities/entity-dialogs.js';
import type { Viewer } from './frame-sessions.js';
import { sessionOver } from './frame.guard.js';

/** What a viewer may see of an entity's card. */
export interface SeenEntity {
  item: CrmItem;
  /** Our chats that belong to it, those with the newest sessions first. */
  chats: EntityChat[];
}

/** How long an answer of the portal counts for one viewer, in milliseconds: for reading, and before they write. */
const FOR_READING_MS = 300_000;
const FOR_WRITING_MS = 60_000;
/** Where there is no chat yet, somebody may be about to come. */
const NO_CHAT_MS = 15_000;
const KEPT_AT_MOST = 5_000;

interface Kept {
  at: number;
  seen: Promise<SeenEntity>;
}

/**
 * What may whoever looks see? The portal is asked with their own token, so that the rights of the CRM hold, and now and
 * then again. Every method throws {@link Problem}: `no_access` where they may not, 401 where their token is not good any
 * more, 503 where the portal does not say.
 */
@Injectable()
export class ViewerRights {
  private readonly kept = new Map<string, Kept>();

  constructor(
    private readonly rest: RestClient,
    private readonly chats: EntityChatsRepository,
  ) {}

  /** `fresh`: asked a moment ago at most, as before something is done. */
  async entity(viewer: Viewer, entity: CrmEntity, { fresh = false } = {}): Promise<SeenEntity> {
    const key = `${viewer.portalId}/${viewer.userId}/${entity.type}/${entity.id}`;
    const known = this.kept.get(key);
    const age = performance.now() - (known?.at ?? -Infinity);
    if (known && age < (fresh ? FOR_WRITING_MS : FOR_READING_MS)) {
      const seen = await known.seen;
      if (seen.chats.length > 0 || age < NO_CHAT_MS) return seen;
    }
    const seen = this.ask(viewer, entity);
    this.keep(key, { at: performance.now(), seen });
    return seen;
  }

  /** The chat of a dialog of open lines; null: it is none of ours. */
  async dialog(viewer: Viewer, bitrixChatId: string): Promise<EntityChat | null> {
    await answerFor(this.callOf(viewer)('imopenlines.dialog.get', { CHAT_ID: Number(bitrixChatId) }));
    const [chat] = await this.chats.inDialogs(viewer.portalId, [bitrixChatId]);
    return chat ?? null;
  }

  /** What others may see of the entity does not matter: what this viewer may not see is left out. */
  private async ask(viewer: Viewer, entity: CrmEntity): Promise<SeenEntity> {
    const call = this.callOf(viewer);
    const item = await answerFor(findItem(call, entity));
    if (item === null) throw noAccess();
    for (const one of [entity, ...relatedEntities(entity, item)]) {
      const chats = await answerFor(chatsOf(call, viewer.portal, one, this.chats)).catch((error: unknown) => {
        if (error instanceof Problem && error.code === 'no_access' && one !== entity) return [];
        throw error;
      });
      if (chats.length > 0) return { item, chats };
    }
    return { item, chats: [] };
  }

  private callOf({ portalId, accessToken }: Viewer): CrmCall {
    return async (method, params) => (await this.rest.callAs<unknown>(portalId, accessToken, method, params)).result;
  }

  private keep(key: string, entry: Kept): void {
    this.kept.delete(key);
    this.kept.set(key, entry);
    entry.seen.catch(() => {
      if (this.kept.get(key) === entry) this.kept.delete(key);
    });
    // The oldest stands first.
    if (this.kept.size > KEPT_AT_MOST) this.kept.delete(this.kept.keys().next().value!);
  }
}

async function answerFor<Answer>(answer: Promise<Answer>): Promise<Answer> {
  return answer.catch((error: unknown) => {
    throw error instanceof UpstreamError ? problemOf(error) : error;
  });
}

function problemOf(error: UpstreamError): Problem {
  const { remedy } = portalProblem(error.code) ?? {};
  if (remedy !== undefined) return sessionOver();
  if (/^IN(?:SUFFICIENT|VALID)_SCOPE$/i.test(error.code)) {
    return new Problem(409, 'no_crm_scope', 'The application may not use the CRM of this portal.');
  }
  if (error.kind === 'refused') return noAccess();
  return new Problem(503, 'portal_unavailable', `Bitrix24 does not answer now (${error.code}); try again later.`);
}

function noAccess(): Problem {
  return new Problem(403, 'no_access', 'This does not exist, or Bitrix24 does not show it to this employee.');
}
