import type { OperatorMessage } from '../relay/message.js';
import type { ActiveDialog } from '../storage/chats.repository.js';
import type { PortalRecord } from '../storage/portals.repository.js';
import { parseOperatorMessages } from './event.parser.js';

/** Answer of imopenlines.session.history.get, as far as it is read here. PHP writes empty maps as lists. */
export interface DialogHistory {
  message?: Record<string, HistoryMessage> | HistoryMessage[];
  users?: Record<string, { connector?: unknown }> | unknown[];
  files?: Record<string, HistoryFile> | HistoryFile[];
}

interface HistoryMessage {
  id?: unknown;
  senderid?: unknown;
  date?: unknown;
  text?: unknown;
  textlegacy?: unknown;
  params?: Record<string, unknown> | unknown[];
  [flag: string]: unknown;
}

interface HistoryFile {
  id?: unknown;
  name?: unknown;
  type?: unknown;
  urldownload?: unknown;
}

/** The portal's clock is not ours, and it shows whole seconds. */
const CLOCKS_MS = 600_000;

/** How lines that stay inside the portal — whispers, service lines — are marked: a look, or one of these flags. */
const INSIDE_CLASS = /content-item-system|whisper|silent/i;
const INSIDE_FLAGS = [
  'system',
  'silent',
  'whisper',
  'hidden',
  'skipconnector',
  'silentconnector',
  'silentmode',
  'isdeleted',
];

/**
 * Operators' messages of a dialog that were meant for the client and were never reported as delivered: the portal
 * marks what it handed to a connector as SENDING until the delivery report, which sets CONNECTOR_MID.
 *
 * @param since messages before it are left alone, as nobody expects them any more
 */
export function undeliveredMessages(
  history: DialogHistory,
  dialog: ActiveDialog,
  portal: PortalRecord,
  since: Date,
): OperatorMessage[] {
  const messages = Object.values(history.message ?? {}) as HistoryMessage[];
  const users = (Array.isArray(history.users) ? {} : (history.users ?? {})) as Record<string, { connector?: unknown }>;
  const files = new Map((Object.values(history.files ?? {}) as HistoryFile[]).map((file) => [String(file.id), file]));
  const params = messages.map(paramsOf);
  // Some builds leave this parameter out of the history altogether.
  const marked = params.some((own) => own.has('sending'));
  return messages.flatMap((message, index) => {
    const own = params[index]!;
    const author = String(message.senderid ?? '0');
    const client = author === dialog.bitrixUserId || isYes(users[author]?.connector);
    const written = new Date(String(message.date));
    if (author === '0' || author === '' || client || own.has('connectormid')) return [];
    if (INSIDE_CLASS.test(String(own.get('class') ?? ''))) return [];
    if (INSIDE_FLAGS.some((flag) => isYes(own.get(flag)) || isYes(message[flag]))) return [];
    if (marked && !isYes(own.get('sending'))) return [];
    if (!(written >= since) || written.getTime() < dialog.createdAt.getTime() - CLOCKS_MS) return [];
    const attached = [own.get('fileid') ?? []].flat().flatMap((id) => files.get(String(id)) ?? []);
    return parseOperatorMessages(
      {
        name: 'ONIMCONNECTORMESSAGEADD',
        auth: null,
        raisedAt: written,
        raw: { recovered: 'imopenlines.session.history.get' },
        data: {
          CONNECTOR: portal.connectorId,
          LINE: dialog.lineId,
          MESSAGES: [
            {
              im: { chat_id: dialog.bitrixChatId, message_id: message.id },
              message: {
                user_id: author,
                text: message.textlegacy ?? message.text,
                files: attached.map(({ name, type, urldownload }) => ({ name, type, link: urldownload })),
              },
              chat: { id: dialog.externalId },
            },
          ],
        },
      },
      { portalId: portal.id, connectorId: portal.connectorId, unsigned: false },
    );
  });
}

/** CONNECTOR_MID, connectorMid: the same name, without case and underscores. */
function paramsOf({ params }: HistoryMessage): Map<string, unknown> {
  if (!params || Array.isArray(params)) return new Map();
  return new Map(Object.entries(params).map(([name, value]) => [name.replaceAll('_', '').toLowerCase(), value]));
}

function isYes(value: unknown): boolean {
  return value === true || value === 'Y' || value === 1 || value === '1';
}
