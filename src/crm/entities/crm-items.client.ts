import { Injectable } from '@nestjs/common';
import { elementsOf, fieldsOf, idOf } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import type { RestParams } from '../../bitrix/rest.types.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { typeIdOf, type CrmEntity } from './crm-entity.js';

/** Fields of an entity as crm.item.get names them, in camel case. */
export type CrmItem = Readonly<Record<string, unknown>>;

/** Calls a method of the CRM, on whose behalf it may be, and answers its result. Throws UpstreamError. */
export type CrmCall = (method: string, params: RestParams) => Promise<unknown>;

/** Messages go before it. */
const YIELDING = { yields: true } as const;
/** The provider of the activities that stand for sessions (crm/lib/activity/provider/openline.php). */
const SESSIONS = 'IMOPENLINES_SESSION';

/** Entities of a portal's CRM. Every method throws UpstreamError for what is no answer. */
@Injectable()
export class CrmItems {
  constructor(private readonly rest: RestClient) {}

  /** Null: it is not there, or its type is not. */
  find(portalId: bigint, entity: CrmEntity): Promise<CrmItem | null> {
    return findItem((method, params) => this.call(portalId, method, params), entity);
  }

  /** Names of the fields in camel case. */
  async update(portalId: bigint, { type, id }: CrmEntity, fields: Record<string, string>): Promise<void> {
    await this.call(portalId, 'crm.item.update', { entityTypeId: typeIdOf(type), id: Number(id), fields });
  }

  /** The activity of a session of open lines; null: the CRM has none (yet). */
  async sessionActivity(portalId: bigint, sessionId: string): Promise<string | null> {
    const filter = { PROVIDER_ID: SESSIONS, ASSOCIATED_ENTITY_ID: Number(sessionId) };
    const result = await this.call(portalId, 'crm.activity.list', { filter, select: ['ID'] });
    return idOf(fieldsOf(elementsOf(result).at(-1))?.ID) ?? null;
  }

  /** The activity is found in the card of the entity from then on. Doing it again is harmless. */
  async bindActivity(portalId: bigint, activityId: string, { type, id }: CrmEntity): Promise<void> {
    const params = { activityId: Number(activityId), entityTypeId: typeIdOf(type), entityId: Number(id) };
    await unless(/^ACTIVITY_IS_ALREADY_BOUND$/i, this.call(portalId, 'crm.activity.binding.add', params));
  }

  private async call(portalId: bigint, method: string, params: RestParams): Promise<unknown> {
    return (await this.rest.call<unknown>(portalId, method, params, YIELDING)).result;
  }
}

/** Null: it is not there, or its type is not. Throws UpstreamError. */
export async function findItem(call: CrmCall, { type, id }: CrmEntity): Promise<CrmItem | null> {
  // apidocs.bitrix24.com, crm.item.get: NOT_FOUND is said of both; other methods, and boxes, say the other of the type.
  const result = await unless(
    /^(?:NOT_FOUND|ENTITY_TYPE_NOT_SUPPORTED)$/i,
    call('crm.item.get', { entityTypeId: typeIdOf(type), id: Number(id) }),
  );
  return fieldsOf(fieldsOf(result)?.item) ?? null;
}

/** Null for a refusal with such a code. */
function unless(code: RegExp, call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: unknown) => {
    if (error instanceof UpstreamError && code.test(error.code)) return null;
    throw error;
  });
}

/** Ids of what an item names in one of these fields: a number, or a list of them; 0 and null are nobody. */
export function relatedIds(item: CrmItem, ...fields: string[]): string[] {
  const ids = fields.flatMap((field) => [item[field]].flat()).map((value) => idOf(value));
  return [...new Set(ids.filter((id) => id !== undefined && id !== '0'))] as string[];
}

/** Of a lead, deal or company its title, of a contact the name. */
export function titleOf(item: CrmItem): string {
  const said = (field: string) => (typeof item[field] === 'string' ? item[field].trim() : '');
  return said('title') || [said('name'), said('lastName')].filter(Boolean).join(' ');
}
