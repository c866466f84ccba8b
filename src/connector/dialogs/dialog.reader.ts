import { Injectable } from '@nestjs/common';
import { elementsOf, fieldsOf, idOf, scalar } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { DELETE_MESSAGES } from '../../common/connector-methods.js';
import { makeUnusedMessageId } from '../../common/external-ids.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { ClientFiles } from './client-files.js';
import type { LearnedChat } from '../../storage/work/learned-chats.js';
import { userOf } from './dialog.message.js';

/** What reading the dialog says about a message whose sending had an unknown outcome. */
export type Found = 'there' | 'absent' | 'unreadable';

/** The same, with what the portal said of the dialog on the way. */
export interface FoundIn {
  found: Found;
  dialog: LearnedChat;
}

/** The session of a dialog that is open; `id` null: none is. `beingClosed`: it ends soon, unless the client says something. */
export interface OpenSession {
  id: string | null;
  beingClosed: boolean;
}

const NO_SESSION: OpenSession = { id: null, beingClosed: false };

type Chat = ClaimedLane['chat'];

/** A message to look for: by the id that we gave it, else by its words. */
export interface Sought {
  externalId: string;
  text: string;
  /** Bitrix24 user id of its author: '0' for our notes; null while the client's is not known. */
  authorId: string | null;
}

interface DialogMessage {
  /** PHP writes an empty map as a list. Session history writes its keys in camel case. */
  params?: { CONNECTOR_MID?: unknown; connectorMid?: unknown } | unknown[];
  senderid?: unknown;
  author_id?: unknown;
  text?: unknown;
  message?: unknown;
}

/** A dialog as the portal knows it now. */
interface Dialog {
  chatId: string | null;
  /** Of the session that is open; null: none is. */
  sessionId: string | null;
  /** It ends soon by itself, unless the client says something. */
  beingClosed: boolean;
}

/** Stands for "the portal does not let us see it". */
const HIDDEN = Symbol('hidden');

/**
 * Places in entity_data_1 of whether the session is being closed ("Y"), and of the id of the one that is open, else 0
 * (yuliai/bitrix-modules, imopenlines/lib/chat.php: getFieldData, close; im/lib/V2/Chat/OpenLineChat.php: entityData1).
 */
const CLOSING_FIELD = 4;
const SESSION_FIELD = 5;

/** Looks into an Open Lines dialog for a message by the id that we gave it (kept there as CONNECTOR_MID). */
@Injectable()
export class DialogReader {
  constructor(
    private readonly rest: RestClient,
    private readonly files: ClientFiles,
  ) {}

  /**
   * Whether the dialog of this chat holds the message. `absent` also when the portal has no such dialog yet;
   * `unreadable`: the portal does not let us read it. Transient trouble is thrown as an UpstreamError.
   */
  async find(portal: PortalRecord, line: number, chat: Chat, sought: Sought): Promise<FoundIn> {
    const dialog = await this.dialogOf(portal, line, chat);
    if (dialog === null) return { found: 'absent', dialog: {} };
    const current = dialog === HIDDEN ? { chatId: chat.bitrixChatId, sessionId: null } : dialog;
    return { found: await this.findIn(portal, chat, current, sought), dialog: learnedOf(current) };
  }

  private async findIn(
    portal: PortalRecord,
    chat: Chat,
    current: Pick<Dialog, 'chatId' | 'sessionId'>,
    sought: Sought,
  ): Promise<Found> {
    const sessions = [...new Set([current.sessionId, chat.bitrixSessionId])].filter((id) => id !== null);
    // A session may be read by whoever installed the application; the chat, by those who may enter it.
    const reads: [string, { SESSION_ID?: number } & Record<string, unknown>, string][] = sessions.map((id) => [
      'imopenlines.session.history.get',
      { SESSION_ID: Number(id) },
      'message',
    ]);
    if (current.chatId !== null) {
      // Where none is open it is the last one: what arrived may have ended by now.
      if (current.sessionId === null) {
        reads.push(['imopenlines.session.history.get', { CHAT_ID: Number(current.chatId) }, 'message']);
      }
      reads.push(['im.dialog.messages.get', { DIALOG_ID: `chat${current.chatId}`, LIMIT: 50 }, 'messages']);
    }
    let newestRead = false;
    for (const [method, params, field] of reads) {
      const result = await this.ask(portal.id, method, params);
      if (result === HIDDEN) continue;
      const messages = elementsOf(result?.[field]) as DialogMessage[];
      if (messages.some((message) => isIt(message, sought))) return 'there';
      // A message would be in the session that is the last one now: older sessions prove nothing.
      if (params.SESSION_ID === undefined || String(params.SESSION_ID) === current.sessionId) newestRead = true;
    }
    return newestRead ? 'absent' : 'unreadable';
  }

  /**
   * Whether a session of the dialog is open now, and being closed; null when the portal does not tell. `permit` is asked
   * when a request is made. Transient trouble is thrown as an UpstreamError.
   */
  async session(portal: PortalRecord, chat: Chat, permit: () => boolean): Promise<OpenSession | null> {
    if (chat.bitrixChatId === null) return NO_SESSION;
    const dialog = await this.readDialog(portal.id, { CHAT_ID: Number(chat.bitrixChatId) }, permit());
    if (dialog === HIDDEN) return null;
    return dialog === null ? NO_SESSION : { id: dialog.sessionId, beingClosed: dialog.beingClosed };
  }

  /** The dialog with its newest session; null when the portal has none. */
  private async dialogOf(portal: PortalRecord, line: number, chat: Chat): Promise<Dialog | typeof HIDDEN | null> {
    if (chat.bitrixChatId !== null) return this.readDialog(portal.id, { CHAT_ID: Number(chat.bitrixChatId) });
    const user = chat.bitrixUserId ?? (await this.userOf(portal, line, chat));
    if (user === HIDDEN) return HIDDEN;
    if (user === null) return null;
    return this.readDialog(portal.id, { USER_CODE: `${portal.connectorId}|${line}|${chat.externalId}|${user}` });
  }

  private async readDialog(
    portalId: bigint,
    params: Record<string, unknown>,
    permit = false,
  ): Promise<Dialog | typeof HIDDEN | null> {
    const dialog = await this.ask(portalId, 'imopenlines.dialog.get', params, permit);
    if (dialog === null || dialog === HIDDEN) return dialog;
    const fields = (scalar(dialog.entity_data_1) ?? '').split('|');
    return {
      chatId: idOf(dialog.id) ?? null,
      sessionId: idOf(fields[SESSION_FIELD]) ?? null,
      beingClosed: fields[CLOSING_FIELD] === 'Y',
    };
  }

  /**
   * The Bitrix24 user behind a client of whom no answer has told it yet. Only the answers of imconnector.* name it;
   * a deletion of a message that never was changes nothing and answers all the same. Null: there is no such user,
   * so nothing of theirs arrived.
   */
  private async userOf(portal: PortalRecord, line: number, chat: Chat): Promise<string | typeof HIDDEN | null> {
    const element = {
      // The whole of it: what is left out would be wiped from the client's profile (imconnector, lib/connectors/base.php).
      user: userOf(chat, this.files.photo(chat)),
      message: { id: makeUnusedMessageId(chat.externalId) },
      chat: { id: chat.externalId },
    };
    const result = await this.ask(portal.id, DELETE_MESSAGES, {
      CONNECTOR: portal.connectorId,
      LINE: line,
      MESSAGES: [element],
    });
    if (result === HIDDEN || result === null) return HIDDEN;
    const [answer] = elementsOf(fieldsOf(result.DATA)?.RESULT);
    return idOf(fieldsOf(answer)?.user) ?? null;
  }

  /** Null: there is no such thing. */
  private async ask(
    portalId: bigint,
    method: string,
    params: Record<string, unknown>,
    permit = false,
  ): Promise<Record<string, unknown> | typeof HIDDEN | null> {
    try {
      const { result } = await this.rest.call<Record<string, unknown> | null>(portalId, method, params, { permit });
      return result;
    } catch (error) {
      if (!(error instanceof UpstreamError && error.kind === 'refused')) throw error;
      return error.code.toUpperCase() === 'DIALOG_NOT_FOUND' ? null : HIDDEN;
    }
  }
}

function learnedOf({ chatId, sessionId }: Pick<Dialog, 'chatId' | 'sessionId'>): LearnedChat {
  const isOpen = sessionId !== null && sessionId !== '0';
  return {
    ...(chatId === null ? {} : { bitrixChatId: chatId }),
    ...(isOpen ? { bitrixSessionId: sessionId } : {}),
  };
}

function isIt(message: DialogMessage, { externalId, text, authorId }: Sought): boolean {
  const params = Array.isArray(message.params) ? undefined : message.params;
  const mid = params?.CONNECTOR_MID ?? params?.connectorMid;
  if (mid !== undefined && mid !== null) return [mid].flat().map(String).includes(externalId);
  // Some answers leave the parameters out: then the same words by the same author are the best there is.
  const author = scalar(message.senderid ?? message.author_id) ?? '';
  if (authorId === null || author !== authorId) return false;
  const words = scalar(message.text ?? message.message) ?? '';
  // A line of the messenger begins with the application's name.
  return words === text || (authorId === '0' && words.endsWith(`[/b]\n${text}`));
}
