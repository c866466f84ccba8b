import type { Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';

/** For so long operators are expected to go on in a dialog that its bot has left, and lost events are looked for there. */
const KEPT_DAYS = 7;

/**
 * The bot is about to leave its line: remembers the dialogs there in which somebody wrote lately. To be called before
 * its chats forget them, with the chats locked.
 */
export async function rememberLeftDialogs(
  connection: Queryable,
  botId: bigint,
  left: { portalId: bigint; lineId: string },
): Promise<void> {
  await connection.query(
    `INSERT INTO left_dialogs AS d (portal_id, bitrix_chat_id, chat_id, line_id, bitrix_user_id, bitrix_session_id,
                                    looked_session_id)
     SELECT DISTINCT ON (bitrix_chat_id) portal_id, bitrix_chat_id, id, $3, bitrix_user_id, bitrix_session_id,
            looked_session_id
       FROM chat_links
      WHERE bot_id = $1 AND portal_id = $2 AND bitrix_chat_id IS NOT NULL
        AND greatest(last_inbound_at, last_outbound_at) > now() - make_interval(days => $4)
      ORDER BY bitrix_chat_id, id
     ON CONFLICT (portal_id, bitrix_chat_id) DO UPDATE
       SET chat_id = excluded.chat_id, line_id = excluded.line_id, bitrix_user_id = excluded.bitrix_user_id,
           bitrix_session_id = excluded.bitrix_session_id, left_at = now(),
           looked_session_id = coalesce(excluded.looked_session_id, d.looked_session_id)`,
    [botId, left.portalId, left.lineId, KEPT_DAYS],
  );
}

/** Somebody has answered in these dialogs, in which the bot of the chat is not any more. To be called with the chats locked. */
export async function goOnInLeftDialogs(
  connection: Queryable,
  dialogs: { portalId: bigint; lineId: string; bitrixChatId: string; chatId: bigint }[],
): Promise<void> {
  if (dialogs.length === 0) return;
  await connection.query(
    `INSERT INTO left_dialogs (portal_id, bitrix_chat_id, chat_id, line_id)
     SELECT DISTINCT ON (portal_id, bitrix_chat_id) portal_id, bitrix_chat_id, chat_id, line_id
       FROM jsonb_to_recordset($1::jsonb) AS r(portal_id bigint, bitrix_chat_id text, chat_id bigint, line_id text)
      ORDER BY portal_id, bitrix_chat_id
     ON CONFLICT (portal_id, bitrix_chat_id) DO UPDATE SET left_at = now()`,
    [
      jsonb(
        dialogs.map(({ portalId, lineId, bitrixChatId, chatId }) => ({
          portal_id: portalId,
          bitrix_chat_id: bitrixChatId,
          chat_id: chatId,
          line_id: lineId,
        })),
      ),
    ],
  );
}

/** Forgets dialogs that were left so long ago that nobody goes on in them; a batch at a time. Returns how many. */
export async function forgetLeftDialogs(connection: Queryable, batch: number): Promise<number> {
  const { rowCount } = await connection.query(
    `DELETE FROM left_dialogs WHERE (portal_id, bitrix_chat_id) IN (
       SELECT portal_id, bitrix_chat_id FROM left_dialogs WHERE left_at < now() - make_interval(days => $1)
        LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    [KEPT_DAYS, batch],
  );
  return rowCount ?? 0;
}
