import { checkLine, messageList, notAnArray, target } from './imconnector-arguments.js';
import { deleteMessages, sendMessages, updateMessages } from './imconnector-messages.js';
import { flag, isArray, isEmpty, text, type Params } from './php-encoding.js';
import { connectorKey } from './portal-model.js';
import { argumentMissing, CONNECTOR_ERRORS, connectorError, RestError } from './rest-error.js';
import type { RestContext, RestMethod, RestMethods } from './rest-method.js';

/** `imconnector.*`, for OAuth applications only. Registered by the portal under the scope `imopenlines`. */
export const IMCONNECTOR_METHODS: RestMethods = {
  'imconnector.register': method(register),
  'imconnector.unregister': method(unregister),
  'imconnector.list': method((_params, context) => list(context)),
  'imconnector.activate': method(activate),
  'imconnector.status': method(status),
  'imconnector.connector.data.set': method(setData),
  'imconnector.set.error': method(setError),
  'imconnector.send.messages': method(sendMessages),
  'imconnector.update.messages': method(updateMessages),
  'imconnector.delete.messages': method(deleteMessages),
  'imconnector.send.status.delivery': method(reportDelivery),
  'imconnector.send.status.reading': method(reportReading),
  'imconnector.chat.name.set': method(renameChat),
};

function method(run: RestMethod['run']): RestMethod {
  return { scopes: ['imopenlines'], appOnly: true, run };
}

// Registration and state

/** Upsert by id without asking who owns the row. Failures come as HTTP 200 with a top-level `error`. */
function register(params: Params, { portal, app }: RestContext): Params {
  const id = text(params['ID']);
  const icon = params['ICON'];
  if (id === '') return registrationFailure('CONNECTOR_ID_REQUIRED');
  if (id.includes('.')) return registrationFailure('APPLICATION_REGISTRATION_ERROR_POINT');
  if (isEmpty(params['NAME'])) return registrationFailure('NAME_REQUIRED');
  if (!isArray(icon) || isEmpty(icon['DATA_IMAGE'])) return registrationFailure('ICON_REQUIRED');
  if (isEmpty(params['PLACEMENT_HANDLER'])) return registrationFailure('NO_PLACEMENT_HANDLER');
  portal.lines.connectors.set(connectorKey(id), {
    id: connectorKey(id),
    name: text(params['NAME']),
    appId: app?.id ?? 0,
    placementHandler: text(params['PLACEMENT_HANDLER']),
    editInternalMessages: flag(params['EDIT_INTERNAL_MESSAGES'], true),
    delExternalMessages: flag(params['DEL_EXTERNAL_MESSAGES'], true),
    delInternalMessages: flag(params['DEL_INTERNAL_MESSAGES'], true),
    needSystemMessages: flag(params['NEED_SYSTEM_MESSAGES'], true),
    needSignature: flag(params['NEED_SIGNATURE'], true),
    chatGroup: flag(params['CHAT_GROUP'], false),
  });
  return { result: true };
}

function unregister(params: Params, { portal, app, cause }: RestContext): Params {
  const id = connectorKey(text(params['ID']));
  if (id === '') return registrationFailure('APPLICATION_UNREGISTRATION_ERROR');
  // The states go first and whoever owns them; the row only when it is this application's.
  portal.lines.deactivateEverywhere(id, cause);
  if (portal.lines.connectors.get(id)?.appId !== app?.id)
    return registrationFailure('APPLICATION_UNREGISTRATION_ERROR');
  portal.lines.connectors.delete(id);
  return { result: true };
}

function registrationFailure(code: keyof typeof CONNECTOR_ERRORS): Params {
  return { result: false, error: code, error_description: CONNECTOR_ERRORS[code] };
}

function list({ portal, user }: RestContext): Params {
  if (!user.admin) throw new RestError(400, 'ACCESS_DENIED', 'You dont have access to this action');
  const own = [...portal.lines.connectors.values()].map((connector) => [connector.id, connector.name] as const);
  return { livechat: 'Live chat', telegrambot: 'Telegram', network: 'Bitrix24.Network', ...Object.fromEntries(own) };
}

/** Neither the connector nor the line need exist; only PHP-empty values deactivate. */
function activate(params: Params, { portal, cause }: RestContext): true {
  const { connector, line } = target(params);
  const active = params['ACTIVE'];
  if (active === undefined || active === null) throw argumentMissing('ACTIVE');
  if (isEmpty(active)) portal.lines.deactivate(connector, line, cause);
  else portal.lines.activate(connector, line);
  return true;
}

function status(params: Params, { portal }: RestContext): Params {
  const connector = text(params['CONNECTOR']);
  if (connector === '') throw argumentMissing('CONNECTOR');
  const line = Number(text(params['LINE'])) || 0;
  const row = portal.lines.status(connector, String(line));
  const configured = row !== undefined && row.active && row.connection && row.register;
  return {
    LINE: line,
    CONNECTOR: connector,
    ERROR: row?.error ?? false,
    CONFIGURED: configured,
    STATUS: configured && !row.error,
  };
}

function setData(params: Params, { portal }: RestContext): true {
  const { connector, line } = target(params);
  const data = params['DATA'];
  if (isEmpty(data)) throw argumentMissing('DATA');
  if (!isArray(data)) throw notAnArray('DATA');
  const row = portal.lines.status(connector, line);
  for (const key of ['ID', 'URL', 'URL_IM', 'NAME']) {
    if (row !== undefined && !isEmpty(data[key])) row.data[key] = text(data[key]);
  }
  return true;
}

function setError(params: Params, { portal }: RestContext): Params {
  const { connector, line } = target(params);
  const row = portal.lines.status(connector, line);
  if (row !== undefined) row.error = true;
  return { SUCCESS: true, DATA: [] };
}

// Reports

/** Always a success; looks at nothing but `im.message_id`. */
async function reportDelivery(params: Params, context: RestContext): Promise<Params> {
  const { line } = target(params);
  const messages = messageList(params);
  await context.work();
  for (const { message, raw } of messages) {
    const im = isArray(raw['im']) ? raw['im'] : {};
    const ids = message['id'];
    const externalIds = (isArray(ids) ? Object.values(ids) : [ids]).map(text).filter((id) => id !== '');
    const messageId = Number(text(im['message_id'])) || 0;
    const accepted = context.portal.lines.reportDelivery(messageId, externalIds);
    context.portal.deliveryReports.push({
      at: context.portal.clock.now(),
      line,
      messageId,
      externalIds,
      asArray: Array.isArray(ids),
      accepted,
    });
  }
  return { SUCCESS: true, DATA: [] };
}

/** Taken and dropped: imopenlines/lib/connector.php, onReceivedStatusReading. */
async function reportReading(params: Params, context: RestContext): Promise<Params> {
  target(params);
  messageList(params);
  await context.work();
  return { SUCCESS: true, DATA: [] };
}

async function renameChat(params: Params, context: RestContext): Promise<Params> {
  const { connector, line } = target(params);
  const { portal } = context;
  for (const key of ['CHAT_ID', 'NAME']) if (isEmpty(params[key])) throw argumentMissing(key);
  checkLine(connector, line, context);
  await context.work();
  const done = { SUCCESS: true, DATA: { RESULT: {} } };
  const userId = text(params['USER_ID']);
  const client = portal.lines.findClient(connector, userId);
  // An unknown user is a silent success, an unknown dialog is not.
  if (userId !== '' && client === undefined) return done;
  const chat = portal.lines.chats.get(`${connector}|${line}|${text(params['CHAT_ID'])}|${client?.id ?? 0}`);
  if (chat === undefined) throw connectorError('CHAT_RENAMING_FAILED');
  chat.title = text(params['NAME']);
  return done;
}
