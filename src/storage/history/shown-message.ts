import type { DeliveryKind, DeliveryState, Direction } from '../prisma/client.js';
import { BEHIND } from '../work/outbox.js';
import { BLOCKED, SENDING, type ShownState } from './message-filter.js';

/** A file of a message; what opens it (Telegram's file id, the portal's signed link) stays here. */
export interface AttachmentRow {
  ordinal: number;
  kind: string;
  name: string;
  mime: string | null;
  /** Bytes. */
  size: number | null;
  /** What is read in its place where the file cannot go. */
  label: string;
  /** The bot can fetch it from Telegram. */
  atTelegram: boolean;
}

/** A message as lists show it. */
export interface MessageRow {
  id: bigint;
  direction: Direction;
  state: ShownState;
  kind: string;
  text: string;
  /** Formatting of `text`. */
  marks: unknown;
  attachments: AttachmentRow[];
  systemLine: boolean;
  /** Payload of the `/start` that it is. */
  source: string | null;
  /** It waits for the client's next words, or for a session. */
  waitsForClient: boolean;
  albumId: string | null;
  replyToId: bigint | null;
  replyQuote: string | null;
  chatId: bigint | null;
  /** It is for a client who has blocked the bot: sent again it would fail again. */
  blocked: boolean;
  portalId: bigint | null;
  botId: bigint | null;
  telegramChatId: bigint | null;
  externalChatId: string | null;
  telegramMessageIds: string[];
  bitrixMessageId: string | null;
  authorId: string | null;
  authorName: string | null;
  unsigned: boolean;
  attempts: number;
  errorCode: string | null;
  errorDetail: string | null;
  saidAt: Date | null;
  createdAt: Date;
  deliveredAt: Date | null;
  seenAt: Date | null;
  editedAt: Date | null;
  deletedAt: Date | null;
}

/** What an edited or deleted message once said; number 0 is the original. A deletion has no words. */
export interface RevisionRow {
  number: number;
  text: string;
  marks: unknown;
  deleted: boolean;
  saidAt: Date | null;
  createdAt: Date;
}

export interface AttemptRow {
  kind: DeliveryKind;
  number: number;
  startedAt: Date;
  finishedAt: Date;
  outcome: string;
  code: string | null;
  detail: string | null;
  instance: string;
}

/** Work that still waits for a message. `ahead` deliveries of its lane go first; `dueAt` is the lane's next try. */
export interface WaitingRow {
  kind: DeliveryKind;
  state: DeliveryState;
  attempts: number;
  unknown: boolean;
  startedAt: Date | null;
  dueAt: Date;
  ahead: number;
  /** For the client's next words, or for a session; `dueAt` is then when it became work. */
  waitsForClient: boolean;
  endpoint: string;
}

/** One message with everything it said, everything that was tried and everything that is still to come. */
export interface MessageStory {
  message: MessageRow & { raw: unknown };
  revisions: RevisionRow[];
  attempts: AttemptRow[];
  waiting: WaitingRow[];
}

/** How many messages a filter holds. */
export interface MessageTotal {
  count: number;
  /** There are at least so many. */
  more: boolean;
}

/** SQL: a {@link MessageRow} of `messages m` and `chat_links c`. */
export const MESSAGE_COLUMNS = `
  m.id, m.direction,
  CASE WHEN m.state = 'queued' AND ${SENDING} THEN 'sending' ELSE m.state::text END AS state,
  m.kind, m.text, m.marks,
  CASE WHEN m.attached = 0 THEN '[]'::json ELSE (
    SELECT coalesce(json_agg(json_build_object('ordinal', a.ordinal, 'kind', a.kind, 'name', a.name, 'mime', a.mime,
             'size', a.size, 'label', a.label, 'atTelegram', a.telegram_file_id IS NOT NULL) ORDER BY a.ordinal), '[]')
      FROM attachments a WHERE a.message_id = m.id) END AS attachments,
  m.system_line AS "systemLine", m.source, m.can_wait AND m.state = 'queued' AND EXISTS (
    SELECT FROM deliveries d WHERE d.message_id = m.id AND d.kind = 'message' AND d.state = 'queued' AND d.seq >= ${BEHIND})
    AS "waitsForClient", m.album_id AS "albumId", m.reply_to_id AS "replyToId", m.reply_quote AS "replyQuote",
  m.chat_id AS "chatId", ${BLOCKED} AS blocked, m.portal_id AS "portalId", m.bot_id AS "botId",
  c.telegram_chat_id AS "telegramChatId", coalesce(c.external_id, m.external_chat_id) AS "externalChatId",
  ARRAY(SELECT l.telegram_message_id::text FROM message_links l WHERE l.message_id = m.id ORDER BY l.part)
    AS "telegramMessageIds",
  m.bitrix_message_id AS "bitrixMessageId", m.author_id AS "authorId", m.author_name AS "authorName", m.unsigned,
  m.attempts, m.error_code AS "errorCode", m.error_detail AS "errorDetail", m.said_at AS "saidAt",
  m.created_at AS "createdAt", m.delivered_at AS "deliveredAt", m.seen_at AS "seenAt",
  m.edited_at AS "editedAt", m.deleted_at AS "deletedAt"`;
