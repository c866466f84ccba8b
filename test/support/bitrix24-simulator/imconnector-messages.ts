import { createHash } from 'node:crypto';
import { renderedText } from './client-attachments.js';
import { checkLine, messageList, target, type MessageElement } from './imconnector-arguments.js';
import { cutExternalId, HIDDEN_MESSAGE, type Chat, type Client, type LineMessage } from './open-lines.js';
import { kept } from './operator-view.js';
import { isArray, isEmpty, phpArray, text, type Params } from './php-encoding.js';
import type { MessageFile } from './portal-files.js';
import { TOO_LATE_TO_RATE } from './ratings.js';
import { RestError } from './rest-error.js';
import type { RestContext } from './rest-method.js';
import { heard, reopened } from './sessions.js';

const INCOMPLETE: Params = { SUCCESS: false, ERRORS: ['Incomplete data'] };
/** imconnector, lib/connectors/base.php, processingUser: what CUser::Add said, then IMCONNECTOR_PROXY_NO_ADD_USER. */
const noUser = (reason: string): Params => ({
  SUCCESS: false,
  ERRORS: [reason, 'Cannot create or get user mapped to external messenger user.'],
});

/** The end of a PHP that recurses; what was stored before it stays. */
const DIED = new RestError(500, 'INTERNAL_SERVER_ERROR', 'Internal server error');

/** What a message of a client has become: its words with all that was written into them, and the files that could be fetched. */
interface Content {
  words: string;
  /** By their place in `message.files`; what could not be fetched leaves a gap. */
  files: Array<readonly [string, MessageFile]>;
}

// New messages

/**
 * `imconnector.send.messages`: in the order of the list, one by one; an element may fail inside a successful answer;
 * the same id twice makes two messages.
 */
export async function sendMessages(params: Params, context: RestContext): Promise<Params> {
  const { connector, line } = target(params);
  const messages = messageList(params);
  for (const { raw } of messages) {
    if (!['user', 'message', 'chat'].every((key) => isArray(raw[key]))) {
      throw new RestError(400, 'ERROR_ARGUMENT', 'The incorrect structure of a message inside MESSAGES parameter.', {
        argument: 'MESSAGES',
      });
    }
  }
  checkLine(connector, line, context);
  const results: Params[] = [];
  for (const message of messages) results.push(await receive(connector, line, message, context));
  return { SUCCESS: true, DATA: { RESULT: results } };
}

async function receive(connector: string, line: string, parts: MessageElement, context: RestContext): Promise<Params> {
  const { portal, faults } = context;
  const fault = faults.takeElement('imconnector.send.messages', parts.raw);
  if (typeof fault === 'object') {
    await context.work();
    return { SUCCESS: false, ERRORS: fault.elementError };
  }
  if (isEmpty(parts.user) || isEmpty(parts.chat)) return INCOMPLETE;
  const client = await clientOf(connector, parts.user, context);
  if (typeof client === 'string') return noUser(client);
  const content = await contentOf(parts.message, context);
  if (content === null) return INCOMPLETE;
  const chat = portal.lines.openChat(connector, line, text(parts.chat['id']), client);
  if (!isEmpty(parts.chat['url'])) chat.description = postLink(parts.chat);
  return portal.lines.locked(chat, async () => {
    await context.work();
    const landed = land(chat, client, content, parts, context);
    const session = landed && fault !== 'omitSession' ? chat.sessions.at(-1) : undefined;
    return {
      ...answer(parts, client, content),
      ...(session === undefined ? {} : { session: { ID: String(session.id), CHAT_ID: String(chat.id) } }),
    };
  });
}

/** Puts the message into the chat; false when the session was not touched (a rating was taken from "1" or "0"). */
function land(
  chat: Chat,
  client: Client,
  { words, files }: Content,
  parts: MessageElement,
  { portal, cause }: RestContext,
): boolean {
  const { message } = parts;
  const author = message['user_id'];
  const part = {
    text: kept(words),
    files: files.map(([, file]) => file),
    externalIds: isEmpty(message['id']) ? [] : [cutExternalId(text(message['id']))],
    disableCrm: message['disable_crm'] === 'Y',
  };
  const current = chat.sessions.at(-1);
  const byClient = author === undefined || author === null;
  const vote = byClient && current?.waitVote === true ? /^([01])(?: |\s*$)/.exec(words)?.[1] : undefined;
  if (vote !== undefined && current !== undefined) {
    if (current.voteUntil !== null && portal.clock.now() > current.voteUntil) {
      portal.lines.addSystemText(chat, TOO_LATE_TO_RATE, cause);
      return false;
    }
    const rating = vote === '1' ? 'like' : 'dislike';
    if (current.closed) reopened(current);
    portal.lines.store(chat, { ...part, author: 'client', authorId: client.id, text: `[${rating}]` });
    portal.lines.rateSession(chat, current, rating);
    return false;
  }
  const before = chat.sessions.length;
  const by = byClient ? 'client' : Number(text(author)) > 0 ? 'operator' : 'system';
  const session = portal.lines.openSession(chat, by, cause, sourceOf(parts.raw));
  Object.assign(session.fields, extraOf(parts));
  // A line of its own that the client does not see.
  if (!isEmpty(message['description']))
    portal.lines.store(chat, {
      author: 'system',
      authorId: 0,
      text: text(message['description']),
      params: HIDDEN_MESSAGE,
    });
  const stored = byClient
    ? portal.lines.addClientMessage(chat, client, part, chat.sessions.length > before, cause)
    : addInNameOf(Number(text(author)) || 0, chat, part, portal, cause);
  if (!portal.lines.takeIn(chat, client, stored)) throw DIED;
  // Whoever its author is: connector.php passes the client's id to the update of the session.
  heard(session, by, portal.clock.now());
  return true;
}

/** In an employee's name it is an ordinary operator's message, so it comes back as an event; a system line does not. */
function addInNameOf(
  authorId: number,
  chat: Chat,
  part: Pick<LineMessage, 'text' | 'files' | 'externalIds' | 'disableCrm'>,
  portal: RestContext['portal'],
  cause: RestContext['cause'],
): LineMessage {
  if (authorId === 0) return portal.lines.store(chat, { ...part, author: 'system', authorId });
  if (portal.lines.canSend(chat)) return portal.lines.addOperatorMessage(chat, authorId, part, cause);
  return portal.lines.store(chat, { ...part, author: 'operator', authorId });
}

// Corrections

/** `imconnector.update.messages`: only the text changes, though files are fetched and counted as content. */
export async function updateMessages(params: Params, context: RestContext): Promise<Params> {
  return correct('update', params, context, (parts) => contentOf(parts.message, context));
}

/** `imconnector.delete.messages` */
export async function deleteMessages(params: Params, context: RestContext): Promise<Params> {
  return correct('delete', params, context, async ({ message }) => ({ words: text(message['text']), files: [] }));
}

/**
 * Finds messages by their external id in the chat of that user. One that is not there is no error, and no event tells
 * the connector of its own corrections.
 */
async function correct(
  method: 'update' | 'delete',
  params: Params,
  context: RestContext,
  read: (parts: MessageElement) => Promise<Content | null>,
): Promise<Params> {
  const { connector, line } = target(params);
  const messages = messageList(params);
  checkLine(connector, line, context);
  await context.work();
  const results: Params[] = [];
  for (const parts of messages) {
    const client =
      isEmpty(parts.user) || isEmpty(parts.chat) ? undefined : await clientOf(connector, parts.user, context);
    if (typeof client === 'string') {
      results.push(noUser(client));
      continue;
    }
    const content = client ? await read(parts) : null;
    if (!client || content === null) {
      results.push(INCOMPLETE);
      continue;
    }
    const found = findMessages(connector, line, client, parts, context);
    if (method === 'delete') found.forEach((message) => context.portal.lines.correct(message, null, 'connector'));
    else if (content.words !== '')
      for (const message of found) {
        const { lines } = context.portal;
        lines.correct(message, kept(content.words), 'connector');
        if (!lines.canBeOpened(lines.chatOf(message), message)) throw DIED;
      }
    context.portal.corrections.push({
      at: context.portal.clock.now(),
      method,
      dialog: text(parts.chat['id']),
      externalId: text(parts.message['id']),
      messageIds: found.map(({ id }) => id),
    });
    results.push(answer(parts, client, content));
  }
  return { SUCCESS: true, DATA: { RESULT: results } };
}

function findMessages(
  connector: string,
  line: string,
  client: Client,
  parts: MessageElement,
  { portal }: RestContext,
): LineMessage[] {
  const code = `${connector}|${line}|${text(parts.chat['id'])}`;
  const chat = portal.lines.chats.get(`${code}|${client.id}`) ?? portal.lines.chats.get(`${code}|0`);
  const id = cutExternalId(text(parts.message['id']));
  return (chat?.messages ?? []).filter((message) => !message.deleted && message.externalIds.includes(id));
}

// The client

/**
 * The user behind `user.id`: made when it is new; profile and picture are taken over when anything in the array changed
 * (connectors/base.php, updateUser compares the MD5 of the whole array). A text: why there is none. A picture that
 * CFile::CheckImageFile refuses keeps a new user from being made, and a known one from being changed.
 */
async function clientOf(connector: string, user: Params, { portal }: RestContext): Promise<Client | string> {
  const { skip_phone_validate: skipPhoneValidate, ...fields } = user;
  const id = text(user['id']);
  const email = text(user['email']);
  const known = portal.lines.findClient(connector, id);
  if (known === undefined && email !== '' && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) return 'Wrong email.';
  const hash = createHash('md5').update(JSON.stringify(fields)).digest('hex');
  if (known?.hash === hash) return known;
  const picture = isArray(user['picture']) ? await portal.downloads.fetch('avatar', user['picture']) : null;
  const refused = picture && portal.refusesPicture(picture);
  if (refused) return known ?? refused;
  return portal.lines.saveClient(connector, id, {
    ...nameOf(user),
    fields,
    email,
    phone: text(user['phone']) || (known?.phone ?? ''),
    url: text(user['url']),
    gender: ({ male: 'M', female: 'F' } as const)[text(user['gender'])] ?? '',
    avatar: picture ? portal.files.add(picture) : (known?.avatar ?? null),
    skipPhoneValidate: skipPhoneValidate === 'Y',
    hash,
  });
}

/** A name of exactly two words is split when there is no last name. */
function nameOf(user: Params): { name: string; lastName: string } {
  let name = text(user['name']);
  let lastName = text(user['last_name']);
  const words = name.split(' ');
  if (lastName === '' && words.length === 2) [name, lastName] = words as [string, string];
  if (name === '' && lastName === '') name = text(user['title']) || 'Guest';
  return { name, lastName };
}

// The content

/** Null when neither text nor a file is left: files that cannot be fetched are dropped without a word. */
async function contentOf(message: Params, { portal }: RestContext): Promise<Content | null> {
  const words = renderedText(message);
  const files: Array<readonly [string, MessageFile]> = [];
  const wanted = isArray(message['files']) ? Object.entries(message['files']) : [];
  for (const [place, file] of wanted) {
    const downloaded = isArray(file) ? await portal.downloads.fetch('file', file) : null;
    if (downloaded !== null) files.push([place, portal.files.add(downloaded)]);
  }
  return words === '' && files.length === 0 ? null : { words, files };
}

// The answer

/** The element as it came, with internal ids in the place of the user and the files. */
function answer(parts: MessageElement, client: Client, { words, files }: Content): Params {
  const { disable_crm: _disableCrm, ...message } = parts.message;
  const extra = extraOf(parts);
  return {
    ...parts.raw,
    user: String(client.id),
    message: {
      ...message,
      // A PHP DateTime becomes an empty object.
      ...(isEmpty(message['date']) ? {} : { date: {} }),
      ...(words === '' && message['text'] === undefined ? {} : { text: words }),
      ...(isEmpty(message['files']) ? {} : { files: phpArray(files.map(([place, { id }]) => [place, id])) }),
    },
    chat: chatEcho(parts.chat),
    ...(isEmpty(extra) ? {} : { extra }),
    SUCCESS: true,
  };
}

/** What goes into the session: the element's own `extra`, and two switches that the module puts there. */
function extraOf({ raw, user, message }: MessageElement): Params {
  return {
    ...(isArray(raw['extra']) ? raw['extra'] : {}),
    ...(user['skip_phone_validate'] === 'Y' ? { skip_phone_validate: 'Y' } : {}),
    ...(message['disable_crm'] === 'Y' ? { disable_tracker: 'Y' } : {}),
  };
}

function sourceOf({ ref }: Params): string {
  return isArray(ref) ? text(ref['source']) : '';
}

/** The chat as it is answered: `url` has become a description. */
function chatEcho({ url, ...rest }: Params): Params {
  return isEmpty(url) ? rest : { ...rest, description: postLink({ url }) };
}

function postLink(chat: Params): string {
  return `Link to original post: ${text(chat['url'])}`;
}
