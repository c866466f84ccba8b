import type { BotApiKind, Channel, ChatState, DeliveryKind, OperatorName } from '../prisma/client.js';
import type { AnsweredByClient, ClaimedAttachment, ClaimedDelivery, ClaimedLane, QuotedWords } from './claimed-lane.js';
import type { Keyboard } from './keyboard.js';
import { BEHIND } from './outbox.js';
import { wantsTriggers } from './trigger-events.js';

/** A row of {@link WORK_COLUMNS}, with the lane's own. */
export interface ClaimRow {
  lane_id: bigint;
  claim: bigint;
  channel: Channel;
  seq: bigint | null;
  kind: DeliveryKind;
  payload: Record<string, unknown> | null;
  attempts: number;
  unknown_for_ms: number | null;
  queued_at: Date;
  started_at: Date;
  message_id: bigint;
  message_kind: string;
  text: string;
  marks: unknown;
  attachments: ClaimedAttachment[] | null;
  system_line: boolean;
  not_own_words: boolean;
  quoted: QuotedWords | null;
  keyboard: Keyboard | null;
  answered: AnsweredByClient | null;
  source: string | null;
  can_wait: boolean;
  reply_to: bigint | null;
  reply_quote: string | null;
  author_id: string | null;
  author_name: string | null;
  said_at: Date | null;
  message_created_at: Date;
  trace: string | null;
  bitrix_message_id: string | null;
  message_bitrix_chat_id: string | null;
  message_bitrix_line_id: string | null;
  telegram_message_ids: bigint[];
  same_telegram_id: boolean;
  telegram_parts: number[] | null;
  chat_id: bigint;
  bot_id: bigint;
  portal_id: bigint | null;
  line_id: string | null;
  api_kind: BotApiKind | null;
  operator_name: OperatorName | null;
  operator_name_template: string | null;
  external_id: string;
  external_user_id: string;
  telegram_chat_id: bigint;
  thread_id: bigint | null;
  business_connection: string | null;
  type: string;
  title: string;
  first_name: string | null;
  last_name: string | null;
  username: string | null;
  language: string | null;
  phone: string | null;
  invited_phone: string | null;
  avatar_unique_id: string | null;
  chat_state: ChatState;
  bitrix_chat_id: string | null;
  bitrix_user_id: string | null;
  bitrix_session_id: string | null;
  dialog_open: boolean | null;
  listens: boolean;
}

/** What {@link claimedLanes} reads, of t (the lane), d, m, c, b and o. */
export const WORK_COLUMNS = `
  d.seq, d.kind, d.payload, d.attempts, d.created_at AS queued_at,
  extract(epoch FROM clock_timestamp() - d.unknown_since)::float8 * 1000 AS unknown_for_ms, d.started_at,
  m.id AS message_id, m.kind AS message_kind, m.text, m.marks, m.author_id, m.author_name, m.said_at,
  m.system_line, m.can_wait, m.source, m.reply_quote, m.not_own_words, m.quoted, m.trace,
  CASE WHEN NOT m.keyboard_over THEN m.keyboard END AS keyboard,
  CASE WHEN m.quoted IS NOT NULL AND m.reply_to_id IS NOT NULL THEN (
    SELECT json_build_object('authorName', a.author_name, 'bitrixMessageId', a.bitrix_message_id,
             'bitrixChatId', coalesce(a.bitrix_chat_id, c.bitrix_chat_id))
      FROM messages a WHERE a.id = m.reply_to_id AND a.direction = 'outbound') END AS answered,
  CASE WHEN m.attached > 0 THEN (
    SELECT json_agg(json_build_object('ordinal', a.ordinal, 'kind', a.kind, 'name', a.name, 'mime', a.mime, 'size', a.size,
             'label', a.label, 'telegramFileId', a.telegram_file_id, 'telegramUniqueId', a.telegram_unique_id, 'url', a.url)
             ORDER BY a.ordinal)
      FROM attachments a WHERE a.message_id = m.id) END AS attachments,
  CASE WHEN m.reply_to_id IS NOT NULL THEN (
    SELECT telegram_message_id FROM message_links l WHERE l.message_id = m.reply_to_id ORDER BY part LIMIT 1) END AS reply_to,
  m.created_at AS message_created_at, m.bitrix_message_id, m.bitrix_chat_id AS message_bitrix_chat_id,
  m.bitrix_line_id AS message_bitrix_line_id,
  ARRAY(SELECT telegram_message_id FROM message_links l WHERE l.message_id = m.id ORDER BY part) AS telegram_message_ids,
  m.direction = 'inbound' AND (m.attached > 0 OR c.type = 'supergroup') AND EXISTS (
    SELECT FROM message_links l JOIN message_links older USING (chat_id, telegram_message_id)
     WHERE l.message_id = m.id AND older.message_id < m.id) AS same_telegram_id,
  CASE WHEN m.attached > 0 THEN
    ARRAY(SELECT part FROM message_links l WHERE l.message_id = m.id ORDER BY part) END AS telegram_parts,
  c.id AS chat_id, c.bot_id, c.portal_id, b.line_id, b.api_kind, c.external_id, c.external_user_id, c.telegram_chat_id, c.thread_id,
  c.business_connection, c.type, c.title, c.first_name, c.last_name, c.username, c.language, c.phone, c.invited_phone,
  nullif(c.avatar_unique_id, c.refused_photo) AS avatar_unique_id, o.operator_name, o.operator_name_template, c.state AS chat_state,
  c.bitrix_chat_id, c.bitrix_user_id, c.bitrix_session_id, c.dialog_open,
  m.direction = 'outbound' AND ${wantsTriggers('c.portal_id')} AS listens`;

/** The rows of a claim, lane by lane. */
export function claimedLanes(rows: ClaimRow[]): ClaimedLane[] {
  const lanes = new Map<bigint, ClaimedLane>();
  for (const row of rows) {
    let lane = lanes.get(row.lane_id);
    if (!lane) {
      lane = { id: row.lane_id, claim: row.claim, channel: row.channel, chat: chatOf(row), deliveries: [] };
      lanes.set(row.lane_id, lane);
    }
    if (row.seq !== null) lane.deliveries.push(deliveryOf({ ...row, seq: row.seq }));
  }
  return [...lanes.values()];
}

function chatOf(row: ClaimRow): ClaimedLane['chat'] {
  return {
    id: row.chat_id,
    botId: row.bot_id,
    portalId: row.portal_id,
    lineId: row.line_id,
    apiKind: row.api_kind,
    operatorName: row.operator_name ?? 'hidden',
    operatorNameTemplate: row.operator_name_template,
    externalId: row.external_id,
    externalUserId: row.external_user_id,
    telegramChatId: row.telegram_chat_id,
    threadId: row.thread_id,
    businessConnection: row.business_connection,
    type: row.type,
    title: row.title,
    firstName: row.first_name,
    lastName: row.last_name,
    username: row.username,
    language: row.language,
    phone: row.phone,
    invitedPhone: row.invited_phone,
    avatarUniqueId: row.avatar_unique_id,
    state: row.chat_state,
    bitrixChatId: row.bitrix_chat_id,
    bitrixUserId: row.bitrix_user_id,
    bitrixSessionId: row.bitrix_session_id,
    dialogOpen: row.dialog_open,
    listens: row.listens,
  };
}

function deliveryOf(row: ClaimRow & { seq: bigint }): ClaimedDelivery {
  return {
    seq: row.seq,
    kind: row.kind,
    payload: row.payload,
    attempt: row.attempts,
    unknown: row.unknown_for_ms !== null,
    unknownForMs: row.unknown_for_ms ?? 0,
    queuedAt: row.queued_at,
    waited: row.seq >= BEHIND,
    startedAt: row.started_at,
    message: {
      id: row.message_id,
      kind: row.message_kind,
      text: row.text,
      marks: row.marks,
      attachments: row.attachments ?? [],
      systemLine: row.system_line,
      notOwnWords: row.not_own_words,
      quoted: row.quoted,
      keyboard: row.keyboard,
      answered: row.answered,
      source: row.source,
      canWait: row.can_wait,
      replyTo: row.reply_to === null ? null : { telegramMessageId: row.reply_to, quote: row.reply_quote },
      authorId: row.author_id,
      authorName: row.author_name,
      saidAt: row.said_at,
      bitrixMessageId: row.bitrix_message_id,
      bitrixChatId: row.message_bitrix_chat_id,
      bitrixLineId: row.message_bitrix_line_id,
      sameTelegramId: row.same_telegram_id,
      telegramMessageIds: row.telegram_message_ids,
      telegramParts: row.telegram_parts ?? [],
      createdAt: row.message_created_at,
      trace: row.trace,
    },
  };
}
