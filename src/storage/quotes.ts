import type { Queryable } from './database.service.js';
import type { OperatorMessageRow } from './intake.rows.js';

/** How far back in a chat a quoted message is looked for. */
const MESSAGES = 300;
/** Shorter words stand in too many messages to tell which one is meant. */
const SHORTEST_PART = 4;

/** The message that an operator's message answers; `quote`: the part of it that was quoted, when not all of it. */
export interface Answered {
  id: bigint;
  quote?: string;
}

/** Looks for the quoted message in the chat: by its id in Bitrix24, else by its words, the newest first. */
export async function findQuoted(
  connection: Queryable,
  chatId: bigint,
  { portalId, quoted }: OperatorMessageRow,
): Promise<Answered | null> {
  if (!quoted) return null;
  const { rows } = await connection.query<{ id: bigint; text: string; named: boolean }>(
    `SELECT id, text, portal_id = $2 AND bitrix_message_id IS NOT DISTINCT FROM $3::text AS named
       FROM (SELECT * FROM messages WHERE chat_id = $1 ORDER BY id DESC LIMIT $4) m
      WHERE EXISTS (SELECT FROM message_links l WHERE l.message_id = m.id) AND NOT system_line
      ORDER BY id DESC`,
    [chatId, portalId, quoted.bitrixMessageId ?? null, MESSAGES],
  );
  const named = quoted.bitrixMessageId === undefined ? undefined : rows.find((row) => row.named);
  if (named) return { id: named.id };
  const words = comparable(quoted.words);
  if (words === '') return null;
  const same = rows.find(({ text }) => comparable(text) === words);
  if (same) return { id: same.id };
  const part = words.length < SHORTEST_PART ? undefined : rows.find(({ text }) => comparable(text).includes(words));
  if (!part) return null;
  const quote = quoted.words.trim();
  return { id: part.id, ...(part.text.includes(quote) ? { quote } : {}) };
}

/** Without what the way through two networks changes: white space, and the signs that keep BBCode from being read. */
function comparable(text: string): string {
  return text
    .replace(/\u200b/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
}
