import type { OperatorChange, OperatorMessage } from '../../relay/message.js';
import type { ActiveDialog } from '../../storage/history/chats.repository.js';
import { makeDiskAddress } from '../../common/external-ids.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { parseOperatorChanges } from './message-changes.parser.js';
import { parseOperatorMessages } from './operator-messages.parser.js';
import type { EventEnvelope } from './event.parser.js';
import { elementsOf, fieldsOf, isYes, scalar } from '../../bitrix/php-values.reader.js';
import { readOperatorWords } from './operator-words.parser.js';

/**
 * Messages of a dialog as imopenlines.session.history.get answers them, or im.dialog.messages.get, as far as they are
 * read here.
 */
export interface DialogHistory {
  /** {@link HistoryMessage}, by id or as a list. */
  message?: unknown;
  files?: unknown;
}

export interface HistoryMessage {
  id?: unknown;
  /** Of a session's history. */
  senderid?: unknown;
  /** Of im.dialog.messages.get. */
  author_id?: unknown;
  date?: unknown;
  text?: unknown;
  params?: Record<string, unknown> | unknown[];
}

interface HistoryFile {
  id?: unknown;
  name?: unknown;
  type?: unknown;
  size?: unknown;
}

/** What a dialog holds of which no event may have told. */
export interface Unreported {
  /** Meant for the client, and no delivery was reported. */
  messages: OperatorMessage[];
  /** How messages read now that were edited, and those that are deleted. */
  changes: OperatorChange[];
}

/** The portal's clock is not ours, and it shows whole seconds. */
const CLOCKS_MS = 600_000;

/**
 * Reads what events may not have told. `params.sending` marks exactly what the portal handed to a connector, whoever
 * wrote it (author 0: texts of the line itself), until the delivery is reported; whatever has no mark may be internal:
 * whispers, copies with which a session begins, lines that an application of the portal keeps for itself.
 *
 * @param since earlier messages are left alone, as nobody expects them any more
 * @param changedSince of earlier messages no changes are read
 */
export function unreported(
  history: DialogHistory,
  dialog: ActiveDialog,
  portal: PortalRecord,
  { since, changedSince }: { since: Date; changedSince: Date },
): Unreported {
  const files = new Map(elementsOf(history.files).map((file) => [scalar(fieldsOf(file)?.id), file as HistoryFile]));
  const texts = new Map((elementsOf(history.message) as HistoryMessage[]).map(({ id, text }) => [scalar(id), text]));
  const found: Unreported = { messages: [], changes: [] };
  for (const message of elementsOf(history.message) as HistoryMessage[]) {
    const own = paramsOf(message);
    const written = new Date(String(message.date));
    const isDeleted = isYes(own.get('isdeleted'));
    if (isYes(own.get('sending')) && !isDeleted) {
      if (!(written >= since) || written.getTime() < dialog.createdAt.getTime() - CLOCKS_MS) continue;
      found.messages.push(...asMessages(message, { own, written, files, texts, dialog, portal }));
    }
    // Both: what is edited before its delivery is reported raises no event (imconnector, onMessageUpdate).
    if ((isDeleted || isYes(own.get('isedited'))) && written >= changedSince) {
      found.changes.push(...asChanges(message, isDeleted, portal));
    }
  }
  return found;
}

function asMessages(
  message: HistoryMessage,
  {
    own,
    written,
    files,
    texts,
    dialog,
    portal,
  }: {
    own: Map<string, unknown>;
    written: Date;
    files: Map<string | undefined, HistoryFile>;
    /** Of the messages of this history, by id. */
    texts: Map<string | undefined, unknown>;
    dialog: ActiveDialog;
    portal: PortalRecord;
  },
): OperatorMessage[] {
  const fileIds = [own.get('fileid') ?? []].flat().map(String);
  const event = foundEvent('ONIMCONNECTORMESSAGEADD', {
    CONNECTOR: portal.connectorId,
    LINE: dialog.lineId,
    MESSAGES: [
      {
        im: { chat_id: dialog.bitrixChatId, message_id: message.id },
        message: {
          user_id: message.senderid ?? message.author_id ?? 0,
          text: message.text,
          files: fileIds.map((id) => {
            const { name, type, size } = files.get(id) ?? {};
            return { name, type, size };
          }),
          params: { url: own.get('url'), ...lineParams(own) },
        },
        chat: { id: dialog.externalId },
        attachments_old: elementsOf(own.get('attach')).map(asWritten),
      },
    ],
  });
  const context = { portalId: portal.id, connectorId: portal.connectorId, unsigned: false };
  return parseOperatorMessages({ ...event, raisedAt: written }, context).map((parsed) => ({
    ...parsed,
    ...(!parsed.quoted && answerTo(scalar(own.get('replyid')), texts, parsed.said)),
    said: {
      ...parsed.said,
      ...(parsed.said.attachments && {
        attachments: parsed.said.attachments.map((file, index) => ({ ...file, url: makeDiskAddress(fileIds[index]!) })),
      }),
    },
  }));
}

/**
 * "Reply" of the messenger: only a parameter names the message that is answered, and no event tells it (imopenlines,
 * lib/connector.php, onMessageSend: `$allowedFields`). Here it is known before the answer is sent.
 */
function answerTo(
  id: string | undefined,
  texts: Map<string | undefined, unknown>,
  { text, marks }: OperatorMessage['said'],
): Pick<OperatorMessage, 'quoted'> {
  if (!id || id === '0') return {};
  const { words } = readOperatorWords(scalar(texts.get(id)) ?? '');
  return { quoted: { bitrixMessageId: id, words: words.text, rest: { text, marks } } };
}

function asChanges(message: HistoryMessage, isDeleted: boolean, portal: PortalRecord): OperatorChange[] {
  const element = { im: { message_id: message.id }, message: { text: message.text } };
  const name = isDeleted ? 'ONIMCONNECTORMESSAGEDELETE' : 'ONIMCONNECTORMESSAGEUPDATE';
  return parseOperatorChanges(foundEvent(name, { MESSAGES: [element] }), portal.id);
}

/** Those by which a question for a rating is known, as an event names them. */
const RATING_PARAMS = new Map(
  ['IMOL_VOTE', 'IMOL_VOTE_SID', 'IMOL_FORM', 'IMOL_DATE_CLOSE_VOTE', 'IMOL_TIME_LIMIT_VOTE'].map((name) => [
    name.replaceAll('_', '').toLowerCase(),
    name,
  ]),
);

/** What the line says of itself, as far as it is there: a newsletter has nothing of it. */
function lineParams(own: Map<string, unknown>): Record<string, unknown> {
  const said = [...own].filter(([name]) => name.startsWith('imol'));
  return Object.fromEntries(
    said.map(([name, value]) => [RATING_PARAMS.get(name) ?? `IMOL_${name.slice('imol'.length).toUpperCase()}`, value]),
  );
}

/** As the event would have been that did not come. */
function foundEvent(name: string, data: unknown): EventEnvelope {
  return { name, auth: null, raw: { event: name, data, recovered: 'imopenlines.session.history.get' }, data };
}

/** RICH_LINK, richLink: the history writes the names of a card in camel case (imopenlines/lib/rest.php, objectEncode). */
function asWritten(card: unknown): unknown {
  if (Array.isArray(card)) return card.map(asWritten);
  if (card === null || typeof card !== 'object') return card;
  return Object.fromEntries(
    Object.entries(card).map(([name, value]) => [nameAsWritten(name), asWritten(value)] as const),
  );
}

function nameAsWritten(name: string): string {
  return /[a-z]/.test(name) ? name.replace(/[A-Z]/g, '_$&').toUpperCase() : name;
}

/** CONNECTOR_MID, connectorMid: the same name, without case and underscores. */
function paramsOf({ params }: HistoryMessage): Map<string, unknown> {
  if (!params || Array.isArray(params)) return new Map();
  return new Map(Object.entries(params).map(([name, value]) => [name.replaceAll('_', '').toLowerCase(), value]));
}
