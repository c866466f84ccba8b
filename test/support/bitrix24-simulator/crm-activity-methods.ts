import type { SessionActivity } from './crm-dialogs.js';
import { maySee } from './crm-item-methods.js';
import { CRM_TYPES, type CrmTypeName } from './crm-records.js';
import { isArray, isEmpty, portalDate, text, upperKeys, type Params } from './php-encoding.js';
import { connectorKey } from './portal-model.js';
import { argumentMissing, RestError } from './rest-error.js';
import { Page, type RestContext, type RestMethods } from './rest-method.js';
import { SESSION_STATUS } from './sessions.js';

const PAGE_SIZE = 50;

/** Activities of open-line sessions, what they are bound to, and the dialogs of an entity. */
export const CRM_ACTIVITY_METHODS: RestMethods = {
  'crm.activity.list': { scopes: ['crm'], run: listActivities },
  'crm.activity.get': { scopes: ['crm'], run: getActivity },
  'crm.activity.binding.add': { scopes: ['crm'], run: addBinding },
  'crm.activity.binding.list': { scopes: ['crm'], run: listBindings },
  'imopenlines.crm.chat.get': { scopes: ['imopenlines'], keysAsGiven: true, run: chatsOfEntity },
};

/** The owner is the first binding; BINDINGS are all, and an activity comes once for every pair that fits. */
function listActivities(params: Params, { portal, user, start }: RestContext): Page {
  const { BINDINGS: pairs, ...filter } = isArray(params['FILTER']) ? upperKeys(params['FILTER']) : {};
  const order = isArray(params['ORDER']) ? Object.entries(upperKeys(params['ORDER']))[0] : undefined;
  const descending = text(order?.[1]).toUpperCase() === 'DESC';
  const wanted = isArray(pairs) ? Object.values(pairs).filter(isArray).map(upperKeys) : [];
  const found = [...portal.crm.dialogs.activities.values()]
    .filter(({ bindings }) =>
      bindings.some(({ typeId, id }) => {
        const record = portal.crm.records.find(typeId, id);
        return record === undefined || maySee(record, user);
      }),
    )
    .filter((activity) => Object.entries(filter).every(([key, value]) => fits(rowOf(activity), key, value)))
    .flatMap((activity) =>
      wanted.length === 0
        ? [activity]
        : wanted.flatMap((pair) => (activity.bindings.some((binding) => isPair(binding, pair)) ? [activity] : [])),
    )
    .toSorted((a, b) => (a.id - b.id) * (descending ? -1 : 1));
  const next = start + PAGE_SIZE;
  return new Page(found.slice(start, next).map(rowOf), found.length, next < found.length ? next : undefined);
}

function isPair({ typeId, id }: { typeId: number; id: number }, pair: Params): boolean {
  return (
    text(pair['OWNER_TYPE_ID']) === String(typeId) &&
    (isEmpty(pair['OWNER_ID']) || text(pair['OWNER_ID']) === String(id))
  );
}

function fits(row: Params, key: string, wanted: unknown): boolean {
  return [wanted]
    .flat()
    .map(text)
    .includes(text(row[key.replace(/^[=@]/, '')]));
}

function getActivity(params: Params, { portal }: RestContext): Params {
  const activity = portal.crm.dialogs.activities.get(Number(text(params['ID'])));
  if (activity === undefined) throw new RestError(400, '', 'Activity is not found.');
  return rowOf(activity);
}

/** imopenlines/lib/crm/activity.php, add; the fields of crm/classes/general/crm_activity.php. */
function rowOf(activity: SessionActivity): Params {
  const { id, sessionId, bindings, userCode, completed } = activity;
  const owner = bindings[0];
  return {
    ID: String(id),
    OWNER_ID: String(owner?.id ?? 0),
    OWNER_TYPE_ID: String(owner?.typeId ?? 0),
    TYPE_ID: '6',
    PROVIDER_ID: 'IMOPENLINES_SESSION',
    PROVIDER_TYPE_ID: activity.line,
    PROVIDER_GROUP_ID: null,
    ASSOCIATED_ENTITY_ID: String(sessionId),
    SUBJECT: activity.subject,
    CREATED: portalDate(activity.createdAt),
    LAST_UPDATED: portalDate(activity.updatedAt),
    COMPLETED: completed ? 'Y' : 'N',
    STATUS: completed ? '2' : '1',
    RESPONSIBLE_ID: '1',
    DIRECTION: '1',
    ORIGIN_ID: `IMOL_${sessionId}`,
    PROVIDER_PARAMS: { USER_CODE: userCode },
    RESULT_SOURCE_ID: activity.connector,
    COMMUNICATIONS: bindings.map((binding) => ({
      ID: '0',
      TYPE: 'IM',
      VALUE: `imol|${userCode}`,
      ENTITY_ID: String(binding.id),
      ENTITY_TYPE_ID: String(binding.typeId),
    })),
  };
}

/** crm/lib/controller/activity/binding.php: first the activity, then the right to change the entity, then the pair. */
function addBinding(params: Params, { portal, user }: RestContext): true {
  mustHave(params, ['activityId', 'entityTypeId', 'entityId']);
  const activity = activityFor(params, portal);
  const typeId = Number(text(params['ENTITYTYPEID']));
  const record = portal.crm.records.find(typeId, Number(text(params['ENTITYID'])));
  if (record === undefined) throw new RestError(400, 'OWNER_NOT_FOUND', 'Owner was not found');
  if (!maySee(record, user)) throw new RestError(400, 'ACCESS_DENIED', 'Access denied');
  if (!portal.crm.dialogs.bind(activity, { typeId, id: record.id }))
    throw new RestError(400, 'ACTIVITY_IS_ALREADY_BOUND', 'The activity is already bound to this item');
  return true;
}

function listBindings(params: Params, { portal }: RestContext): Params[] {
  mustHave(params, ['activityId']);
  return activityFor(params, portal).bindings.map(({ typeId, id }) => ({ entityTypeId: typeId, entityId: id }));
}

function mustHave(params: Params, names: string[]): void {
  const missing = names.find((name) => params[name.toUpperCase()] === undefined);
  if (missing !== undefined) throw new RestError(400, '100', `Could not find value for parameter {${missing}}`);
}

function activityFor(params: Params, portal: RestContext['portal']): SessionActivity {
  const activity = portal.crm.dialogs.activities.get(Number(text(params['ACTIVITYID'])));
  if (activity === undefined) throw new RestError(400, 'NOT_FOUND', 'Item not found');
  return activity;
}

/**
 * imopenlines/lib/crm/common.php, getChatsByCrmEntity: by the activities, newest session first, each chat once, only
 * connectors that are on; an active dialog is one that somebody has taken and that is not being closed. Names of the
 * parameters count with their case. A type that open lines do not know has no chats.
 */
function chatsOfEntity(params: Params, { portal, user }: RestContext): Params[] {
  for (const name of ['CRM_ENTITY_TYPE', 'CRM_ENTITY']) if (isEmpty(params[name])) throw argumentMissing(name);
  const typeId = CRM_TYPES[text(params['CRM_ENTITY_TYPE']).toUpperCase() as CrmTypeName] as number | undefined;
  if (typeId === undefined) return [];
  const id = Number(text(params['CRM_ENTITY']));
  const record = portal.crm.records.find(typeId, id);
  if (record !== undefined && !maySee(record, user))
    throw new RestError(403, 'ACCESS_DENIED', 'You dont have access to this action');
  const activeOnly = params['ACTIVE_ONLY'] === undefined || text(params['ACTIVE_ONLY']) === 'Y';
  const shown = new Map<number, Params>();
  for (const { chat, session } of portal.crm.dialogs.chatsOf({ typeId, id }, portal.lines)) {
    const active = session.status >= SESSION_STATUS.taken && session.status < SESSION_STATUS.beingClosed;
    if (shown.has(chat.id) || (activeOnly && !active) || !portal.lines.isReady(chat.connector, chat.line)) continue;
    const title = portal.lines.connectors.get(connectorKey(chat.connector))?.name ?? chat.connector;
    shown.set(chat.id, { CHAT_ID: String(chat.id), CONNECTOR_ID: chat.connector, CONNECTOR_TITLE: title });
  }
  return [...shown.values()];
}
