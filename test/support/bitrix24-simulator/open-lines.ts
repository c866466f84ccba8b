import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectorKey, type Connector, type ConnectorStatus, type Line } from './portal-model.js';
import type { Portal } from './portal.js';

/** `CIMMessenger::MESSAGE_LIMIT` */
const TEXT_LIMIT = 20_000;
/** Longer external ids are cut to 97 characters and "...". */
const EXTERNAL_ID_LIMIT = 100;
/** Operators may edit for three days (`im` module, 259200 s). */
const EDIT_WINDOW_MS = 259_200_000;
/** A second sender of a dialog sleeps 1, 2 and 3 s for the lock, then goes on without it (`LOCK_MAX_ITERATIONS`). */
const LOCK_WAITS_MS = [1000, 2000, 3000];
const NOT_CONFIGURED = 'You cannot send messages because the communication channel is not configured.';

/** A file in a chat. */
export interface MessageFile {
  id: number;
  name: string;
  type: 'image' | 'video' | 'audio' | 'file';
  mime: string;
  size: number;
  /** Public short link, answers 301 to `downloadLink`. */
  link: string;
  /** Public signed link to the content. */
  downloadLink: string;
  /** The address it came from, for a client's file. */
  source?: string;
  content: Buffer;
}

/** One message of a chat, in order of arrival. */
export interface LineMessage {
  id: number;
  chatId: number;
  sessionId: number;
  author: 'client' | 'operator' | 'system';
  /** Internal user id, 0 for system lines. */
  authorId: number;
  text: string;
  files: MessageFile[];
  /** CONNECTOR_MID: ids the connector gave, with send.messages or in the first delivery report. */
  externalIds: string[];
  /** The clock icon: sent to the connector, not yet reported as delivered. */
  sending: boolean;
  readByClient: boolean;
  /** Written in silent mode. */
  whisper: boolean;
  edited: boolean;
  deleted: boolean;
  /** Unix ms. */
  at: number;
}

export interface Session {
  id: number;
  closed: boolean;
  waitVote: boolean;
  vote: 'like' | 'dislike' | null;
}

/** An open-line chat. Its user code `connector|line|chat.id|user` is its identity. */
export interface Chat {
  id: number;
  userCode: string;
  connector: string;
  line: string;
  externalId: string;
  clientId: number;
  title: string;
  description: string | null;
  members: Set<number>;
  messages: LineMessage[];
  sessions: Session[];
  locked: boolean;
  createdAt: number;
}

/** A client: an internal user of type connector. */
export interface Client {
  id: number;
  xmlId: string;
  name: string;
  lastName: string;
  fields: Record<string, unknown>;
}

export interface OperatorFile {
  name: string;
  mime: string;
  content: Buffer | string;
}

/** What an operator types and attaches. */
export type OperatorContent = string | { text?: string; files?: OperatorFile[] };

/** Lines, connectors' states, chats, sessions and messages of one portal. */
export class OpenLines {
  readonly lines = new Map<string, Line>();
  readonly connectors = new Map<string, Connector>();
  readonly statuses = new Map<string, ConnectorStatus>();
  readonly chats = new Map<string, Chat>();
  readonly messages = new Map<number, LineMessage>();
  readonly clients = new Map<string, Client>();
  readonly files = new Map<number, MessageFile>();
  /** Emits `message` with (message, chat) when a message is stored, `delivery` with the message when a clock is cleared. */
  readonly changes = new EventEmitter().setMaxListeners(0);
  /** How often a second send of a dialog met its lock. */
  lockContentions = 0;
  private readonly chatsById = new Map<number, Chat>();
  private readonly chatsByExternalId = new Map<string, Chat>();
  private readonly sessionChats = new Map<number, Chat>();
  private lastId = { chat: 1760, session: 320, message: 85_000, client: 584, file: 320 };

  constructor(private readonly portal: Portal) {}

  // Connectors on lines

  status(connector: string, line: string): ConnectorStatus | undefined {
    return this.statuses.get(`${connectorKey(connector)}|${line}`);
  }

  /** ACTIVE, CONNECTION and REGISTER set, ERROR not. */
  isReady(connector: string, line: string): boolean {
    const status = this.status(connector, line);
    return status !== undefined && status.active && status.connection && status.register && !status.error;
  }

  activate(connector: string, line: string): void {
    const key = `${connectorKey(connector)}|${line}`;
    const data = this.statuses.get(key)?.data ?? {};
    this.statuses.set(key, {
      connector: connectorKey(connector),
      line,
      active: true,
      connection: true,
      register: true,
      error: false,
      data,
    });
  }

  /** Deletes the status row and tells the connector's owner; nothing happens when there is none. */
  deactivate(connector: string, line: string, cause: Cause): void {
    const key = `${connectorKey(connector)}|${line}`;
    if (!this.statuses.delete(key)) return;
    // This event's keys are lower case, unlike those of all others.
    this.raise('ONIMCONNECTORSTATUSDELETE', connector, { connector: connectorKey(connector), line }, cause);
  }

  /** Deletes a connector row and its states on all lines. */
  removeConnector(id: string, cause: Cause): void {
    this.deactivateEverywhere(id, cause);
    this.connectors.delete(connectorKey(id));
  }

  /** Deletes the states of a connector id on all lines, whoever owns it. */
  deactivateEverywhere(id: string, cause: Cause): void {
    for (const status of this.statuses.values()) {
      if (status.connector === connectorKey(id)) this.deactivate(id, status.line, cause);
    }
  }

  /** Deletes a line: first the states on it, then ONIMCONNECTORLINEDELETE (a bare number) to every application. */
  deleteLine(line: string, cause: Cause): void {
    for (const status of this.statuses.values()) {
      if (status.line === line) this.deactivate(status.connector, line, cause);
    }
    this.lines.delete(line);
    this.portal.events.raise('ONIMCONNECTORLINEDELETE', line, { ...cause });
  }

  // Chats

  chatById(id: number): Chat | undefined {
    return this.chatsById.get(id);
  }

  chatBySession(sessionId: number): Chat | undefined {
    return this.sessionChats.get(sessionId);
  }

  /** By the connector's `chat.id` (the oldest chat that has it), by user code, or by internal id. */
  findChat(dialog: string | number): Chat | undefined {
    if (typeof dialog === 'number') return this.chatsById.get(dialog);
    const direct = this.chats.get(dialog);
    if (direct !== undefined) return direct;
    return this.chatsByExternalId.get(dialog);
  }

  /** The chat of a client, made when it does not exist. */
  openChat(connector: string, line: string, externalId: string, client: Client): Chat {
    const grouped = this.connectors.get(connectorKey(connector))?.chatGroup === true;
    const userCode = `${connector}|${line}|${externalId}|${grouped ? 0 : client.id}`;
    const known = this.chats.get(userCode);
    if (known !== undefined) return known;
    const settings = this.lines.get(line);
    const chat: Chat = {
      id: (this.lastId.chat += 2),
      userCode,
      connector,
      line,
      externalId,
      clientId: client.id,
      title: `${`${client.name} ${client.lastName}`.trim()} - ${settings?.name ?? line}`,
      description: null,
      members: new Set(settings?.queue),
      messages: [],
      sessions: [],
      locked: false,
      createdAt: this.portal.clock.now(),
    };
    this.chats.set(userCode, chat);
    this.chatsById.set(chat.id, chat);
    if (!this.chatsByExternalId.has(externalId)) this.chatsByExternalId.set(externalId, chat);
    return chat;
  }

  /** The open session of a chat, begun when there is none. */
  openSession(chat: Chat, cause: Cause): Session {
    const current = chat.sessions.at(-1);
    if (current !== undefined && !current.closed) return current;
    const session: Session = { id: (this.lastId.session += 1), closed: false, waitVote: false, vote: null };
    chat.sessions.push(session);
    this.sessionChats.set(session.id, chat);
    this.raiseDialog('ONIMCONNECTORDIALOGSTART', chat, session, cause);
    return session;
  }

  /** A client's words; the first ones of a session are greeted by the line while the call that brought them still runs. */
  addClientMessage(
    chat: Chat,
    client: Client,
    text: string,
    files: MessageFile[],
    externalIds: string[],
    cause: Cause,
  ): LineMessage {
    const before = chat.sessions.length;
    this.openSession(chat, cause);
    const message = this.store(chat, {
      author: 'client',
      authorId: client.id,
      text,
      files,
      externalIds,
      readByClient: true,
    });
    const welcome = this.lines.get(chat.line)?.welcomeText ?? null;
    if (chat.sessions.length > before && welcome !== null) this.addSystemText(chat, welcome, cause);
    return message;
  }

  closeSession(chat: Chat): void {
    const session = chat.sessions.at(-1);
    if (session === undefined || session.closed) return;
    session.closed = true;
    session.waitVote = false;
    this.raiseDialog('ONIMCONNECTORDIALOGFINISH', chat, session, {});
  }

  /** Runs `work` under the chat's lock; like the portal, waits 1 + 2 + 3 s for it and then goes on anyway. */
  async locked<T>(chat: Chat, work: () => Promise<T> | T): Promise<T> {
    if (chat.locked) this.lockContentions += 1;
    for (const wait of LOCK_WAITS_MS) {
      if (!chat.locked) break;
      await sleep(wait);
    }
    chat.locked = true;
    try {
      return await work();
    } finally {
      chat.locked = false;
    }
  }

  // Clients

  /** The user behind `connector|id`; an empty id makes a new one every time. */
  client(
    connector: string,
    externalId: string,
    name: string,
    lastName: string,
    fields: Record<string, unknown>,
  ): Client {
    const id = (this.lastId.client += 1);
    const xmlId = `${connectorKey(connector)}|${externalId === '' ? `anonymous-${id}` : externalId}`;
    const known = this.clients.get(xmlId);
    if (known !== undefined) {
      this.lastId.client -= 1;
      return Object.assign(known, { name, lastName, fields });
    }
    const client: Client = { id, xmlId, name, lastName, fields };
    this.clients.set(xmlId, client);
    return client;
  }

  findClient(connector: string, externalId: string): Client | undefined {
    return this.clients.get(`${connectorKey(connector)}|${externalId}`);
  }

  // Messages

  /** Stores a message and nothing else. */
  store(chat: Chat, part: Pick<LineMessage, 'author' | 'authorId' | 'text'> & Partial<LineMessage>): LineMessage {
    const message: LineMessage = {
      id: (this.lastId.message += 1),
      chatId: chat.id,
      sessionId: chat.sessions.at(-1)?.id ?? 0,
      files: [],
      externalIds: [],
      sending: false,
      readByClient: false,
      whisper: false,
      edited: false,
      deleted: false,
      at: this.portal.clock.now(),
      ...part,
      text: cutText(part.text),
    };
    chat.messages.push(message);
    this.messages.set(message.id, message);
    this.changes.emit('message', message, chat);
    return message;
  }

  /** A message in the name of an employee; it goes out to the connector and waits for its delivery report. */
  addOperatorMessage(chat: Chat, authorId: number, text: string, files: MessageFile[], cause: Cause): LineMessage {
    if (!this.canSend(chat)) throw new Error(NOT_CONFIGURED);
    chat.members.add(authorId);
    this.openSession(chat, cause);
    const message = this.store(chat, { author: 'operator', authorId, text, files, sending: true });
    this.raiseMessageAdd(chat, message, { ...cause, userId: authorId });
    return message;
  }

  /** An automatic text: author 0, no prefix, sent only to connectors that take system messages. */
  addSystemText(chat: Chat, text: string, cause: Cause): LineMessage {
    const goesOut =
      this.canSend(chat) && this.connectors.get(connectorKey(chat.connector))?.needSystemMessages === true;
    const message = this.store(chat, { author: 'system', authorId: 0, text, sending: goesOut });
    if (goesOut) this.raiseMessageAdd(chat, message, cause);
    return message;
  }

  /** The operator's correction; the connector learns of it only when the message has external ids. */
  editMessage(message: LineMessage, text: string, userId: number): void {
    if (this.portal.clock.now() - message.at > EDIT_WINDOW_MS) throw new Error('The message is older than three days.');
    message.text = cutText(text);
    message.edited = true;
    const chat = this.chatOf(message);
    if (
      message.externalIds.length === 0 ||
      this.connectors.get(connectorKey(chat.connector))?.editInternalMessages !== true
    )
      return;
    const body = {
      im: im(message),
      message: { id: message.externalIds, text: this.signed(chat, message, 'old') },
      chat: { id: chat.externalId },
    };
    this.raiseForMessage('ONIMCONNECTORMESSAGEUPDATE', chat, [body], { userId });
  }

  /** The operator's deletion: one element per external id. */
  deleteMessage(message: LineMessage, userId: number): void {
    message.deleted = true;
    const chat = this.chatOf(message);
    if (
      message.externalIds.length === 0 ||
      this.connectors.get(connectorKey(chat.connector))?.delInternalMessages !== true
    )
      return;
    const bodies = message.externalIds.map((id) => ({
      im: im(message),
      message: { id },
      chat: { id: chat.externalId },
    }));
    this.raiseForMessage('ONIMCONNECTORMESSAGEDELETE', chat, bodies, { userId });
  }

  /**
   * A delivery report: marks the message as read by the client; only the first report of a message that still has its
   * clock clears it and sets the external ids. False when there was nothing left to clear.
   */
  reportDelivery(messageId: number, externalIds: string[]): boolean {
    const message = this.messages.get(messageId);
    if (message === undefined) return false;
    message.readByClient = true;
    if (!message.sending) return false;
    message.sending = false;
    if (externalIds.length > 0) message.externalIds = externalIds.map(cutExternalId);
    this.changes.emit('delivery', message);
    return true;
  }

  /** Keeps a file behind a public short link and a signed one, as the portal's disk does. */
  addFile(name: string, mime: string, content: Buffer, source?: string): MessageFile {
    const id = (this.lastId.file += 1);
    const sign = randomBytes(16).toString('hex');
    const short = createHash('sha1').update(`${id}${sign}`).digest('base64url').slice(0, 6);
    const downloadLink = `${this.portal.url}/pub/im.file.php?FILE_ID=${id}&SIGN=${sign}`;
    const kind = mime.split('/', 1)[0];
    const type = kind === 'image' || kind === 'video' || kind === 'audio' ? kind : 'file';
    const file: MessageFile = {
      id,
      name,
      type,
      mime,
      size: content.length,
      link: `${this.portal.url}/~${short}`,
      downloadLink,
      source,
      content,
    };
    this.files.set(id, file);
    return file;
  }

  chatOf(message: LineMessage): Chat {
    const chat = this.chatsById.get(message.chatId);
    if (chat === undefined) throw new Error(`Message ${message.id} has no chat.`);
    return chat;
  }

  /** Whether an operator can write into the chat: connector ready and line switched on. */
  canSend(chat: Chat): boolean {
    return this.isReady(chat.connector, chat.line) && this.lines.get(chat.line)?.active === true;
  }

  private raiseMessageAdd(chat: Chat, message: LineMessage, cause: Cause): void {
    const body = {
      im: im(message),
      message: {
        user_id: message.authorId,
        text: this.signed(chat, message, this.portal.events.prefixStyle),
        files: message.files.map(eventFile),
        params: { CLASS: 'bx-messenger-content-item-ol-output' },
      },
      chat: { id: chat.externalId },
    };
    this.raiseForMessage('ONIMCONNECTORMESSAGEADD', chat, [body], cause);
  }

  private raiseForMessage(event: string, chat: Chat, messages: unknown[], cause: Cause): void {
    this.raise(
      event,
      chat.connector,
      { CONNECTOR: chat.connector, LINE: chat.line, MESSAGES: messages },
      { ...cause, lane: chat.userCode },
    );
  }

  private raiseDialog(event: string, chat: Chat, session: Session, cause: Cause): void {
    const data = {
      connector: { connector_id: chat.connector, line_id: chat.line, chat_id: chat.externalId, user_id: chat.clientId },
      session: {
        id: session.id,
        closed: session.closed ? 'Y' : 'N',
        parent_id: chat.sessions.at(-2)?.id ?? 0,
        close_term: 1440,
      },
      chat: { id: chat.externalId },
      user: { id: chat.clientId },
    };
    this.raise(
      event,
      chat.connector,
      { CONNECTOR: chat.connector, LINE: chat.line, DATA: [data] },
      { ...cause, lane: chat.userCode },
    );
  }

  /** Only the application that owns the connector gets its events; the portal calls the others "Wrong app!" and stays silent. */
  private raise(event: string, connector: string, data: unknown, options: Cause & { lane?: string }): void {
    const appId = this.connectors.get(connectorKey(connector))?.appId;
    if (appId !== undefined) this.portal.events.raise(event, data, { ...options, appId });
  }

  private signed(chat: Chat, message: LineMessage, style: 'new' | 'old' | 'none'): string {
    const signs =
      this.connectors.get(connectorKey(chat.connector))?.needSignature === true &&
      this.lines.get(chat.line)?.showsOperators === true;
    if (!signs || message.authorId === 0 || style === 'none') return message.text;
    const user = this.portal.users.get(message.authorId);
    const prefix = `[b]${`${user?.name ?? ''} ${user?.lastName ?? ''}`.trim()}:[/b]`;
    if (message.text === '') return `${prefix} `;
    return style === 'new' ? `${prefix} [br]${message.text}` : `${prefix}[br] ${message.text}`;
  }
}

/** Who and what made the portal act: the user for the event's token, and the rest of the chain for calls made with an event's token. */
export interface Cause {
  userId?: number;
  eventTtl?: number;
}

function im(message: LineMessage): { chat_id: number; message_id: number } {
  return { chat_id: message.chatId, message_id: message.id };
}

function eventFile(file: MessageFile): Record<string, unknown> {
  const { name, type, mime, link, downloadLink, size } = file;
  return { name, type, mime, link, downloadLink, size, sizef: `${(size / 1024).toFixed(2)} KB` };
}

function cutText(value: string): string {
  if (value.length <= TEXT_LIMIT) return value;
  const characters = [...value];
  return characters.length > TEXT_LIMIT ? `${characters.slice(0, TEXT_LIMIT).join('')} (...)` : value;
}

/** The id as CONNECTOR_MID keeps it. */
export function cutExternalId(id: string): string {
  return id.length > EXTERNAL_ID_LIMIT ? `${id.slice(0, EXTERNAL_ID_LIMIT - 3)}...` : id;
}
