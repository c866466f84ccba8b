import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectorEvents, type Cause } from './connector-events.js';
import { contactsIn, type FoundContacts } from './contacts.js';
import { DialogKilled, seenByOperator } from './operator-view.js';
import { CrmTracker } from './crm-tracker.js';
import type { Params } from './php-encoding.js';
import type { MessageFile, NewFile } from './portal-files.js';
import { connectorKey, type Connector, type ConnectorStatus, type Line } from './portal-model.js';
import type { Portal } from './portal.js';
import { questionForRating, thanksFor } from './ratings.js';
import { answered, beginsToClose, ended, newSession, type Session, type SessionCause } from './sessions.js';

/** `CIMMessenger::MESSAGE_LIMIT` */
const TEXT_LIMIT = 20_000;
/** Longer external ids are cut to 97 characters and "...". */
const EXTERNAL_ID_LIMIT = 100;
/** Operators may edit for three days (`im` module, 259200 s). */
const EDIT_WINDOW_MS = 259_200_000;
/** A second sender of a dialog sleeps 1, 2 and 3 s for the lock, then goes on without it (`LOCK_MAX_ITERATIONS`). */
const LOCK_WAITS_MS = [1000, 2000, 3000];
/** Parameters of what stays inside the portal: whispers, descriptions (`onMessageSend` of imopenlines sets them). */
export const HIDDEN_MESSAGE = { CLASS: 'bx-messenger-content-item-system', COMPONENT_ID: 'HiddenMessage' };
const NOT_CONFIGURED = 'You cannot send messages because the communication channel is not configured.';

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
  /** Blocks of the messenger's ATTACH: cards, tables, rich links. */
  attach: Params[];
  /** Further parameters of the message, e.g. `url`, `richUrlPreview`. */
  params: Params;
  /** `disable_crm`: the CRM tracker must not look for contacts in the text. */
  disableCrm: boolean;
  edited: boolean;
  /** People see "This message was deleted."; `text` keeps what it said. */
  deleted: boolean;
  /** Every correction, oldest first. */
  revisions: Revision[];
  /** Unix ms. */
  at: number;
}

export interface Revision {
  /** Unix ms. */
  at: number;
  /** The employee's id, or the connector by REST. */
  by: number | 'connector';
  from: string;
  /** Null: deleted. */
  to: string | null;
}

/** A dialog that a text has ended, see `operator-view.ts`. */
export interface KilledDialog {
  dialog: string;
  messageId: number;
  text: string;
  /** `portal`: every request that opens the dialog dies; `messenger`: the operator's tab does. */
  by: 'portal' | 'messenger';
  reason: string;
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

/** A client as the portal keeps it: an internal user of type connector. */
export interface Client {
  id: number;
  xmlId: string;
  name: string;
  lastName: string;
  /** What the connector said about the user, last time something in it changed. */
  fields: Params;
  email: string;
  /** PERSONAL_MOBILE */
  phone: string;
  /** PERSONAL_WWW */
  url: string;
  gender: 'M' | 'F' | '';
  /** PERSONAL_PHOTO */
  avatar: MessageFile | null;
  /** False unless `skip_phone_validate` came as "Y": then odd numbers are taken too. */
  skipPhoneValidate: boolean;
  /** What the CRM tracker found in the client's dialogs. */
  crm: FoundContacts;
  /** Of `fields`; while it stays the same, neither the profile nor the avatar is looked at again. */
  hash: string;
}

/** What an operator types and attaches. */
export interface OperatorParts {
  text?: string;
  files?: NewFile[];
  attach?: Params[];
  params?: Params;
}

export type OperatorContent = string | OperatorParts;

/** Lines, connectors' states, chats, sessions and messages of one portal. */
export class OpenLines {
  readonly lines = new Map<string, Line>();
  readonly connectors = new Map<string, Connector>();
  readonly statuses = new Map<string, ConnectorStatus>();
  readonly chats = new Map<string, Chat>();
  readonly messages = new Map<number, LineMessage>();
  readonly clients = new Map<string, Client>();
  readonly events: ConnectorEvents;
  readonly tracker = new CrmTracker();
  /**
   * Emits `message` with (message, chat) when a message is stored, `delivery` with the message when a clock is cleared,
   * `correction` with the message when it is edited or deleted.
   */
  readonly changes = new EventEmitter().setMaxListeners(0);
  /** How often a second send of a dialog met its lock. */
  lockContentions = 0;
  /** Texts that a connector put into dialogs which nobody can open since then, or which show nothing. */
  readonly killed: KilledDialog[] = [];
  private readonly chatsById = new Map<number, Chat>();
  private readonly chatsByExternalId = new Map<string, Chat>();
  private readonly sessionChats = new Map<number, Chat>();
  private lastId = { chat: 1760, session: 320, message: 85_000, client: 584 };

  constructor(private readonly portal: Portal) {
    this.events = new ConnectorEvents(portal);
  }

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
    if (this.statuses.delete(key)) this.events.statusDeleted(connector, line, cause);
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

  /** The open session of a chat, begun when there is none; `ref`: `ref.source` of the message that begins it. */
  openSession(chat: Chat, by: SessionCause, cause: Cause, ref = ''): Session {
    const current = chat.sessions.at(-1);
    if (current !== undefined && !current.closed) return current;
    const session = {
      ...newSession((this.lastId.session += 1), by, lastIdIn(chat)),
      ...this.tracker.sessionBegins(ref),
    };
    chat.sessions.push(session);
    this.sessionChats.set(session.id, chat);
    this.tellCrm(chat, session);
    this.events.dialogStarted(chat, session, cause);
    return session;
  }

  /** An operator saves the dialog to the CRM; false: it is there already. */
  saveToCrm(chat: Chat): boolean {
    const session = openOf(chat);
    const client = this.clientOf(chat);
    const line = this.lines.get(chat.line);
    if (session === undefined || client === undefined || line === undefined) throw new Error('No session is open.');
    return this.portal.crm.dialogs.saveToCrm(chat, session, client, line);
  }

  private clientOf({ clientId }: Chat): Client | undefined {
    return [...this.clients.values()].find(({ id }) => id === clientId);
  }

  /** Chats that are grouped have no client, and what the tracker keeps for itself has no other part of the CRM. */
  private tellCrm(chat: Chat, session: Session): void {
    const client = this.clientOf(chat);
    const line = this.lines.get(chat.line);
    if (client === undefined || line === undefined || this.connectorOf(chat)?.chatGroup === true) return;
    if (session.crm === 'client searched, lead made')
      this.portal.crm.dialogs.sessionBegins(chat, session, client, line);
  }

  /** A client's words; the first ones of a session are greeted by the line while the call that brought them still runs. */
  addClientMessage(
    chat: Chat,
    client: Client,
    part: Pick<LineMessage, 'text'> & Partial<LineMessage>,
    first: boolean,
    cause: Cause,
  ): LineMessage {
    const message = this.store(chat, { ...part, author: 'client', authorId: client.id, readByClient: true });
    const welcome = this.lines.get(chat.line)?.welcomeText ?? null;
    if (first && welcome !== null) this.addSystemText(chat, welcome, cause);
    return message;
  }

  /**
   * An operator ends the dialog, or its time is over: where the line has a closing text the client gets that, and the
   * session is being closed until this happens again (session.php, finish). True: it is closed.
   */
  finishSession(chat: Chat): boolean {
    const session = chat.sessions.at(-1);
    if (session === undefined || session.closed) return true;
    const words = this.lines.get(chat.line)?.closingText ?? null;
    const vote =
      session.vote === null && this.connectorOf(chat)?.needSystemMessages ? this.lines.get(chat.line)?.vote : null;
    if ((words === null && !vote) || session.waitAction) {
      this.closeSession(chat);
      return true;
    }
    beginsToClose(session);
    if (words !== null) this.addSystemText(chat, words, {});
    if (vote) {
      const now = this.portal.clock.now();
      session.waitVote = true;
      session.voteUntil = vote.timeLimit > 0 ? now + vote.timeLimit * 1000 : null;
      this.addSystemText(chat, vote.question, {}, questionForRating(session, vote));
    }
    return false;
  }

  /** The client has rated the session, in time. */
  rateSession(chat: Chat, session: Session, rating: 'like' | 'dislike'): void {
    session.vote = rating;
    session.waitVote = false;
    const vote = this.lines.get(chat.line)?.vote;
    if (!vote) return;
    this.addSystemText(chat, thanksFor(vote, rating), {});
    if (vote.closes) this.closeSession(chat);
  }

  closeSession(chat: Chat): void {
    const session = chat.sessions.at(-1);
    if (session === undefined || session.closed) return;
    ended(session, lastIdIn(chat));
    this.portal.crm.dialogs.sessionEnds(session);
    this.events.dialogFinished(chat, session);
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

  /** Writes a profile under `connector|id`; an empty id makes a new user every time. */
  saveClient(connector: string, externalId: string, profile: Omit<Client, 'id' | 'xmlId' | 'crm'>): Client {
    const known = this.findClient(connector, externalId);
    if (known !== undefined) return Object.assign(known, profile);
    const id = (this.lastId.client += 1);
    const crm = { phones: [], emails: [] };
    const client: Client = {
      ...profile,
      crm,
      id,
      xmlId: `${connectorKey(connector)}|${externalId || `anonymous-${id}`}`,
    };
    this.clients.set(client.xmlId, client);
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
      // In which session it was said; which ones show it is another matter, see `holds`.
      sessionId: openOf(chat)?.id ?? 0,
      files: [],
      externalIds: [],
      sending: false,
      readByClient: false,
      whisper: false,
      attach: [],
      params: {},
      disableCrm: false,
      edited: false,
      deleted: false,
      revisions: [],
      at: this.portal.clock.now(),
      ...part,
      text: cutText(part.text),
    };
    chat.messages.push(message);
    this.messages.set(message.id, message);
    this.changes.emit('message', message, chat);
    return message;
  }

  /**
   * What the portal does with every text that a connector adds: looks for the client's contacts (imopenlines,
   * `Connector::addMessage` → `Tracker::trackMessage`; the chat must not be a group's) and prepares it for operators' eyes.
   * False: the request dies of it.
   */
  takeIn(chat: Chat, client: Client, message: LineMessage): boolean {
    if (message.text !== '' && !message.disableCrm && this.connectorOf(chat)?.chatGroup !== true) {
      const { phones, emails } = contactsIn(message.text);
      client.crm.phones = [...new Set([...client.crm.phones, ...phones])];
      client.crm.emails = [...new Set([...client.crm.emails, ...emails])];
      if (phones.length + emails.length > 0) this.portal.crm.dialogs.contactsFound(chat, client);
    }
    return this.canBeOpened(chat, message);
  }

  /** Notes where the text of the message has ended its dialog; false: the portal itself dies of it. */
  canBeOpened(chat: Chat, message: LineMessage): boolean {
    try {
      seenByOperator(message.text);
      return true;
    } catch (error) {
      const by = error instanceof DialogKilled ? error.by : 'messenger';
      const reason = error instanceof Error ? error.message : String(error);
      this.killed.push({ dialog: chat.externalId, messageId: message.id, text: message.text, by, reason });
      return by !== 'portal';
    }
  }

  /** A message in the name of an employee; it goes out to the connector and waits for its delivery report. */
  addOperatorMessage(
    chat: Chat,
    authorId: number,
    part: Pick<LineMessage, 'text'> & Partial<LineMessage>,
    cause: Cause,
  ): LineMessage {
    if (!this.canSend(chat)) throw new Error(NOT_CONFIGURED);
    chat.members.add(authorId);
    answered(this.openSession(chat, 'operator', cause));
    const message = this.store(chat, { ...part, author: 'operator', authorId, sending: true });
    this.events.messageAdded(chat, message, { ...cause, userId: authorId });
    return message;
  }

  /** An automatic text: author 0, no prefix, sent only to connectors that take system messages. */
  addSystemText(chat: Chat, text: string, cause: Cause, params: Params = {}): LineMessage {
    const goesOut = this.canSend(chat) && this.connectorOf(chat)?.needSystemMessages === true;
    const message = this.store(chat, { author: 'system', authorId: 0, text, params, sending: goesOut });
    if (goesOut) this.events.messageAdded(chat, message, cause);
    return message;
  }

  /** The author's correction, within three days and where the connector allows it. */
  editMessage(message: LineMessage, text: string, userId: number): void {
    const chat = this.chatOf(message);
    if (message.deleted) throw new Error('The message has been deleted.');
    if (message.authorId !== userId) throw new Error('Only the author may edit a message.');
    if (this.portal.clock.now() - message.at > EDIT_WINDOW_MS) throw new Error('The message is older than three days.');
    if (text === '' && message.files.length === 0) throw new Error('An empty message cannot be saved.');
    if (this.connectorOf(chat)?.editInternalMessages !== true)
      throw new Error('The channel does not let operators edit their messages.');
    this.correct(message, text, userId);
    this.events.messageEdited(chat, message, userId);
  }

  /** An operator deletes an own message, or a client's: each must be allowed by the connector. */
  deleteMessage(message: LineMessage, userId: number): void {
    const connector = this.connectorOf(this.chatOf(message));
    const own = message.authorId === userId;
    if (message.deleted) throw new Error('The message has been deleted.');
    if ((own ? connector?.delInternalMessages : connector?.delExternalMessages) !== true)
      throw new Error(`The channel does not let operators delete ${own ? 'their' : "clients'"} messages.`);
    this.correct(message, null, userId);
    this.events.messageDeleted(this.chatOf(message), message, userId);
  }

  /** Writes a correction; null deletes the message with its files, and its clock: a later delivery report is ignored. */
  correct(message: LineMessage, text: string | null, by: Revision['by']): void {
    const to = text === null ? null : cutText(text);
    message.revisions.push({ at: this.portal.clock.now(), by, from: message.text, to });
    if (to === null) {
      message.deleted = true;
      message.sending = false;
      for (const file of message.files) this.portal.files.remove(file);
    } else {
      message.text = to;
      message.edited = true;
    }
    this.changes.emit('correction', message);
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

  chatOf(message: LineMessage): Chat {
    const chat = this.chatsById.get(message.chatId);
    if (chat === undefined) throw new Error(`Message ${message.id} has no chat.`);
    return chat;
  }

  /** Whether an operator can write into the chat: connector ready and line switched on. */
  canSend(chat: Chat): boolean {
    return this.isReady(chat.connector, chat.line) && this.lines.get(chat.line)?.active === true;
  }

  connectorOf(chat: Chat): Connector | undefined {
    return this.connectors.get(connectorKey(chat.connector));
  }
}

function cutText(value: string): string {
  if (value.length <= TEXT_LIMIT) return value;
  const characters = [...value];
  return characters.length > TEXT_LIMIT ? `${characters.slice(0, TEXT_LIMIT).join('')} (...)` : value;
}

/** LAST_MESSAGE_ID */
const lastIdIn = ({ messages }: Chat): number => messages.at(-1)?.id ?? 0;

function openOf({ sessions }: Chat): Session | undefined {
  const last = sessions.at(-1);
  return last?.closed === false ? last : undefined;
}

/** The id as CONNECTOR_MID keeps it. */
export function cutExternalId(id: string): string {
  return id.length > EXTERNAL_ID_LIMIT ? `${id.slice(0, EXTERNAL_ID_LIMIT - 3)}...` : id;
}
