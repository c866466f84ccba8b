import { isEmpty, portalDate, text, type Params } from './php-encoding.js';
import type { PortalUser } from './portal-model.js';
import { argumentMissing, RestError } from './rest-error.js';
import { Page, type RestContext, type RestMethods } from './rest-method.js';

const LIFECYCLE_EVENTS = [
  'ONAPPINSTALL',
  'ONAPPUPDATE',
  'ONAPPUNINSTALL',
  'ONAPPPAYMENT',
  'ONAPPTEST',
  'ONSUBSCRIPTIONRENEW',
  'ONOFFLINEEVENT',
];
const MAX_OFFLINE_EVENTS = 50;
const CONNECTOR_EVENTS = [
  'ONIMCONNECTORMESSAGEADD',
  'ONIMCONNECTORMESSAGEUPDATE',
  'ONIMCONNECTORMESSAGEDELETE',
  'ONIMCONNECTORSTATUSDELETE',
  'ONIMCONNECTORLINEDELETE',
  'ONIMCONNECTORDIALOGSTART',
  'ONIMCONNECTORDIALOGFINISH',
  'ONOPENLINEMESSAGEADD',
  'ONOPENLINEMESSAGEUPDATE',
  'ONOPENLINEMESSAGEDELETE',
  'ONSESSIONSTART',
  'ONSESSIONFINISH',
];

/** Methods about the application, its event handlers and the portal's users. */
export const APPLICATION_METHODS: RestMethods = {
  'app.info': { scopes: [], appOnly: true, run: (_params, context) => appInfo(context) },
  profile: { scopes: [], run: (_params, { user }) => profile(user) },
  scope: { scopes: [], run: (_params, { app }) => app?.scope ?? [] },
  'server.time': { scopes: [], run: (_params, { portal }) => portalDate(portal.clock.now()) },
  events: { scopes: [], run: (_params, context) => availableEvents(context) },
  'event.bind': { scopes: [], appOnly: true, run: bind },
  'event.unbind': { scopes: [], appOnly: true, run: unbind },
  'event.get': { scopes: [], appOnly: true, run: (_params, context) => boundHandlers(context) },
  'event.offline.get': { scopes: [], appOnly: true, run: offlineEvents },
  'event.test': { scopes: [], appOnly: true, run: test },
  'user.get': { scopes: ['user', 'user_basic', 'user_brief'], run: users },
};

function appInfo({ app, portal }: RestContext): Params {
  return {
    ID: app?.id,
    CODE: app?.clientId,
    VERSION: app?.version,
    STATUS: app?.status,
    INSTALLED: app?.installed,
    PAYMENT_EXPIRED: app?.paymentExpired === true ? 'Y' : 'N',
    DAYS: null,
    LANGUAGE_ID: portal.language,
    LICENSE: 'com_basic',
    LICENSE_TYPE: 'basic',
    LICENSE_FAMILY: 'basic',
  };
}

function profile(user: PortalUser): Params {
  return {
    ID: String(user.id),
    ADMIN: user.admin,
    NAME: user.name,
    LAST_NAME: user.lastName,
    PERSONAL_GENDER: '',
    PERSONAL_PHOTO: '',
    TIME_ZONE: 'Europe/Moscow',
    TIME_ZONE_OFFSET: 0,
  };
}

function users(params: Params, { portal }: RestContext): Page {
  const id = params['ID'] ?? (params['FILTER'] as Params | undefined)?.['ID'];
  const found = [...portal.users.values()].filter(
    (user) => id === undefined || [id].flat().map(text).includes(String(user.id)),
  );
  const rows = found.map((user) => ({
    ID: String(user.id),
    XML_ID: '',
    ACTIVE: user.active,
    NAME: user.name,
    LAST_NAME: user.lastName,
    WORK_POSITION: '',
    PERSONAL_PHOTO: '',
    USER_TYPE: 'employee',
  }));
  return new Page(rows, rows.length);
}

function availableEvents({ app }: RestContext): string[] {
  const connector = app?.scope.some((scope) => scope === 'imconnector' || scope === 'imopenlines') === true;
  return connector ? [...LIFECYCLE_EVENTS, ...CONNECTOR_EVENTS] : LIFECYCLE_EVENTS;
}

function bind(params: Params, context: RestContext): true {
  const { portal, user } = context;
  const row = handlerRow(params, context);
  if (row.userId !== 0 && row.userId !== user.id && !user.admin)
    throw new RestError(403, 'ACCESS_DENIED', 'Access denied!');
  if (!user.admin) row.userId = user.id;
  if (row.offline && !user.admin) throw new RestError(403, 'ACCESS_DENIED', 'Access denied!');
  if (!row.offline) checkHandlerUrl(row.url);
  if (portal.handlers.some((known) => sameRow(known, row))) {
    throw new RestError(400, 'ERROR_CORE', 'Unable to set event handler: Handler already binded');
  }
  portal.handlers.push({ id: portal.nextId(), ...row });
  return true;
}

function unbind(params: Params, context: RestContext): { count: number } {
  const { portal } = context;
  const row = handlerRow(params, context);
  const anyUser = params['AUTH_TYPE'] === undefined;
  const kept = portal.handlers.filter((known) => !sameRow(known, anyUser ? { ...row, userId: known.userId } : row));
  const count = portal.handlers.length - kept.length;
  portal.handlers = kept;
  return { count };
}

interface HandlerRow {
  appId: number;
  event: string;
  url: string;
  userId: number;
  offline: boolean;
}

function handlerRow(params: Params, context: RestContext): HandlerRow {
  const event = text(params['EVENT']).toUpperCase();
  const offline = text(params['EVENT_TYPE']).toLowerCase() === 'offline';
  const url = text(params['HANDLER']);
  if (event === '') throw argumentMissing('EVENT');
  if (url === '' && !offline) throw argumentMissing('HANDLER');
  if (!availableEvents(context).includes(event)) throw new RestError(400, 'ERROR_EVENT_NOT_FOUND', 'Event not found');
  return { appId: context.app?.id ?? 0, event, url, userId: Number(text(params['AUTH_TYPE'])) || 0, offline };
}

function sameRow(one: HandlerRow, other: HandlerRow): boolean {
  return (
    one.appId === other.appId &&
    one.event === other.event &&
    one.url === other.url &&
    one.userId === other.userId &&
    one.offline === other.offline
  );
}

function checkHandlerUrl(handler: string): void {
  const url = URL.canParse(handler) ? new URL(handler) : null;
  if (url !== null && url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new RestError(400, 'ERROR_UNSUPPORTED_PROTOCOL', 'Unsupported event handler protocol');
  }
  if (url === null || !url.hostname.includes('.'))
    throw new RestError(400, 'ERROR_WRONG_HANDLER_URL', 'Wrong handler URL');
}

function boundHandlers({ portal, app }: RestContext): Params[] {
  return portal.handlers
    .filter((handler) => handler.appId === app?.id)
    .map((handler) =>
      handler.offline
        ? { event: handler.event, connector_id: '', auth_type: String(handler.userId), offline: 1 }
        : { event: handler.event, handler: handler.url, auth_type: String(handler.userId), offline: 0 },
    );
}

/** Takes up to 50 kept events away; keeping them for a second reading (`clear=0`) needs a higher plan. */
function offlineEvents(params: Params, { portal, app, user }: RestContext): Params {
  if (!user.admin) throw new RestError(403, 'ACCESS_DENIED', 'Access denied!');
  if (params['CLEAR'] !== undefined && isEmpty(params['CLEAR'])) {
    throw new RestError(403, 'ACCESS_DENIED', 'Extended offline events are not available on your plan.');
  }
  const limit = Math.min(Number(text(params['LIMIT'])) || MAX_OFFLINE_EVENTS, MAX_OFFLINE_EVENTS);
  const taken = portal.events.offline.filter((event) => event.appId === app?.id).slice(0, limit);
  portal.events.offline = portal.events.offline.filter((event) => !taken.includes(event));
  const events = taken.map((event) => ({
    ID: String(event.id),
    TIMESTAMP_X: portalDate(event.at),
    EVENT_NAME: event.event,
    EVENT_DATA: event.data,
    EVENT_ADDITIONAL: false,
    MESSAGE_ID: event.messageId,
  }));
  return { process_id: null, events };
}

function test(params: Params, { portal, app, user, cause }: RestContext): boolean {
  const query = isEmpty(params) ? [] : params;
  portal.events.raise('ONAPPTEST', { QUERY: query }, { ...cause, userId: user.id, appId: app?.id, withRefresh: true });
  return true;
}
