import { makeBusinessKey, makeChatId } from '../../common/external-ids.js';
import type { Queryable } from '../postgres/database.service.js';
import type { ClientUpdateRow, StoredChat, StoredConnection } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';
import { wantsTriggers } from '../work/trigger-events.js';

/** A chat that the intake works with. */
export interface LinkedChat {
  id: bigint;
  bot_id: bigint;
  external_id: string;
  portal_id: bigint | null;
  bitrix_chat_id: string | null;
  unseen_message_id: bigint | null;
  /** Whether a session of the dialog is open; null: nobody has told yet. */
  dialog_open: boolean | null;
  banned: boolean;
  /** Triggers of the portal wait for what the client does. */
  listens: boolean;
  /** The client had blocked the bot before these updates. */
  was_blocked: boolean;
}

/** SQL: what becomes of a chat `c` that is there already. */
export const OR_REFRESH_CHAT = `ON CONFLICT (bot_id, external_id) DO UPDATE
        SET telegram_chat_id = excluded.telegram_chat_id,
            business_connection = excluded.business_connection,
            type = excluded.type,
            title = excluded.title,
            dialog_title = CASE WHEN c.title <> excluded.title THEN coalesce(c.dialog_title, '') ELSE c.dialog_title END,
            first_name = excluded.first_name,
            last_name = excluded.last_name,
            username = excluded.username,
            language = coalesce(excluded.language, c.language),
            phone = coalesce(excluded.phone, c.phone),
            source = coalesce(c.source, excluded.source),
            last_source = coalesce(excluded.last_source, c.last_source),
            portal_id = excluded.portal_id,
            state = excluded.state,
            state_reason = excluded.state_reason,
            last_inbound_at = coalesce(excluded.last_inbound_at, c.last_inbound_at),
            updated_at = now()`;

type Mention = ClientUpdateRow & { chat: StoredChat };

/** Creates or refreshes the chats that the updates mention; the answer finds the chat of an update. */
export async function linkChats(
  connection: Queryable,
  updates: ClientUpdateRow[],
): Promise<(update: ClientUpdateRow) => LinkedChat | null> {
  const mentions = updates.filter((update): update is Mention => update.chat !== null);
  await rememberConnections(connection, updates);
  const frozen = await frozenIds(connection, mentions);
  const externalId = (update: ClientUpdateRow) => frozen.get(update) ?? update.chat?.externalId;
  const shown = new Map<string, Record<string, unknown>>();
  for (const update of mentions) {
    const { botId, chat, blocked } = update;
    const key = `${botId}/${externalId(update)}`;
    const before = shown.get(key);
    if (before?.type === 'supergroup' && chat.type === 'group') continue;
    shown.set(key, {
      bot_id: botId,
      external_id: externalId(update),
      external_user_id: chat.externalUserId,
      telegram_chat_id: chat.telegramChatId,
      thread_id: chat.threadId ?? null,
      business_connection: chat.businessConnection ?? null,
      type: chat.type,
      title: chat.assumedTitle && before && before.title !== before.first_name ? before.title : chat.title,
      assumed_title: chat.assumedTitle === true && before?.assumed_title !== false,
      first_name: chat.firstName ?? null,
      last_name: chat.lastName ?? null,
      username: chat.username ?? null,
      language: chat.language ?? null,
      phone: chat.phone ?? before?.phone ?? null,
      source: before?.source ?? chat.source ?? null,
      last_source: chat.source ?? before?.last_source ?? null,
      wrote: before?.wrote === true || isWords(update),
      // A client who writes can be written to, whatever was known before.
      blocked: blocked ?? (isWords(update) ? false : (before?.blocked ?? null)),
    });
  }
  if (shown.size === 0) return () => null;
  const { rows } = await connection.query<LinkedChat>(
    `WITH linked AS (
     INSERT INTO chat_links AS c (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, thread_id,
                                  business_connection, type, title, first_name, last_name, username, language, phone,
                                  source, last_source, state, state_reason, last_inbound_at)
     SELECT r.bot_id, b.portal_id, r.external_id, r.external_user_id,
            CASE WHEN l.late THEN o.telegram_chat_id ELSE r.telegram_chat_id END, r.thread_id, r.business_connection,
            CASE WHEN l.late THEN o.type ELSE r.type END,
            CASE WHEN r.assumed_title AND o.title <> o.first_name THEN o.title ELSE r.title END,
            r.first_name, r.last_name, r.username, r.language, r.phone, r.source, r.last_source,
            CASE WHEN coalesce(s.blocked, o.state = 'blocked') THEN 'blocked'::"ChatState" ELSE 'active' END,
            CASE WHEN s.blocked IS NULL THEN o.state_reason
                 WHEN s.blocked AND r.type = 'private' THEN 'The client blocked the bot'
                 WHEN s.blocked THEN 'The bot was removed from the chat' END,
            CASE WHEN r.wrote THEN now() END
       FROM jsonb_to_recordset($1::jsonb) AS r(bot_id bigint, external_id text, external_user_id text,
              telegram_chat_id bigint, thread_id bigint, business_connection text, type text, title text,
              assumed_title boolean, first_name text, last_name text, username text, language text, phone text,
              source text, last_source text, wrote boolean, blocked boolean)
       JOIN bots b ON b.id = r.bot_id
       LEFT JOIN chat_links o ON o.bot_id = r.bot_id AND o.external_id = r.external_id
       -- A group that became a supergroup never is one again: what still comes from it is late.
      CROSS JOIN LATERAL (SELECT coalesce(o.type = 'supergroup' AND r.type = 'group', false) AS late) l
      CROSS JOIN LATERAL (SELECT CASE WHEN NOT l.late THEN r.blocked END AS blocked) s
      ORDER BY r.bot_id, r.external_id
     ${OR_REFRESH_CHAT}
     RETURNING id, bot_id, external_id, portal_id, bitrix_chat_id, unseen_message_id, dialog_open,
               banned_at IS NOT NULL AS banned)
     -- The table reads as it was before this statement.
     SELECT l.*, ${wantsTriggers('l.portal_id')} AS listens, coalesce(o.state = 'blocked', false) AS was_blocked
       FROM linked l LEFT JOIN chat_links o ON o.id = l.id`,
    [jsonb([...shown.values()])],
  );
  const chats = new Map(rows.map((row) => [`${row.bot_id}/${row.external_id}`, row]));
  return (update) => chats.get(`${update.botId}/${externalId(update)}`) ?? null;
}

/** Somebody said something that is relayed, and Telegram itself did not; or pressed Start, which says as much. */
function isWords({ said, starts }: ClientUpdateRow): boolean {
  return said !== null && !said.ignored && (!said.systemLine || starts === true);
}

/**
 * A connection of Telegram Business that is made again has a new id, and the clients must stay in their dialogs: the
 * key of the first connection of an account stays.
 */
async function rememberConnections(connection: Queryable, updates: ClientUpdateRow[]): Promise<void> {
  const named = new Map<string, { bot_id: bigint } & Partial<StoredConnection> & { id: string }>();
  for (const { botId, connection: shown, chat } of updates) {
    const id = shown?.id ?? chat?.businessConnection;
    if (id) named.set(`${botId}/${id}`, { ...named.get(`${botId}/${id}`), ...shown, bot_id: botId, id });
  }
  if (named.size === 0) return;
  await connection.query(
    `INSERT INTO business_connections AS c (bot_id, id, key, owner_id, enabled, can_reply)
     SELECT r.bot_id, r.id,
            coalesce((SELECT key FROM business_connections o WHERE o.bot_id = r.bot_id AND o.owner_id = r.owner_id
                       ORDER BY o.updated_at LIMIT 1), r.key),
            r.owner_id, coalesce(r.enabled, true), coalesce(r.can_reply, true)
       FROM jsonb_to_recordset($1::jsonb) AS r(bot_id bigint, id text, key text, owner_id bigint, enabled boolean, can_reply boolean)
       JOIN bots b ON b.id = r.bot_id
      ORDER BY r.bot_id, r.id
     ON CONFLICT (bot_id, id) DO UPDATE
        SET owner_id = coalesce(excluded.owner_id, c.owner_id),
            enabled = CASE WHEN excluded.owner_id IS NULL THEN c.enabled ELSE excluded.enabled END,
            can_reply = CASE WHEN excluded.owner_id IS NULL THEN c.can_reply ELSE excluded.can_reply END,
            updated_at = now()`,
    [
      jsonb(
        [...named.values()].map(({ bot_id, id, ownerId, enabled, canReply }) => ({
          bot_id,
          id,
          key: makeBusinessKey(id),
          owner_id: ownerId ?? null,
          enabled: enabled ?? null,
          can_reply: canReply ?? null,
        })),
      ),
    ],
  );
}

/**
 * Ids under which Bitrix24 knows chats whose own id would say something else by now: a group that became a supergroup
 * keeps the id of the group, a Business chat that of the account's first connection.
 */
async function frozenIds(connection: Queryable, mentions: Mention[]): Promise<Map<ClientUpdateRow, string>> {
  const frozen = new Map<ClientUpdateRow, string>();
  const groups = mentions.filter(({ chat }) => chat.type === 'supergroup' && chat.threadId === undefined);
  // The notice of the move names the group as it was; what follows in the same batch is in that chat already.
  const moves = new Map(
    groups
      .filter(({ chat }) => chat.externalId !== makeChatId({ telegramChatId: chat.telegramChatId }))
      .map(({ botId, chat }) => [`${botId}/${chat.telegramChatId}`, chat.externalId]),
  );
  for (const update of groups) {
    const moved = moves.get(`${update.botId}/${update.chat.telegramChatId}`);
    if (moved) frozen.set(update, moved);
  }
  const moved = groups.filter((update) => !frozen.has(update));
  const business = mentions.filter(({ chat }) => chat.businessConnection !== undefined);
  if (moved.length > 0) {
    const { rows } = await connection.query<{ ord: number; external_id: string }>(
      `SELECT DISTINCT ON (r.ord) r.ord, c.external_id
         FROM jsonb_to_recordset($1::jsonb) AS r(ord int, bot_id bigint, telegram_chat_id bigint)
         JOIN chat_links c ON c.bot_id = r.bot_id AND c.telegram_chat_id = r.telegram_chat_id AND c.thread_id IS NULL
        ORDER BY r.ord, c.id`,
      [jsonb(moved.map(({ botId, chat }, ord) => ({ ord, bot_id: botId, telegram_chat_id: chat.telegramChatId })))],
    );
    for (const { ord, external_id } of rows) frozen.set(moved[ord]!, external_id);
  }
  if (business.length > 0) {
    const { rows } = await connection.query<{ ord: number; key: string }>(
      `SELECT r.ord, c.key FROM jsonb_to_recordset($1::jsonb) AS r(ord int, bot_id bigint, id text)
         JOIN business_connections c ON c.bot_id = r.bot_id AND c.id = r.id`,
      [jsonb(business.map(({ botId, chat }, ord) => ({ ord, bot_id: botId, id: chat.businessConnection })))],
    );
    for (const { ord, key } of rows) {
      const update = business[ord]!;
      frozen.set(update, makeChatId({ telegramChatId: update.chat.telegramChatId, businessKey: key }));
    }
  }
  return frozen;
}
