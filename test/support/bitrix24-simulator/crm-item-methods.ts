import { typeNameOf, UTM_FIELDS, type CrmRecord } from './crm-records.js';
import { isArray, portalDate, text, type Params } from './php-encoding.js';
import type { PortalUser } from './portal-model.js';
import { RestError } from './rest-error.js';
import { Page, type RestContext, type RestMethod, type RestMethods } from './rest-method.js';

const PAGE_SIZE = 50;
/** Of items whose fields hold a number in camel case answers. */
const IDS = /^(?:id|.*Id|assignedById)$/;
/** Read for the signs before a field's name in a filter. */
const OPERATOR = /^(>=|<=|!=|[!=%@><]*)(.+)$/;

/** `crm.item.*`: any type of entity, names in camel case (crm/lib/controller/item.php). */
export const CRM_ITEM_METHODS: RestMethods = {
  'crm.item.get': crm(getItem),
  'crm.item.update': crm(updateItem),
  'crm.item.list': crm(listItems),
};

function crm(run: RestMethod['run']): RestMethod {
  return { scopes: ['crm'], run };
}

/** Whether the employee's role lets them see it, and in this portal change it too. */
export function maySee(record: CrmRecord, user: PortalUser): boolean {
  return !record.hiddenFrom.has(user.id);
}

function getItem(params: Params, context: RestContext): Params {
  return { item: itemOf(itemFor(params, context), context) };
}

function updateItem(params: Params, context: RestContext): Params {
  const record = itemFor(params, context);
  if (!isArray(params['FIELDS'])) throw new RestError(400, '100', 'Could not find value for parameter {fields}');
  const fields = Object.entries(params['FIELDS']).map(([name, value]) => [upperCase(name), value]);
  context.portal.crm.records.update(record, Object.fromEntries(fields), 'rest');
  return { item: itemOf(record, context) };
}

function listItems(params: Params, context: RestContext): Page {
  const { portal, user, start } = context;
  const typeId = typeOf(params, context);
  const filter = isArray(params['FILTER']) ? params['FILTER'] : {};
  const order = isArray(params['ORDER']) ? Object.entries(params['ORDER'])[0] : undefined;
  const field = order?.[0] ?? 'id';
  const descending = text(order?.[1]).toUpperCase() === 'DESC';
  const found = portal.crm.records
    .of(typeId)
    .filter((record) => maySee(record, user))
    .map((record) => itemOf(record, context))
    .filter((item) => Object.entries(filter).every(([key, wanted]) => fits(item, key, wanted)))
    .toSorted((a, b) => (Number(a[field]) - Number(b[field])) * (descending ? -1 : 1));
  const next = start + PAGE_SIZE;
  const select = Array.isArray(params['SELECT']) ? params['SELECT'].map(text) : ['*'];
  const shown = select.includes('*') ? found : found.map((item) => pick(item, ['id', ...select]));
  return new Page({ items: shown.slice(start, next) }, found.length, next < found.length ? next : undefined);
}

function itemFor(params: Params, context: RestContext): CrmRecord {
  const typeId = typeOf(params, context);
  const record = context.portal.crm.records.find(typeId, Number(text(params['ID'])));
  if (record === undefined) throw new RestError(400, 'NOT_FOUND', 'Item not found');
  if (!maySee(record, context.user))
    throw new RestError(400, 'ACCESS_DENIED', 'You do not have permission to view this item');
  return record;
}

function typeOf(params: Params, { portal }: RestContext): number {
  const typeId = Number(text(params['ENTITYTYPEID']));
  if (typeNameOf(typeId).startsWith('DYNAMIC_') && portal.crm.records.of(typeId).length === 0)
    throw new RestError(400, 'NOT_FOUND', 'SPA not found');
  return typeId;
}

function itemOf(record: CrmRecord, { portal }: RestContext): Params {
  const own = portal.crm.records.fieldsOf(record.typeId).map((name) => {
    // One name for the stage of all types (docs, crm/universal/object-fields).
    const key = name === 'STATUS_ID' ? 'stageId' : camelCase(name);
    const value = record.fields[name];
    return [key, IDS.test(key) && !['sourceId', 'stageId'].includes(key) ? Number(value ?? 0) : (value ?? null)];
  });
  const utm = UTM_FIELDS.map((name) => [camelCase(name), record.utm[name] ?? null]);
  const fm = [
    ...record.phones.map((value) => ({ valueType: 'WORK', value, typeId: 'PHONE' })),
    ...record.emails.map((value) => ({ valueType: 'WORK', value, typeId: 'EMAIL' })),
    ...record.messengers.map((value) => ({ valueType: 'IMOL', value, typeId: 'IM' })),
  ].map((field, index) => ({ id: record.id * 10 + index, ...field }));
  const contactId = Number(record.fields['CONTACT_ID'] ?? 0);
  const multiFields = ['LEAD', 'CONTACT', 'COMPANY'].includes(typeNameOf(record.typeId));
  return {
    id: record.id,
    createdTime: portalDate(record.createdAt),
    ...Object.fromEntries(own),
    ...Object.fromEntries(utm),
    ...(multiFields ? { fm, phone: record.phones[0] ?? '', email: record.emails[0] ?? '' } : {}),
    ...(portal.crm.records.fieldsOf(record.typeId).includes('CONTACT_ID')
      ? { contactIds: contactId > 0 ? [contactId] : [] }
      : {}),
    entityTypeId: record.typeId,
  };
}

function fits(item: Params, key: string, wanted: unknown): boolean {
  const [, sign = '', name = ''] = OPERATOR.exec(key) ?? [];
  const value = text(item[name]);
  const values = [wanted].flat().map(text);
  if (sign === '>') return Number(value) > Number(values[0]);
  if (sign === '>=') return Number(value) >= Number(values[0]);
  if (sign === '<') return Number(value) < Number(values[0]);
  if (sign === '<=') return Number(value) <= Number(values[0]);
  if (sign.startsWith('!')) return !values.includes(value);
  if (sign.includes('%')) return values.some((one) => value.toLowerCase().includes(one.toLowerCase()));
  return values.includes(value);
}

function pick(item: Params, keys: string[]): Params {
  return Object.fromEntries(keys.filter((key) => key in item).map((key) => [key, item[key]]));
}

/** `utmSource` → `UTM_SOURCE`. */
function upperCase(name: string): string {
  return name.replace(/[A-Z]/g, '_$&').toUpperCase();
}

/** `UTM_SOURCE` → `utmSource`. */
function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(.)/g, (_all, letter: string) => letter.toUpperCase());
}
