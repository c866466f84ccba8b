import { maySee } from './crm-item-methods.js';
import { CRM_TYPES, UTM_FIELDS, type CrmRecord, type CrmStatus, type CrmTypeName } from './crm-records.js';
import { isArray, isEmpty, portalDate, text, upperKeys, type Params } from './php-encoding.js';
import { RestError } from './rest-error.js';
import { Page, type RestContext, type RestMethods } from './rest-method.js';

const OF_TYPES = (Object.keys(CRM_TYPES) as CrmTypeName[]).flatMap((type) => {
  const name = `crm.${type.toLowerCase()}`;
  return [
    [`${name}.get`, { scopes: ['crm'], run: (params, context) => row(recordFor(type, params, context)) }],
    [`${name}.update`, { scopes: ['crm'], run: (params, context) => update(type, params, context) }],
  ] satisfies [string, RestMethods[string]][];
});

/** `crm.lead.*`, `crm.deal.*`, `crm.contact.*`, `crm.company.*`, and the directories (apidocs.bitrix24.com, CRM). */
export const CRM_RECORD_METHODS: RestMethods = {
  ...Object.fromEntries(OF_TYPES),
  'crm.status.list': { scopes: ['crm'], run: listStatuses },
  'crm.status.add': { scopes: ['crm'], run: addStatus },
};

/** Errors of these methods have no code, only words (crm/classes/general/restservice.php throws them without one). */
function refusal(words: string): RestError {
  return new RestError(400, '', words);
}

function recordFor(type: CrmTypeName, params: Params, { portal, user }: RestContext): CrmRecord {
  const id = Number(text(params['ID']));
  if (!Number.isInteger(id) || id <= 0) throw refusal('ID is not defined or invalid.');
  const record = portal.crm.records.find(type, id);
  if (record === undefined) throw refusal('Not found');
  if (!maySee(record, user)) throw refusal('Access denied.');
  return record;
}

function update(type: CrmTypeName, params: Params, context: RestContext): true {
  const record = recordFor(type, params, context);
  if (!isArray(params['FIELDS'])) throw refusal("Parameter 'fields' must be array.");
  context.portal.crm.records.update(record, upperKeys(params['FIELDS']), 'rest');
  return true;
}

/** Every value a text or null. */
function row(record: CrmRecord): Params {
  const fields = Object.entries(record.fields).map(([name, value]) => [name, isEmpty(value) ? null : text(value)]);
  const several = (values: string[], type: string, kind: string): Params[] =>
    values.map((value, index) => ({
      ID: String(record.id * 10 + index),
      VALUE_TYPE: kind,
      VALUE: value,
      TYPE_ID: type,
    }));
  return {
    ID: String(record.id),
    ...Object.fromEntries(fields),
    ...Object.fromEntries(UTM_FIELDS.map((name) => [name, record.utm[name] ?? null])),
    DATE_CREATE: portalDate(record.createdAt),
    HAS_PHONE: record.phones.length > 0 ? 'Y' : 'N',
    HAS_EMAIL: record.emails.length > 0 ? 'Y' : 'N',
    HAS_IMOL: record.messengers.length > 0 ? 'Y' : 'N',
    ...(record.phones.length > 0 ? { PHONE: several(record.phones, 'PHONE', 'WORK') } : {}),
    ...(record.emails.length > 0 ? { EMAIL: several(record.emails, 'EMAIL', 'WORK') } : {}),
    ...(record.messengers.length > 0 ? { IM: several(record.messengers, 'IM', 'IMOL') } : {}),
  };
}

function listStatuses(params: Params, { portal }: RestContext): Page {
  const filter = isArray(params['FILTER']) ? upperKeys(params['FILTER']) : {};
  const rows = portal.crm.records.statuses
    .map(statusRow)
    .filter((status) =>
      Object.entries(filter).every(([key, wanted]) => [wanted].flat().map(text).includes(text(status[key]))),
    );
  return new Page(rows, rows.length);
}

function addStatus(params: Params, { portal, user }: RestContext): number {
  if (!user.admin) throw refusal('Access denied.');
  if (!isArray(params['FIELDS'])) throw refusal("Parameter 'fields' must be array.");
  const { ENTITY_ID, STATUS_ID, NAME, SORT } = upperKeys(params['FIELDS']);
  const missing = Object.entries({ ENTITY_ID, STATUS_ID }).filter(([, value]) => isEmpty(value));
  if (missing.length > 0) throw refusal(missing.map(([name]) => `The field ${name} is required.`).join(' '));
  if (isEmpty(NAME)) throw refusal('The field Title is required.');
  const { records } = portal.crm;
  if (records.statuses.some(({ entityId, statusId }) => entityId === text(ENTITY_ID) && statusId === text(STATUS_ID)))
    throw new RestError(400, 'ERROR_CORE', 'The specified status ID already exists.');
  return records.addStatus(text(ENTITY_ID), text(STATUS_ID).slice(0, 50), text(NAME), Number(text(SORT)) || 10).id;
}

function statusRow({ id, entityId, statusId, name, sort, system }: CrmStatus): Params {
  return {
    ID: String(id),
    ENTITY_ID: entityId,
    STATUS_ID: statusId,
    NAME: name,
    NAME_INIT: system ? name : '',
    SORT: String(sort),
    SYSTEM: system ? 'Y' : 'N',
    CATEGORY_ID: null,
    COLOR: null,
    SEMANTICS: null,
    EXTRA: [],
  };
}
