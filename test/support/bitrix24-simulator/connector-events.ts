import { lastRichLink } from './cards.js';
import type { Chat, LineMessage } from './open-lines.js';
import type { Params } from './php-encoding.js';
import { formatSize, type MessageFile } from './portal-files.js';
import { connectorKey } from './portal-model.js';
import type { Portal } from './portal.js';
import type { Session } from './sessions.js';

/** Who and what made the portal act: the user for the event's token, and the rest of the chain for calls made with an event's token. */
export interface Cause {
  userId?: number;
  eventTtl?: number;
}

/** How the operator's name stands before a text: `[/b] [br]` since 2026, `[/b][br] ` before. */
export type PrefixStyle = 'new' | 'old' | 'none';

/** What differs between builds of Bitrix24 in what they tell a connector. */
export interface EventFormat {
  prefixStyle: PrefixStyle;
  /** Of ONIMCONNECTORMESSAGEUPDATE, which has kept the older one. */
  updatePrefixStyle: PrefixStyle;
  /** False: older builds, which give `link` only. */
  downloadLinks: boolean;
  /** False: files without `size` and `sizef`. */
  fileSizes: boolean;
  /** `message.id` of ONIMCONNECTORMESSAGEDELETE: the id, as the source has it, or a list of one, as the documentation shows. */
  deletedIds: 'scalar' | 'list';
}

/** What a connector is told about its lines, dialogs and messages. */
export class ConnectorEvents {
  constructor(private readonly portal: Portal) {}

  /**
   * Cards are beside the message as JSON; `message.attachments` has the data of the last rich link, or nothing, which
   * the form leaves out (yuliai/bitrix-modules, imconnector/lib/provider/custom/output.php:111).
   */
  messageAdded(chat: Chat, message: LineMessage, cause: Cause): void {
    const { format } = this.portal.events;
    const body = {
      im: im(message),
      message: {
        user_id: message.authorId,
        text: this.signed(chat, message, format.prefixStyle),
        files: message.files.map((file) => eventFile(file, format)),
        attachments: lastRichLink(message.attach, this.portal.url),
        params: { CLASS: 'bx-messenger-content-item-ol-output', ...toldParams(message.params) },
      },
      chat: { id: chat.externalId },
      attachments_old: message.attach.map((card) => JSON.stringify(card)),
    };
    this.raiseForMessages('ONIMCONNECTORMESSAGEADD', chat, [body], cause);
  }

  /** Only of a message whose delivery was reported with ids; files are never included. */
  messageEdited(chat: Chat, message: LineMessage, userId: number): void {
    if (message.externalIds.length === 0) return;
    const text = this.signed(chat, message, this.portal.events.format.updatePrefixStyle);
    const body = { im: im(message), message: { id: message.externalIds, text }, chat: { id: chat.externalId } };
    this.raiseForMessages('ONIMCONNECTORMESSAGEUPDATE', chat, [body], { userId });
  }

  /** One element per external id. */
  messageDeleted(chat: Chat, message: LineMessage, userId: number): void {
    if (message.externalIds.length === 0) return;
    const asList = this.portal.events.format.deletedIds === 'list';
    const bodies = message.externalIds.map((id) => ({
      im: im(message),
      message: { id: asList ? [id] : id },
      chat: { id: chat.externalId },
    }));
    this.raiseForMessages('ONIMCONNECTORMESSAGEDELETE', chat, bodies, { userId });
  }

  dialogStarted(chat: Chat, session: Session, cause: Cause): void {
    this.raiseDialog('ONIMCONNECTORDIALOGSTART', chat, session, cause);
  }

  dialogFinished(chat: Chat, session: Session): void {
    this.raiseDialog('ONIMCONNECTORDIALOGFINISH', chat, session, {});
  }

  /** This event's keys are lower case, unlike those of all others. */
  statusDeleted(connector: string, line: string, cause: Cause): void {
    this.raise('ONIMCONNECTORSTATUSDELETE', connector, { connector: connectorKey(connector), line }, cause);
  }

  private raiseForMessages(event: string, chat: Chat, messages: unknown[], cause: Cause): void {
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
    const appId = this.portal.lines.connectors.get(connectorKey(connector))?.appId;
    if (appId !== undefined) this.portal.events.raise(event, data, { ...options, appId });
  }

  /**
   * With NEED_SIGNATURE, and unless the line hides its operators, the author's name stands before the text, also of
   * changes; never before what nobody wrote (yuliai/bitrix-modules, imopenlines/lib/connector.php:1302, 1801).
   */
  private signed(chat: Chat, message: LineMessage, style: PrefixStyle): string {
    const { lines, users } = this.portal;
    const line = lines.lines.get(chat.line);
    const signs = lines.connectorOf(chat)?.needSignature === true && line !== undefined && line.operatorData !== 'hide';
    if (!signs || message.authorId === 0 || style === 'none') return message.text;
    const user = users.get(message.authorId);
    // Queue::setQueueUserData (yuliai/bitrix-modules, imopenlines/lib/queue.php): without an entry the profile counts.
    const alias = line.operatorData === 'queue' ? line.aliases[message.authorId] : undefined;
    const prefix = `[b]${(alias ?? `${user?.name ?? ''} ${user?.lastName ?? ''}`).trim()}:[/b]`;
    if (message.text === '') return style === 'new' ? `${prefix} ` : prefix;
    return style === 'new' ? `${prefix} [br]${message.text}` : `${prefix}[br] ${message.text}`;
  }
}

/** yuliai/bitrix-modules, imopenlines/lib/connector.php, onMessageSend: `$allowedFields`; what was answered is not among them. */
function toldParams(params: Params): Params {
  const told = /^(?:CLASS|url|fromSalescenterApplication|richUrlPreview|IMOL_.*|IS_.*)$/;
  return Object.fromEntries(Object.entries(params).filter(([name]) => told.test(name)));
}

function im(message: LineMessage): { chat_id: number; message_id: number } {
  return { chat_id: message.chatId, message_id: message.id };
}

function eventFile(file: MessageFile, format: EventFormat): Params {
  const { name, type, mime, link, downloadLink, size, width, height } = file;
  return {
    name,
    type,
    mime,
    link,
    ...(format.downloadLinks ? { downloadLink } : {}),
    ...(type === 'image' ? { width, height } : {}),
    ...(format.fileSizes ? { size, sizef: formatSize(size) } : {}),
  };
}
