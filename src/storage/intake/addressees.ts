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

/** Why nobody can bring a message; kept with it. */
export interface Unreachable {
  code: 'unknown_chat' | 'ambiguous_chat';
  detail: string;
}

interface Candidate extends LinkedChat {
  ord: number;
  line_id: string | null;
}

/**
 * For each message the chat that it goes to, or why there is none. A dialog outlives the place of its bot: the bot may
 * serve another line by now, and the dialog may be older than our tables. So the chat is, in this order: the one of the
 * bot that serves the line (of a message that names no line, the newest one); the only one by which a bot of the portal
 * knows the client, of several the one through which this dialog went before; and where no bot knows the client, the
 * one of the bot that serves the line, else of the portal's only bot. That last chat is made here, of its id alone.
 */
export async function findAddressees(
  connection: Queryable,
  rows: OperatorMessageRow[],
): Promise<(Addressee | Unreachable)[]> {
  const { rows: known } = await connection.query<Candidate>(
    `SELECT r.ord, b.line_id, c.id, c.bot_id, c.external_id, c.portal_id, c.bitrix_chat_id, c.unseen_message_id,
            c.dialog_open, c.banned_at IS NOT NULL AS banned
       FROM jsonb_to_recordset($1::jsonb) AS r(ord int, portal_id bigint, external_id text)
       JOIN chat_links c ON c.portal_id = r.portal_id AND c.external_id = r.external_id
       JOIN bots b ON b.id = c.bot_id
      ORDER BY r.ord, c.last_inbound_at DESC NULLS LAST, c.id`,
    [jsonb(rows.map((row, ord) => ({ ord, portal_id: row.portalId, external_id: row.externalChatId })))],
  );
  const candidates = new Map<number, Candidate[]>();
  for (const candidate of known) candidates.set(candidate.ord, [...(candidates.get(candidate.ord) ?? []), candidate]);
  const found: (Addressee | Unreachable)[] = [];
  // One by one: almost all are found without another question, and the first of several makes the chat for the others.
  for (const [ord, row] of rows.entries()) found.push(await addresseeOf(connection, row, candidates.get(ord) ?? []));
  return found;
}

async function addresseeOf(
  connection: Queryable,
  row: OperatorMessageRow,
  candidates: Candidate[],
): Promise<Addressee | Unreachable> {
  const serving = candidates.find(({ line_id }) => row.lineId === null || line_id === row.lineId);
  if (serving) return { chat: serving, present: true };
  if (candidates.length > 0) {
    const chat = candidates.length === 1 ? candidates[0]! : await lastOfDialog(connection, row, candidates);
    if (chat) return { chat, present: false };
    const detail = `Several bots of the portal know ${row.externalChatId}, and none of them serves line ${row.lineId}.`;
    return { code: 'ambiguous_chat', detail };
  }
  // What is not sent needs no chat.
  const made = row.said.ignored ? null : await makeChat(connection, row);
  const detail = `No Telegram chat is known as ${row.externalChatId} on line ${row.lineId ?? '(not named)'}.`;
  return made ?? { code: 'unknown_chat', detail };
}

/** The chat to which the latest answer of the same dialog went. */
async function lastOfDialog(
  connection: Queryable,
  row: OperatorMessageRow,
  candidates: Candidate[],
): Promise<Candidate | undefined> {
  const { rows } = await connection.query<{ chat_id: bigint }>(
    `SELECT chat_id FROM messages
      WHERE chat_id = ANY($1::bigint[]) AND direction = 'outbound' AND portal_id = $2 AND bitrix_chat_id = $3
      ORDER BY id DESC LIMIT 1`,
    [candidates.map(({ id }) => id), row.portalId, row.bitrixChatId],
  );
  return candidates.find(({ id }) => id === rows[0]?.chat_id);
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
     RETURNING id, bot_id, external_id, portal_id, bitrix_chat_id, unseen_message_id, dialog_open,
               banned_at IS NOT NULL AS banned`,
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
