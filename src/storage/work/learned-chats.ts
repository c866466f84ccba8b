import type { ClaimedLane } from './claimed-lane.js';
import { newerSession } from './sessions.js';

/** What an answer taught about the chat. */
export interface LearnedChat {
  bitrixChatId?: string;
  bitrixUserId?: string;
  bitrixSessionId?: string;
  /** The portal does not take the client's picture: it is not offered again before the client has another one. */
  photoRefused?: boolean;
  /** The portal was asked, and says whether a session is open: `bitrixSessionId`. */
  dialogOpen?: boolean;
  blockedReason?: string;
  /** The group became a supergroup. */
  telegramChatId?: bigint;
}

/** What one claimed lane taught. */
export interface Lesson {
  lane: ClaimedLane;
  chat?: LearnedChat;
  /** The operator's message that reached the client. */
  reached?: bigint;
}

/**
 * The rows of {@link LEARNED_COLUMNS}, one a chat: both directions of a chat may be settled together, and a row is
 * updated once. What a portal said counts for the place where it was asked: that of its own lane, not of the other one,
 * which may have been claimed after the bot had moved.
 */
export function learnedRows(lessons: Lesson[]): Record<string, unknown>[] {
  const chats = new Map<bigint, Record<string, unknown>>();
  for (const { lane, chat, reached } of lessons) {
    const about =
      lane.channel === 'outbound'
        ? {
            blocked_reason: chat?.blockedReason,
            telegram_chat_id: chat?.telegramChatId,
            reached,
          }
        : {
            portal_id: lane.chat.portalId,
            line_id: lane.chat.lineId,
            bitrix_chat_id: chat?.bitrixChatId,
            bitrix_user_id: chat?.bitrixUserId,
            bitrix_session_id: chat?.bitrixSessionId,
            known_session_id: lane.chat.bitrixSessionId,
            dialog_open: chat?.dialogOpen,
            refused_photo: chat?.photoRefused ? lane.chat.avatarUniqueId : null,
          };
    chats.set(lane.chat.id, { id: lane.chat.id, ...chats.get(lane.chat.id), ...about });
  }
  return [...chats.values()];
}

/** SQL: columns of the recordset k that {@link learnedRows} fills. */
export const LEARNED_COLUMNS = `id bigint, portal_id bigint, line_id text, bitrix_chat_id text, bitrix_user_id text,
  bitrix_session_id text, known_session_id text, dialog_open boolean, refused_photo text, blocked_reason text,
  telegram_chat_id bigint, reached bigint`;

/** SQL: the bot b still serves the line that was written to; what was learned of a dialog is worthless in another. */
const STAYS = `(c.portal_id, b.portal_id, b.line_id) IS NOT DISTINCT FROM (k.portal_id, k.portal_id, k.line_id)`;

/** SQL: a session that was not known before. */
const NEWER = `(k.bitrix_session_id IS NOT NULL AND ${newerSession('k.bitrix_session_id', 'c.bitrix_session_id')})`;

/** SQL: what the chat c of the bot b becomes by its row k. */
export const LEARNED_CHANGES = `
  bitrix_chat_id = CASE WHEN ${STAYS} THEN coalesce(k.bitrix_chat_id, c.bitrix_chat_id) ELSE c.bitrix_chat_id END,
  bitrix_user_id = CASE WHEN ${STAYS} THEN coalesce(k.bitrix_user_id, c.bitrix_user_id) ELSE c.bitrix_user_id END,
  bitrix_session_id = CASE WHEN ${STAYS} AND ${NEWER} THEN k.bitrix_session_id ELSE c.bitrix_session_id END,
  dialog_open = CASE WHEN NOT ${STAYS} THEN c.dialog_open WHEN ${NEWER} THEN true
                     WHEN c.bitrix_session_id IS DISTINCT FROM k.known_session_id THEN c.dialog_open
                     WHEN k.dialog_open IS NOT NULL THEN k.dialog_open
                     WHEN k.bitrix_session_id = c.bitrix_session_id THEN coalesce(c.dialog_open, true)
                     ELSE c.dialog_open END,
  refused_photo = CASE WHEN ${STAYS} THEN coalesce(k.refused_photo, c.refused_photo) ELSE c.refused_photo END,
  state = CASE WHEN k.blocked_reason IS NOT NULL THEN 'blocked'::"ChatState" ELSE c.state END,
  state_reason = coalesce(k.blocked_reason, c.state_reason),
  telegram_chat_id = coalesce(k.telegram_chat_id, c.telegram_chat_id),
  unseen_message_id = coalesce(k.reached, c.unseen_message_id),
  last_outbound_at = CASE WHEN k.reached IS NULL THEN c.last_outbound_at ELSE now() END`;

/** SQL: of an updated chat c, what {@link LEFT_BEHIND} needs. */
export const LEARNED_PLACE = `${STAYS} AS stays, k.portal_id AS told_by, k.line_id, k.bitrix_chat_id AS dialog,
  k.bitrix_user_id, k.bitrix_session_id`;

/** SQL: the bot left the line while the dialog there was not known yet; `learned` has the chats with {@link LEARNED_PLACE}. */
export const LEFT_BEHIND = `
  INSERT INTO left_dialogs (portal_id, bitrix_chat_id, chat_id, line_id, bitrix_user_id, bitrix_session_id)
  SELECT told_by, dialog, id, line_id, bitrix_user_id, bitrix_session_id FROM learned
   WHERE NOT stays AND told_by IS NOT NULL AND line_id IS NOT NULL AND dialog IS NOT NULL
  ON CONFLICT (portal_id, bitrix_chat_id) DO NOTHING`;
