import { maySee } from './crm-item-methods.js';
import type { CrmTypeName } from './crm-records.js';
import { HIDDEN_MESSAGE, type Chat, type LineMessage } from './open-lines.js';
import { isArray, isEmpty, phpArray, portalDate, text, upperKeys, type Params } from './php-encoding.js';
import type { MessageFile } from './portal-files.js';
import type { Line } from './portal-model.js';
import { RestError } from './rest-error.js';
import { holds } from './sessions.js';
import type { RestContext, RestMethod, RestMethods } from './rest-method.js';

const DEFAULT_MESSAGES = 20;
const MAX_MESSAGES = 50;
const MAX_LINES = 200;
/** `IM_MESSAGE_DELETED` */
const DELETED = 'This message was deleted.';

/** `imopenlines.*`, `im.*` and `disk.*`: lines, dialogs, histories, notes, the files in them. */
export const OPENLINES_METHODS: RestMethods = {
  'imopenlines.config.list.get': lines(listLines),
  'imopenlines.config.get': lines(getLine),
  'imopenlines.config.add': lines(addLine),
  'imopenlines.config.path.get': lines((_params, { portal }) => ({
    SERVER_ADDRESS: portal.url,
    PUBLIC_PATH: '/contact_center/',
  })),
  'imopenlines.dialog.get': lines(getDialog),
  'imopenlines.crm.lead.create': { ...lines(createLead), keysAsGiven: true },
  'imopenlines.session.history.get': lines(getHistory),
  'imopenlines.bot.session.message.send': lines(sendBotText),
  'im.dialog.messages.get': { scopes: ['im'], run: getMessages },
  'im.message.add': { scopes: ['im'], run: addMessage },
  'disk.file.get': { scopes: ['disk'], run: getFile },
};

function lines(run: RestMethod['run']): RestMethod {
  return { scopes: ['imopenlines'], run };
}

// Lines

function listLines(params: Params, { portal }: RestContext): Params[] {
  const query = isArray(params['PARAMS']) ? upperKeys(params['PARAMS']) : {};
  const filter = isArray(query['FILTER']) ? upperKeys(query['FILTER']) : {};
  const rows = [...portal.lines.lines.values()].map((line) => lineRow(line)).filter((row) => matches(row, filter));
  const offset = Number(text(query['OFFSET'])) || 0;
  const limit = Math.min(Number(text(query['LIMIT'])) || MAX_LINES, MAX_LINES);
  return rows.slice(offset, offset + limit).map((row) => select(row, query['SELECT']));
}

function matches(row: Params, filter: Params): boolean {
  return Object.entries(filter).every(([key, value]) =>
    [value]
      .flat()
      .map(text)
      .includes(text(row[key.replace(/^=/, '')])),
  );
}

function select(row: Params, keys: unknown): Params {
  if (!Array.isArray(keys) || keys.length === 0 || keys.includes('*')) return row;
  return Object.fromEntries(['ID', ...keys.map(text)].map((key) => [key.toUpperCase(), row[key.toUpperCase()]]));
}

function lineRow(line: Line): Params {
  return {
    ID: line.id,
    ACTIVE: line.active ? 'Y' : 'N',
    LINE_NAME: line.name,
    CRM: line.crm === 'off' ? 'N' : 'Y',
    CRM_CREATE: line.crm === 'lead' || line.crm === 'deal' ? line.crm : 'none',
    QUEUE_TYPE: 'evenly',
    WELCOME_MESSAGE: line.welcomeText === null ? 'N' : 'Y',
    WELCOME_MESSAGE_TEXT: line.welcomeText ?? '',
    OPERATOR_DATA: line.operatorData,
    QUEUE: line.queue,
  };
}

function getLine(params: Params, { portal }: RestContext): Params | false {
  if (isEmpty(params['CONFIG_ID'])) throw new RestError(400, 'CONFIG_ID_EMPTY', 'Config ID is not specified');
  const line = portal.lines.lines.get(text(params['CONFIG_ID']));
  return line === undefined ? false : { ...lineRow(line), QUEUE_USERS_FIELDS: queueFields(line) };
}

/**
 * `QUEUE_USERS_FIELDS` has a row for each employee of the queue, also where nothing was entered
 * (yuliai/bitrix-modules, imopenlines/lib/config.php: Config::get); PHP writes an empty map as a list.
 */
function queueFields(line: Line): Params | unknown[] {
  const ids = [...new Set([...line.queue, ...Object.keys(line.aliases).map(Number)])];
  return emptyAsList(
    Object.fromEntries(
      ids.map((id) => [
        id,
        { USER_NAME: line.aliases[id] ?? null, USER_WORK_POSITION: null, USER_AVATAR: null, USER_AVATAR_ID: '0' },
      ]),
    ),
  );
}

function addLine(params: Params, { portal, user }: RestContext): number {
  if (!user.admin) throw new RestError(403, 'CONFIG_WRONG_USER_PERMISSION', 'Permission denied');
  const settings = isArray(params['PARAMS']) ? upperKeys(params['PARAMS']) : {};
  const queue = isArray(settings['QUEUE']) ? Object.values(settings['QUEUE']).map(Number) : [];
  const id = Math.max(0, ...[...portal.lines.lines.keys()].map(Number)) + 1;
  portal.addLine({ id: String(id), name: text(settings['LINE_NAME']), active: settings['ACTIVE'] !== 'N', queue });
  return id;
}

// Dialogs

function getDialog(params: Params, { portal, user }: RestContext): Params {
  const chat = dialogOf(params, portal.lines);
  if (chat === undefined) throw new RestError(400, 'DIALOG_NOT_FOUND', 'Dialog not found');
  if (!mayEnter(chat, portal, user) && !mayReadEntity(chat, portal, user))
    throw new RestError(400, 'ACCESS_ERROR', 'You do not have access to the specified dialog');
  const last = chat.messages.at(-1)?.id ?? 0;
  return {
    id: chat.id,
    parent_chat_id: 0,
    parent_message_id: 0,
    name: chat.title,
    description: chat.description,
    owner: [...chat.members][0] ?? 0,
    extranet: false,
    avatar: '',
    color: '#58cc47',
    type: 'lines',
    counter: 0,
    user_counter: chat.members.size + 1,
    message_count: chat.messages.length,
    unread_id: 0,
    last_message_id: last,
    last_id: last,
    marked_id: 0,
    disk_folder_id: 0,
    entity_type: 'LINES',
    entity_id: chat.userCode,
    entity_data_1: entityData(chat, portal),
    entity_data_2: portal.crm.dialogs.entityData(chat).second,
    entity_data_3: 'N',
    mute_list: [],
    date_create: portalDate(chat.createdAt),
    message_type: 'L',
    public: '',
    role: chat.members.has(user.id) ? 'member' : 'guest',
    entity_link: { type: 'LINES', url: '', id: chat.userCode },
    text_field_enabled: true,
    background_id: null,
    is_new: false,
    manager_list: [...chat.members],
    dialog_id: `chat${chat.id}`,
  };
}

function dialogOf(params: Params, openLines: RestContext['portal']['lines']): Chat | undefined {
  if (!isEmpty(params['CHAT_ID'])) return openLines.chatById(Number(text(params['CHAT_ID'])));
  if (!isEmpty(params['DIALOG_ID'])) return openLines.chatById(chatNumber(params['DIALOG_ID']));
  if (!isEmpty(params['SESSION_ID'])) return openLines.chatBySession(Number(text(params['SESSION_ID'])));
  return openLines.chats.get(text(params['USER_CODE']));
}

/** imopenlines/lib/chat.php, hasAccess; im/lib/V2/Chat/OpenLineChat.php, checkAccessInternal: a member, or one who may join. */
function mayEnter(chat: Chat, portal: RestContext['portal'], user: RestContext['user']): boolean {
  return chat.members.has(user.id) || (user.admin && portal.lines.lines.get(chat.line)?.joinable !== false);
}

/** imopenlines/lib/chat.php, hasAccess: whoever may read the entity that the chat names, unless it is gone. */
function mayReadEntity(chat: Chat, { crm }: RestContext['portal'], user: RestContext['user']): boolean {
  const [, type = '', id] = crm.dialogs.entityData(chat).first.split('|');
  const record = type === 'NONE' ? undefined : crm.records.find(type as CrmTypeName, Number(id));
  return record !== undefined && maySee(record, user);
}

/**
 * imopenlines/lib/chat.php, getFieldData and close: CRM|type|id|PAUSE|WAIT_ACTION|session|…; the session is 0 once it is
 * closed, what the CRM said stays.
 */
function entityData(chat: Chat, portal: RestContext['portal']): string {
  const last = chat.sessions.at(-1);
  const open = last?.closed === false ? last : undefined;
  const begun = Math.floor(chat.createdAt / 1000);
  return `${portal.crm.dialogs.entityData(chat).first}|N|${open?.waitAction ? 'Y' : 'N'}|${open?.id ?? 0}|${begun}|${chat.line}|0|0`;
}

function chatNumber(dialogId: unknown): number {
  return Number(/^chat(\d+)$/.exec(text(dialogId))?.[1] ?? 0);
}

/** By CHAT_ID it is the newest session (rest.php, sessionGetHistory); who may read it is asked the same way. */
function getHistory(params: Params, { portal, user }: RestContext): Params {
  if (isEmpty(params['SESSION_ID']) && isEmpty(params['CHAT_ID'])) {
    throw new RestError(400, 'MISSING_REQUIRED_PARAM', 'Required parameter is missing: SESSION_ID or CHAT_ID');
  }
  const bySession = !isEmpty(params['SESSION_ID']);
  const chat = bySession
    ? portal.lines.chatBySession(Number(text(params['SESSION_ID'])))
    : portal.lines.chatById(Number(text(params['CHAT_ID'])));
  if (chat === undefined) throw new RestError(400, 'INVALID_SESSION_ID', 'Session is not found');
  if (!bySession && !user.admin && !chat.members.has(user.id)) {
    throw new RestError(400, 'ACCESS_DENIED', 'You do not have permission to view this conversation');
  }
  const sessionId = bySession ? Number(text(params['SESSION_ID'])) : (chat.sessions.at(-1)?.id ?? 0);
  const session = chat.sessions.find(({ id }) => id === sessionId);
  const messages = chat.messages.filter(({ id }) => session !== undefined && holds(session, id));
  return {
    chatId: chat.id,
    canJoin: 'Y',
    canVoteHead: 'N',
    sessionId,
    sessionVoteHead: 0,
    sessionCommentHead: null,
    userId: `chat${chat.id}`,
    message: emptyAsList(Object.fromEntries(messages.map((message) => [String(message.id), historyMessage(message)]))),
    usersMessage: { [`chat${chat.id}`]: messages.map((message) => String(message.id)).toReversed() },
    users: Object.fromEntries(
      [...people(chat, portal)].map(([id, name]) => [id, { id: String(id), name, connector: id === chat.clientId }]),
    ),
    openlines: [],
    userInGroup: [],
    woUserInGroup: [],
    chat: {
      [chat.id]: {
        id: String(chat.id),
        name: chat.title,
        entityType: 'LINES',
        entityId: chat.userCode,
        entityData1: entityData(chat, portal),
        entityData2: portal.crm.dialogs.entityData(chat).second,
        type: 'lines',
      },
    },
    userBlockChat: [],
    userInChat: { [chat.id]: [...chat.members, chat.clientId] },
    files: emptyAsList(
      Object.fromEntries(messages.flatMap(shownFiles).map((file) => [String(file.id), historyFile(file, chat)])),
    ),
  };
}

/**
 * `text` is the BBCode, `textlegacy` the HTML of older messengers (yuliai/bitrix-modules,
 * im/classes/general/im_chat.php, GetLastMessageLimit); the keys of every level as imopenlines/lib/rest.php,
 * objectEncode, writes them.
 */
function historyMessage(message: LineMessage): Params {
  return {
    id: String(message.id),
    chatid: String(message.chatId),
    senderid: String(message.authorId),
    recipientid: `chat${message.chatId}`,
    date: portalDate(message.at),
    text: shownText(message),
    textlegacy: asHtml(shownText(message)),
    params: emptyAsList(encodeKeys(Object.fromEntries(messageParams(message))) as Params),
  };
}

/** A deleted message stays in its place and says so; its files are gone. */
function shownText(message: LineMessage): string {
  return message.deleted ? DELETED : message.text;
}

function shownFiles(message: LineMessage): MessageFile[] {
  return message.files.filter((file) => !file.removed);
}

/** Names of the history are those of the messenger in camel case: CONNECTOR_MID is `connectorMid` there. */
function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(.)/g, (_all, letter: string) => letter.toUpperCase());
}

function encodeKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(encodeKeys);
  if (!isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [camelCase(key), encodeKeys(inner)]));
}

/** As far as tests write it. */
function asHtml(bbcode: string): string {
  return bbcode
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/\[(\/?[bius])]/gi, '<$1>')
    .replace(/\[url=([^\]]+)]([^]*?)\[\/url]/gi, '<a href="$1" target="_blank">$2</a>')
    .replaceAll('\n', '<br />');
}

/** Parameters of a message as the `im` module keeps them; those with their default value are left out. */
function messageParams(message: LineMessage): Array<[string, unknown]> {
  // Deletion resets all of them, the external ids and the clock too.
  if (message.deleted) return [['IS_DELETED', 'Y']];
  const params = Object.entries(message.params);
  if (message.externalIds.length > 0) params.push(['CONNECTOR_MID', message.externalIds]);
  if (message.files.length > 0) params.push(['FILE_ID', message.files.map((file) => file.id)]);
  if (message.attach.length > 0) params.push(['ATTACH', message.attach]);
  if (message.sending) params.push(['SENDING', 'Y'], ['SENDING_TS', Math.floor(message.at / 1000)]);
  if (message.edited) params.push(['IS_EDITED', 'Y']);
  return params;
}

/** Its links are those of the messenger's own page: they lead whoever is not signed in to a page that asks for it. */
function historyFile(file: MessageFile, chat: Chat): Params {
  return {
    id: file.id,
    chatid: chat.id,
    type: file.type,
    name: file.name,
    size: file.size,
    status: 'done',
    progress: 100,
    urlshow: file.pageLink,
    urldownload: file.pageLink,
  };
}

function people(chat: Chat, portal: RestContext['portal']): Map<number, string> {
  const names = new Map<number, string>([[chat.clientId, chat.title.split(' - ', 1)[0] ?? '']]);
  for (const id of chat.members)
    names.set(id, `${portal.users.get(id)?.name ?? ''} ${portal.users.get(id)?.lastName ?? ''}`.trim());
  return names;
}

function emptyAsList(map: Params): Params | unknown[] {
  return Object.keys(map).length === 0 ? [] : map;
}

/** DOWNLOAD_URL carries the caller's token and lives as long (disk/lib/rest/externalizer.php:120, rest_util.php, getSpecialUrl). */
function getFile(params: Params, { portal }: RestContext): Params {
  const file = portal.files.all.get(Number(text(params['ID'])));
  if (file === undefined || file.removed) throw new RestError(400, 'ERROR_NOT_FOUND', 'Could not find entity with id.');
  return {
    ID: String(file.id),
    NAME: file.name,
    SIZE: String(file.size),
    DOWNLOAD_URL: portal.files.downloadUrl(file),
  };
}

/** Only for whom the session belongs to (imopenlines/lib/chat.php, createLead): whoever answered in it last. */
function createLead(params: Params, { portal, user }: RestContext): true {
  if (isEmpty(params['CHAT_ID'])) throw new RestError(400, 'CHAT_ID', 'Chat ID is not specified');
  const chat = portal.lines.chatById(Number(text(params['CHAT_ID'])));
  const session = chat?.sessions.at(-1);
  if (chat === undefined || session === undefined || session.closed)
    throw new RestError(400, 'ACCESS_DENIED', 'You do not have access to the specified dialog');
  const answers = chat.messages.filter(({ author, sessionId }) => author === 'operator' && sessionId === session.id);
  if (answers.at(-1)?.authorId !== user.id)
    throw new RestError(400, 'ERROR_USER_NOT_OPERATOR', 'The user is not the operator of the dialog');
  portal.lines.saveToCrm(chat);
  return true;
}

function sendBotText(params: Params, { portal, cause }: RestContext): true {
  if (isEmpty(params['CHAT_ID'])) throw new RestError(400, 'CHAT_ID_EMPTY', 'Chat ID is not specified');
  const chat = portal.lines.chatById(Number(text(params['CHAT_ID'])));
  if (chat === undefined) throw new RestError(400, 'ACCESS_DENIED', 'You do not have access to the specified dialog');
  portal.lines.addSystemText(chat, text(params['MESSAGE']), cause);
  return true;
}

// Messenger

/** Newest first. */
function getMessages(params: Params, { portal, user }: RestContext): Params {
  if (isEmpty(params['DIALOG_ID'])) throw new RestError(400, 'DIALOG_ID_EMPTY', "Dialog ID can't be empty");
  const chat = portal.lines.chatById(chatNumber(params['DIALOG_ID']));
  if (chat === undefined || !mayEnter(chat, portal, user)) {
    throw new RestError(403, 'ACCESS_ERROR', 'You do not have access to the specified dialog');
  }
  const messages = slice(chat.messages, params);
  return {
    chat_id: chat.id,
    messages: messages.map((message) => imMessage(message)),
    users: [...people(chat, portal)].map(([id, name]) => ({ id, name, active: true, connector: id === chat.clientId })),
    files: messages.flatMap(shownFiles).map((file) => ({
      id: file.id,
      chatId: chat.id,
      type: file.type,
      name: file.name,
      size: file.size,
      urlShow: file.pageLink,
      urlDownload: file.pageLink,
    })),
  };
}

function slice(messages: LineMessage[], params: Params): LineMessage[] {
  const limit = Math.min(Number(text(params['LIMIT'])) || DEFAULT_MESSAGES, MAX_MESSAGES);
  if (params['FIRST_ID'] !== undefined) {
    const after = Number(text(params['FIRST_ID'])) || 0;
    return messages
      .filter((message) => message.id > after)
      .slice(0, limit)
      .toReversed();
  }
  const before = Number(text(params['LAST_ID'])) || Infinity;
  return messages
    .filter((message) => message.id < before)
    .slice(-limit)
    .toReversed();
}

function imMessage(message: LineMessage): Params {
  return {
    id: message.id,
    chat_id: message.chatId,
    author_id: message.authorId,
    date: portalDate(message.at),
    text: shownText(message),
    unread: false,
    uuid: null,
    replaces: [],
    params: phpArray(messageParams(message)),
    disappearing_date: null,
  };
}

/**
 * im/classes/general/im_rest.php, messageAdd: in the name of the token's user, and back as an event, unless SYSTEM or
 * SKIP_CONNECTOR is Y. A line of the system has author 0 and begins with the application's name; whoever may enter the
 * chat may write it, and no session learns of it (connector.php, onMessageSend). Anybody else's SYSTEM is read as "N",
 * and only members write in their own names. There is no external id: the same call twice makes two messages.
 */
function addMessage(params: Params, { portal, user, app, cause }: RestContext): number {
  const chat = portal.lines.chatById(chatNumber(params['DIALOG_ID']));
  const words = text(params['MESSAGE']).trim();
  if (isEmpty(params['DIALOG_ID'])) throw new RestError(400, 'DIALOG_ID_EMPTY', "Dialog ID can't be empty");
  if (words === '') throw new RestError(400, 'MESSAGE_EMPTY', "Message can't be empty");
  if (chat === undefined) throw new RestError(400, 'PARAMS_ERROR', "Message isn't added");
  const silent = params['SKIP_CONNECTOR'] === 'Y';
  if (params['SYSTEM'] === 'Y' && mayEnter(chat, portal, user)) {
    const said = app === null ? words : `[b]${app.clientId}[/b]\n${words}`;
    const shown = silent ? { params: HIDDEN_MESSAGE } : {};
    return portal.lines.store(chat, { author: 'system', authorId: 0, text: said, ...shown }).id;
  }
  if (!chat.members.has(user.id)) throw new RestError(400, 'PARAMS_ERROR', "Message isn't added");
  if (silent) {
    const part = { author: 'operator' as const, authorId: user.id, text: words, params: HIDDEN_MESSAGE };
    return portal.lines.store(chat, part).id;
  }
  if (!portal.lines.canSend(chat)) throw new RestError(400, 'PARAMS_ERROR', "Message isn't added");
  return portal.lines.addOperatorMessage(chat, user.id, { text: words }, cause).id;
}
