import type { Queryable } from '../postgres/database.service.js';
import type { ClientUpdateRow, OperatorMessageRow, StoredWords } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';

/** How many messages back in a chat a quoted one is searched for. */
const MESSAGES = 300;
/** Shorter texts occur in too many messages to tell which one is meant. */
const SHORTEST_PART = 4;
/** Characters of a message that are enough to recognise it by. */
const EXCERPT = 100;

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
  // For a quote within the quoted message the messenger writes `[Quote]`, in its language.
  const words = comparable(quoted.words).replace(/^(?:\[[^\]]*\] )+(?=.)/, '');
  if (words === '') return null;
  const same = rows.find(({ text }) => comparable(text) === words);
  if (same) return { id: same.id };
  const part = words.length < SHORTEST_PART ? undefined : rows.find(({ text }) => comparable(text).includes(words));
  if (!part) return null;
  const quote = quoted.words.trim();
  return { id: part.id, ...(part.text.includes(quote) ? { quote } : {}) };
}

interface Answer {
  chatId: bigint | null;
  replyTo?: ClientUpdateRow['replyTo'];
  said: StoredWords;
}

interface Original {
  ord: number;
  text: string;
  marks: { type: string; offset: number; length: number }[];
  label: string | null;
}

/** Puts the beginning of the answered message, as a quote, before words that do not name it. */
export async function quoteUnnamed(connection: Queryable, messages: Answer[]): Promise<void> {
  const unnamed = messages.filter(({ replyTo, chatId }) => replyTo?.unnamed && chatId !== null);
  if (unnamed.length === 0) return;
  const { rows } = await connection.query<Original>(
    `SELECT DISTINCT ON (r.ord) r.ord, m.text, m.marks,
            (SELECT a.label FROM attachments a WHERE a.message_id = m.id AND a.ordinal IN (0, l.part)
              ORDER BY a.ordinal DESC LIMIT 1) AS label
       FROM jsonb_to_recordset($1::jsonb) AS r(ord int, chat_id bigint, telegram_message_id bigint)
       JOIN message_links l ON l.chat_id = r.chat_id AND l.telegram_message_id = r.telegram_message_id
       JOIN messages m ON m.id = l.message_id
      ORDER BY r.ord, m.id DESC`,
    [
      jsonb(
        unnamed.map(({ chatId, replyTo }, ord) => ({
          ord,
          chat_id: chatId,
          telegram_message_id: replyTo!.telegramMessageId,
        })),
      ),
    ],
  );
  for (const original of rows) {
    const words = excerptOf(original);
    if (words === '') continue;
    const message = unnamed[original.ord]!;
    const { text, marks } = message.said;
    message.said = {
      ...message.said,
      text: `${words}\n${text}`,
      marks: [
        { type: 'quote', offset: 0, length: words.length },
        ...(marks as Original['marks']).map((mark) => ({ ...mark, offset: mark.offset + words.length + 1 })),
      ],
    };
  }
}

/** One line of what its author wrote, without what they quoted; of a file without words, what it is. */
function excerptOf({ text, marks, label }: Original): string {
  const quoted = marks.find(({ type, offset }) => type === 'quote' && offset === 0)?.length ?? 0;
  const words = text.slice(quoted).replace(/\s+/g, ' ').trim() || (label ?? '');
  const characters = [...words];
  return characters.length <= EXCERPT ? words : `${characters.slice(0, EXCERPT - 1).join('')}…`;
}

/** Without what two networks may change: white space, and the characters that escape BBCode. */
function comparable(text: string): string {
  return text
    .replace(/\u200b/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
}
