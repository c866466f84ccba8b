import type { LinkedChat } from './chat-linking.js';
import type { Queryable } from '../postgres/database.service.js';
import { parseExternalChat } from './external-chat.js';
import type { OperatorMessageRow } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';

/** Where an operator's message goes. */
export interface Addressee {
  chat: LinkedChat;
  /** Its dialog is the one to which the chat's own lanes lead: its bot serves the line that was written in. */
  present: boolean;
}

/** Why a message cannot be delivered by any bot; stored with it. */
export interface Unreachable {
  code: 'unknown_chat' | 'ambiguous_chat';
  detail: string;
}

interface Candidate extends LinkedChat {
  ord: number;
  line_id: string | null;
  /** The client has written there: it was not created from its id alone. */
  known: boolean;
}

/**
 * For each message the chat that it goes to, or why there is none. A dialog outlives the place of its bot: the bot may
 * serve another line by now, or another portal, and the dialog may be older than our tables. So the chat is, in this order:
 * 1. the one of the bot that serves the line (of a message that names no line, the newest one), if it knows the client;
 * 2. the one through which this dialog went before;
 * 3. the only one by which a bot of the portal knows the client;
 * 4. where no bot of the portal knows the client, the one through which the portal spoke with the client last;
 * 5. where none ever did, the one of the bot that serves the line, else of the portal's only bot. It is made here, of
 *    its id alone.
 */
export async function findAddressees(
  connection: Queryable,
  rows: OperatorMessageRow[],
): Promise<(Addressee | Unreachable)[]> {
  const { rows: known } = await connection.query<Candidate>(
    `SELECT r.ord, b.line_id, c.title <> c.external_id AS known, ${LINKED}
       FROM jsonb_to_recordset($1::jsonb) AS r(ord int, portal_id bigint, external_id text)
       JOIN chat_links c ON c.portal_id = r.portal_id AND c.external_id = r.external_id
       JOIN bots b ON b.id = c.bot_id
      ORDER BY r.ord, c.last_inbound_at DESC NULLS LAST, c.id`,
    [jsonb(rows.map((row, ord) => ({ ord, portal_id: row.portalId, external_id: row.externalChatId })))],
  );
  const candidates = new Map<number, Candidate[]>();
  for (const candidate of known) candidates.set(candidate.ord, [...(candidates.get(candidate.ord) ?? []), candidate]);
  const found: (Addressee | Unreachable)[] = [];
  // One by one: almost all are found without another query, and the first of several creates the chat for the others.
  for (const [ord, row] of rows.entries()) found.push(await addresseeOf(connection, row, candidates.get(ord) ?? []));
  return found;
}

async function addresseeOf(
  connection: Queryable,
  row: OperatorMessageRow,
  candidates: Candidate[],
): Promise<Addressee | Unreachable> {
  const serving = candidates.find(({ line_id }) => row.lineId === null || line_id === row.lineId);
  if (serving?.known) return { chat: serving, present: true };
  const chat = (await chatOfDialog(connection, row)) ?? serving ?? (await nearest(connection, row, candidates));
  if (chat) return { chat, present: chat.id === serving?.id };
  if (candidates.length > 0) {
    const detail = `Several bots of the portal know ${row.externalChatId}, and none of them serves line ${row.lineId}.`;
    return { code: 'ambiguous_chat', detail };
  }
  // What is not sent needs no chat.
  const made = row.said.ignored ? null : await makeChat(connection, row);
  const detail = `No Telegram chat is known as ${row.externalChatId} on line ${row.lineId ?? '(not named)'}.`;
  return made ?? { code: 'unknown_chat', detail };
}

/** SQL: what {@link LinkedChat} reads of a chat `c`. */
const LINKED = `c.id, c.bot_id, c.external_id, c.portal_id, c.bitrix_chat_id, c.unseen_message_id, c.dialog_open,
  c.banned_at IS NOT NULL AS banned`;

/** SQL: the chats of this client with any bot: one look into an index for each bot. */
const OF_CLIENT = `bots b JOIN chat_links c ON c.bot_id = b.id AND c.external_id = $1`;

/** The chat of the same dialog: the one that its bot left there, else the one to which its latest answer went. */
async function chatOfDialog(connection: Queryable, row: OperatorMessageRow): Promise<LinkedChat | undefined> {
  if (row.bitrixChatId === null) return undefined;
  const { rows } = await connection.query<LinkedChat>(
    `SELECT ${LINKED} FROM ${OF_CLIENT}
       LEFT JOIN left_dialogs l ON l.chat_id = c.id AND l.portal_id = $2 AND l.bitrix_chat_id = $3
       LEFT JOIN LATERAL (
         SELECT id FROM messages
          WHERE chat_id = c.id AND direction = 'outbound' AND portal_id = $2 AND bitrix_chat_id = $3
          ORDER BY id DESC LIMIT 1) m ON true
      WHERE l.chat_id IS NOT NULL OR m.id IS NOT NULL
      ORDER BY c.title = c.external_id, l.chat_id IS NULL, m.id DESC LIMIT 1`,
    [row.externalChatId, row.portalId, row.bitrixChatId],
  );
  return rows[0];
}

/** The only one by which a bot of the portal knows the client; where none does, see {@link lastOfPortal}. */
async function nearest(
  connection: Queryable,
  row: OperatorMessageRow,
  candidates: Candidate[],
): Promise<LinkedChat | undefined> {
  if (candidates.length === 0) return lastOfPortal(connection, row);
  return candidates.length === 1 ? candidates[0] : undefined;
}

/** The chat that has the latest message of the portal: its bot serves another one by now, or none. */
async function lastOfPortal(connection: Queryable, row: OperatorMessageRow): Promise<LinkedChat | undefined> {
  const { rows } = await connection.query<LinkedChat>(
    `SELECT ${LINKED} FROM ${OF_CLIENT}
      CROSS JOIN LATERAL (
        SELECT id FROM messages WHERE chat_id = c.id AND portal_id = $2 ORDER BY id DESC LIMIT 1) m
      ORDER BY m.id DESC LIMIT 1`,
    [row.externalChatId, row.portalId],
  );
  return rows[0];
}

/**
 * A chat of which nobody knows more than its id, which stands as its title until Telegram names it. Null: the id is none
 * of ours, or no bot can be named.
 */
async function makeChat(connection: Queryable, row: OperatorMessageRow): Promise<Addressee | null> {
  const place = parseExternalChat(row.externalChatId);
  if (!place) return null;
  const { rows: bots } = await connection.query<{ id: bigint; line_id: string | null; connection: string | null }>(
    `SELECT b.id, b.line_id, k.id AS connection
       FROM bots b LEFT JOIN LATERAL (
         SELECT id FROM business_connections WHERE bot_id = b.id AND key = $2 ORDER BY enabled DESC, updated_at DESC LIMIT 1) k
         ON true
      WHERE b.portal_id = $1 AND ($2::text IS NULL OR k.id IS NOT NULL) ORDER BY b.id`,
    [row.portalId, place.businessKey],
  );
  const bot = bots.find(({ line_id }) => line_id === row.lineId) ?? (bots.length === 1 ? bots[0] : undefined);
  if (!bot) return null;
  const { rows: made } = await connection.query<LinkedChat>(
    `INSERT INTO chat_links AS c (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, thread_id,
                                  business_connection, type, title, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $3, now())
     ON CONFLICT (bot_id, external_id) DO UPDATE SET portal_id = excluded.portal_id
     RETURNING ${LINKED}`,
    [
      bot.id,
      row.portalId,
      row.externalChatId,
      place.externalUserId,
      place.telegramChatId,
      place.threadId,
      bot.connection,
      place.type,
    ],
  );
  return { chat: made[0]!, present: row.lineId === null || bot.line_id === row.lineId };
}
