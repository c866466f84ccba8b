import type { Queryable } from '../postgres/database.service.js';
import type { LinkedChat } from './chat-linking.js';
import type { ClientUpdateRow, StoredWords } from './intake.rows.js';
import { jsonb, storableText } from '../postgres/json.js';
import type { NewDelivery } from '../work/outbox.js';
import { CHANGED_COLUMNS, deliveryOf, keepRevision, saysTheSame, type Changed } from './revisions.js';
import { START } from './start-press.js';

/** An edit by a client, and the message of ours that it changes. */
export interface ClientEdit {
  update: ClientUpdateRow & { said: StoredWords; telegramMessageId: bigint };
  chat: LinkedChat;
  message: Changed;
}

/** An edit that is a message of its own. */
export type NewsEdit = Omit<ClientEdit, 'message'> & {
  /** The message whose file or words its file takes the place of. */
  replaced?: Changed;
};

/** Longest quoted beginning of a message that was replaced, in characters. */
const QUOTE_LIMIT = 200;

/**
 * Splits edits into those of messages we have, and the others: what was written before we were there is news to the
 * operator, and so is a file that took the place of another, which Bitrix24 cannot exchange.
 */
export async function sortEdits(
  connection: Queryable,
  edits: Omit<ClientEdit, 'message'>[],
): Promise<{ known: ClientEdit[]; news: NewsEdit[] }> {
  if (edits.length === 0) return { known: [], news: [] };
  const { rows } = await connection.query<Changed>(
    `SELECT r.ord, ${CHANGED_COLUMNS}
       FROM jsonb_to_recordset($1::jsonb) AS r(ord int, chat_id bigint, telegram_message_id bigint)
       JOIN LATERAL (SELECT max(l.message_id) AS id FROM message_links l
                      WHERE l.chat_id = r.chat_id AND l.telegram_message_id = r.telegram_message_id) l ON true
       JOIN messages m ON m.id = l.id
      ORDER BY m.id FOR UPDATE OF m`,
    [
      jsonb(
        edits.map(({ chat, update }, ord) => ({
          ord,
          chat_id: chat.id,
          telegram_message_id: update.telegramMessageId,
        })),
      ),
    ],
  );
  // Several edits of one message follow each other.
  const messages = new Map(rows.map((row) => [row.id, row]));
  const found = new Map(rows.map((row) => [row.ord, messages.get(row.id)!]));
  const known: ClientEdit[] = [];
  const news: NewsEdit[] = [];
  edits.forEach((edit, ord) => {
    const message = isOfThisDialog(found.get(ord), edit.chat) ? found.get(ord) : undefined;
    const isNewFile = edit.update.said.attachments?.some(
      ({ telegramUniqueId }) => telegramUniqueId !== undefined && !message?.files.includes(telegramUniqueId),
    );
    if (message && !isNewFile) known.push({ ...edit, message });
    else news.push(message ? { ...edit, replaced: message } : edit);
  });
  return { known, news };
}

/** Before a message that takes the place of another stands what that one said, as a quote. */
export function quoteReplaced({ update, replaced }: NewsEdit): void {
  const { insteadOf } = update.said;
  if (!insteadOf || !replaced || replaced.state === 'ignored') return;
  const words = [...(replaced.text.trim() || replaced.labels.join('\n'))];
  const text = words.length > QUOTE_LIMIT ? `${words.slice(0, QUOTE_LIMIT - 1).join('')}…` : words.join('');
  update.said = { ...update.said, quoted: { ...insteadOf, text, marks: [] } };
  // What it answers stands at the message that is quoted.
  delete update.replyTo;
}

/**
 * Keeps what an edited message says now; the delivery brings it to the operator. An invisible change needs none, and
 * one of a banned chat gets none.
 */
export async function reviseByClient(
  connection: Queryable,
  { update, chat, message }: ClientEdit,
): Promise<NewDelivery[]> {
  const words = { text: storableText(update.said.text), marks: update.said.marks };
  // The caption of an album stands at one of its parts; the others are edited without any.
  if (message.album_id !== null && words.text === '') return [];
  if (saysTheSame(message, words)) return [];
  await keepRevision(connection, message, { ...words, raw: update.said.raw, saidAt: update.said.saidAt });
  // The words of earlier versions of this program had it in themselves.
  if (update.said.quoted)
    await connection.query(`UPDATE messages SET quoted = $2::jsonb WHERE id = $1 AND quoted IS NULL`, [
      message.id,
      jsonb(update.said.quoted),
    ]);
  Object.assign(message, words);
  if (message.kind === START) await becomesWords(connection, message, update.said);
  return chat.banned ? [] : deliveryOf({ ...message, portal_id: chat.portal_id }, 'edit', words);
}

/** Whoever edits a press of Start into words has written them: they wait for no others, and are the client's. */
async function becomesWords(connection: Queryable, message: Changed, { kind }: StoredWords): Promise<void> {
  await connection.query(`UPDATE messages SET kind = $2, system_line = false, can_wait = false WHERE id = $1`, [
    message.id,
    kind,
  ]);
  message.kind = kind;
}

/** Keeps that clients took messages back (Telegram tells only of Business chats). */
export async function deleteByClient(
  connection: Queryable,
  deletions: { chat: LinkedChat; telegramMessageIds: bigint[]; raw: unknown }[],
): Promise<NewDelivery[]> {
  const work: NewDelivery[] = [];
  for (const { chat, telegramMessageIds, raw } of deletions) {
    const { rows } = await connection.query<Changed>(
      `SELECT ${CHANGED_COLUMNS} FROM messages m
        WHERE m.deleted_at IS NULL AND m.id IN (
                SELECT message_id FROM message_links WHERE chat_id = $1 AND telegram_message_id = ANY($2::bigint[]) AND part = 0)
        ORDER BY m.id FOR UPDATE`,
      [chat.id, telegramMessageIds],
    );
    for (const message of rows) {
      await keepRevision(connection, message, { raw });
      if (message.direction !== 'inbound' || chat.banned || !isOfThisDialog(message, chat)) continue;
      work.push(...deliveryOf({ ...message, portal_id: chat.portal_id }, 'delete', {}));
    }
  }
  return work;
}

/** The bot may have gone to another portal since: there nobody has read the message, and its dialog is none of ours now. */
function isOfThisDialog(message: Changed | undefined, { portal_id }: LinkedChat): boolean {
  return message !== undefined && (message.portal_id === portal_id || message.state === 'queued');
}
