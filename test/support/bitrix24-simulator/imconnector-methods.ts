import { cutExternalId, type Chat, type Client, type LineMessage, type MessageFile } from './open-lines.js';
import { flag, isArray, isEmpty, lowerKeysDeep, text, type Params } from './php-encoding.js';
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

// Messages of clients

/** In the order of the list, one by one; an element may fail inside a successful answer; the same id twice makes two messages. */
async function sendMessages(params: Params, context: RestContext): Promise<Params> {
  const { connector, line } = target(params);
  const messages = messageList(params);
  for (const message of messages) {
    if (!['user', 'message', 'chat'].every((key) => isArray(message[key]))) {
      throw new RestError(400, 'ERROR_ARGUMENT', 'The incorrect structure of a message inside MESSAGES parameter.', {
        argument: 'MESSAGES',
      });
    }
  }
  checkLine(connector, line, context);
  const results: Params[] = [];
  for (const message of messages) results.push(await receive(connector, line, element(message), context));
  return { SUCCESS: true, DATA: { RESULT: results } };
}

interface Element {
  user: Params;
  message: Params;
  chat: Params;
  raw: Params;
}

function element(raw: Params): Element {
  const part = (key: string): Params => (isArray(raw[key]) ? raw[key] : {});
  return { user: part('user'), message: part('message'), chat: part('chat'), raw };
}

async function receive(connector: string, line: string, parts: Element, context: RestContext): Promise<Params> {
  const { portal, faults } = context;
  const fault = faults.takeElement('imconnector.send.messages', parts.raw);
  if (typeof fault === 'object') {
    await context.work();
    return { SUCCESS: false, ERRORS: fault.elementError };
  }
  const email = text(parts.user['email']);
  const known = portal.lines.findClient(connector, text(parts.user['id']));
  if (known === undefined && email !== '' && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) {
    return { SUCCESS: false, ERRORS: ['Wrong email.', 'Cannot create or get user mapped to external messenger user.'] };
  }
  const files = await download(parts.message['files'], context);
  const words = text(parts.message['text']);
  if (words === '' && files.length === 0) return { SUCCESS: false, ERRORS: ['Incomplete data'] };
  const client = clientOf(connector, parts.user, context);
  const chat = portal.lines.openChat(connector, line, text(parts.chat['id']), client);
  if (!isEmpty(parts.chat['url'])) chat.description = postLink(parts.chat);
  return portal.lines.locked(chat, async () => {
    await context.work();
    const landed = land(chat, client, words, files, parts.message, context);
    return answer(parts, client, files, chat, landed && fault !== 'omitSession');
  });
}

/** Puts the message into the chat; false when the session was not touched (a rating was taken from "1" or "0"). */
function land(
  chat: Chat,
  client: Client,
  words: string,
  files: MessageFile[],
  message: Params,
  { portal, cause }: RestContext,
): boolean {
  const externalIds = isEmpty(message['id']) ? [] : [cutExternalId(text(message['id']))];
  const author = message['user_id'];
  const current = chat.sessions.at(-1);
  if (author === undefined || author === null) {
    const vote = current?.waitVote === true && !current.closed ? /^([01])( |$)/.exec(words)?.[1] : undefined;
    if (vote !== undefined && current !== undefined) {
      current.vote = vote === '1' ? 'like' : 'dislike';
      current.waitVote = false;
      portal.lines.store(chat, { author: 'client', authorId: client.id, text: `[${current.vote}]`, externalIds });
      return false;
    }
    portal.lines.addClientMessage(chat, client, words, files, externalIds, cause);
    return true;
  }
  const authorId = Number(text(author)) || 0;
  portal.lines.openSession(chat, cause);
  if (authorId === 0 || !portal.lines.canSend(chat)) {
    portal.lines.store(chat, {
      author: authorId === 0 ? 'system' : 'operator',
      authorId,
      text: words,
      files,
      externalIds,
    });
  } else {
    // In an employee's name it is an ordinary operator's message, so it comes back as an event.
    const stored = portal.lines.addOperatorMessage(chat, authorId, words, files, cause);
    stored.externalIds = externalIds;
  }
  return true;
}

function answer(parts: Element, client: Client, files: MessageFile[], chat: Chat, landed: boolean): Params {
  const { message, user } = parts;
  const session = chat.sessions.at(-1);
  const extra: Params = {
    ...(isEmpty(user['skip_phone_validate']) ? {} : { skip_phone_validate: user['skip_phone_validate'] }),
    ...(message['disable_crm'] === 'Y' ? { disable_tracker: 'Y' } : {}),
  };
  return {
    user: String(client.id),
    message: {
      id: message['id'],
      // A PHP DateTime becomes an empty object.
      ...(isEmpty(message['date']) ? {} : { date: {} }),
      ...(message['text'] === undefined ? {} : { text: message['text'] }),
      ...(files.length === 0 ? {} : { files: files.map((file) => file.id) }),
    },
    chat: chatEcho(parts.chat),
    ...(isEmpty(extra) ? {} : { extra }),
    SUCCESS: true,
    ...(landed && session !== undefined ? { session: { ID: String(session.id), CHAT_ID: String(chat.id) } } : {}),
  };
}

/** The chat as it is answered: `url` has become a description. */
function chatEcho({ url, ...rest }: Params): Params {
  return isEmpty(url) ? rest : { ...rest, description: postLink({ url }) };
}

function postLink(chat: Params): string {
  return `Link to original post: ${text(chat['url'])}`;
}

/** Files that cannot be fetched are dropped without a word. */
async function download(files: unknown, { portal }: RestContext): Promise<MessageFile[]> {
  const wanted = isArray(files) ? Object.values(files).filter(isArray) : [];
  const fetched: MessageFile[] = [];
  for (const file of wanted) {
    const stored = await portal.downloadFile({ url: text(file['url']), name: text(file['name']) });
    if (stored !== null) fetched.push(stored);
  }
  return fetched;
}

function clientOf(connector: string, user: Params, { portal }: RestContext): Client {
  let name = text(user['name']).trim();
  let lastName = text(user['last_name']).trim();
  const words = name.split(/\s+/);
  if (lastName === '' && words.length === 2) [name, lastName] = words as [string, string];
  if (name === '' && lastName === '') name = text(user['title']) || 'Guest';
  return portal.lines.client(connector, text(user['id']), name, lastName, user);
}

// Corrections

async function updateMessages(params: Params, context: RestContext): Promise<Params> {
  return correct(params, context, (parts, found) => {
    const words = text(parts.message['text']);
    if (words === '' && isEmpty(parts.message['files'])) return { SUCCESS: false, ERRORS: ['Incomplete data'] };
    if (found !== undefined && words !== '') Object.assign(found, { text: words, edited: true });
    return null;
  });
}

async function deleteMessages(params: Params, context: RestContext): Promise<Params> {
  return correct(params, context, (_parts, found) => {
    if (found !== undefined) found.deleted = true;
    return null;
  });
}

/** Finds each message by its external id in the chat of that user; a message that is not there is no error. */
async function correct(
  params: Params,
  context: RestContext,
  change: (parts: Element, found: LineMessage | undefined) => Params | null,
): Promise<Params> {
  const { connector, line } = target(params);
  const messages = messageList(params);
  checkLine(connector, line, context);
  await context.work();
  const results = messages.map((raw) => {
    const parts = element(raw);
    const failure = change(parts, findMessage(connector, line, parts, context));
    const user = context.portal.lines.findClient(connector, text(parts.user['id']));
    const echo = { ...parts.message, ...(isEmpty(parts.message['date']) ? {} : { date: {} }) };
    return failure ?? { user: String(user?.id ?? ''), message: echo, chat: chatEcho(parts.chat), SUCCESS: true };
  });
  return { SUCCESS: true, DATA: { RESULT: results } };
}

function findMessage(
  connector: string,
  line: string,
  parts: Element,
  { portal }: RestContext,
): LineMessage | undefined {
  const chatId = text(parts.chat['id']);
  const client = portal.lines.findClient(connector, text(parts.user['id']));
  const chat =
    portal.lines.chats.get(`${connector}|${line}|${chatId}|${client?.id ?? 0}`) ??
    portal.lines.chats.get(`${connector}|${line}|${chatId}|0`);
  const id = cutExternalId(text(parts.message['id']));
  return chat?.messages.find((message) => !message.deleted && message.externalIds.includes(id));
}

// Reports

/** Always a success; looks at nothing but `im.message_id`. */
async function reportDelivery(params: Params, context: RestContext): Promise<Params> {
  target(params);
  const messages = messageList(params);
  await context.work();
  for (const raw of messages) {
    const { message } = element(raw);
    const im = isArray(raw['im']) ? raw['im'] : {};
    const ids = message['id'];
    const externalIds = (isArray(ids) ? Object.values(ids) : [ids]).map(text).filter((id) => id !== '');
    const messageId = Number(text(im['message_id'])) || 0;
    const accepted = context.portal.lines.reportDelivery(messageId, externalIds);
    context.portal.deliveryReports.push({
      at: context.portal.clock.now(),
      messageId,
      externalIds,
      asArray: Array.isArray(ids),
      accepted,
    });
  }
  return { SUCCESS: true, DATA: [] };
}

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

// Common checks

function target(params: Params): { connector: string; line: string } {
  for (const key of ['CONNECTOR', 'LINE']) if (isEmpty(params[key])) throw argumentMissing(key);
  return { connector: text(params['CONNECTOR']), line: text(params['LINE']) };
}

function messageList(params: Params): Params[] {
  const messages = params['MESSAGES'];
  if (isEmpty(messages)) throw argumentMissing('MESSAGES');
  if (!isArray(messages)) throw notAnArray('MESSAGES');
  const rows = Array.isArray(messages) ? messages : null;
  if (rows === null || !rows.every(isArray)) {
    throw new RestError(400, 'ERROR_ARGUMENT', 'The MESSAGES parameter must be an array of messages (arrays)', {
      argument: 'MESSAGES',
    });
  }
  return rows.map((row) => lowerKeysDeep(row) as Params);
}

/** The provider is looked up before the line's state is. */
function checkLine(connector: string, line: string, { portal }: RestContext): void {
  if (!portal.lines.connectors.has(connectorKey(connector))) throw connectorError('IMCONNECTOR_NO_CORRECT_PROVIDER');
  if (!portal.lines.isReady(connector, line)) throw connectorError('NOT_ACTIVE_LINE');
}

function notAnArray(argument: string): RestError {
  return new RestError(400, 'ERROR_ARGUMENT', `The value of an argument '${argument}' must be of type array`, {
    argument,
  });
}
