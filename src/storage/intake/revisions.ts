import { isDeepStrictEqual } from 'node:util';
import type { Queryable } from '../postgres/database.service.js';
import type { LinkedChat } from './chat-linking.js';
import { endpointOf } from '../work/endpoint-id.js';
import type { ClientUpdateRow, OperatorChangeRow, StoredWords } from './intake.rows.js';
import { jsonb, storableText } from '../postgres/json.js';
import { recordWords } from '../history/message-words.repository.js';
import { closeKeyboards, insertButtons } from '../work/buttons.js';
import { looksTheSame, withButtonIds, type Keyboard } from '../work/keyboard.js';
import type { NewDelivery } from '../work/outbox.js';
import type { Direction, MessageState } from '../prisma/client.js';
import { START } from './start-press.js';

/** A message as it was before the change. */
interface Changed {
  ord: number;
  id: bigint;
  chat_id: bigint;
  bot_id: bigint;
  portal_id: bigint | null;
  direction: Direction;
  state: MessageState;
  kind: string;
  text: string;
  marks: unknown;
  album_id: string | null;
  reply_to_id: bigint | null;
  keyboard: Keyboard | null;
  said_at: Date | null;
  edited_at: Date | null;
  deleted_at: Date | null;
  /** telegram_unique_id of its files. */
  files: string[];
  /** What is read in the place of its files. */
  labels: string[];
}

const CHANGED_COLUMNS = `
  m.id, m.chat_id, m.bot_id, m.portal_id, m.direction, m.state, m.kind, m.text, m.marks, m.album_id, m.reply_to_id,
  m.keyboard, m.said_at, m.edited_at, m.deleted_at,
  ARRAY(SELECT a.telegram_unique_id FROM attachments a WHERE a.message_id = m.id AND a.telegram_unique_id IS NOT NULL) AS files,
  ARRAY(SELECT a.label FROM attachments a WHERE a.message_id = m.id ORDER BY a.ordinal) AS labels`;

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

/** The bot may have gone to another portal since: there nobody has read the message, and its dialog is none of ours now. */
function isOfThisDialog(message: Changed | undefined, { portal_id }: LinkedChat): boolean {
  return message !== undefined && (message.portal_id === portal_id || message.state === 'queued');
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

/** The chat of a message was not locked, because the message came a moment ago: the transaction is to be run again. */
class CameMeanwhile extends Error {
  override readonly name = 'CameMeanwhile';
  /** SQLSTATE "serialization_failure": after a new look nothing is in the way. */
  readonly code = '40001';
}

/**
 * The message that an operator changed, or null when it is none of ours (a client's, or of another connector). The chats
 * of the changes are locked, which these are: no message is waited for that somebody holds who waits for its chat.
 */
export async function changedByOperator(
  connection: Queryable,
  change: OperatorChangeRow,
  lockedChats: bigint[],
): Promise<Changed | null> {
  const message = `FROM messages m
      WHERE m.portal_id = $1 AND m.bitrix_message_id = $2 AND m.direction = 'outbound'`;
  const { rows } = await connection.query<Changed>(
    `SELECT ${CHANGED_COLUMNS} ${message} AND m.chat_id = ANY($3::bigint[]) ORDER BY m.id DESC LIMIT 1 FOR UPDATE`,
    [change.portalId, change.bitrixMessageId, lockedChats],
  );
  if (rows[0]) return rows[0];
  const { rowCount } = await connection.query(`SELECT ${message} AND m.chat_id IS NOT NULL LIMIT 1`, [
    change.portalId,
    change.bitrixMessageId,
  ]);
  if (rowCount) throw new CameMeanwhile(`Message ${change.bitrixMessageId} came while it was changed`);
  return null;
}

/**
 * Keeps changes that were found in the dialogs, as they were after `asOf`; most of them are known. `lockedChats`: theirs. A message that was
 * changed since then is left to the next look, because the change found may be older than that.
 */
export async function reviseByFoundChanges(
  connection: Queryable,
  changes: OperatorChangeRow[],
  { asOf, lockedChats }: { asOf: Date; lockedChats: bigint[] },
): Promise<NewDelivery[]> {
  if (changes.length === 0) return [];
  const isNews = (message: Changed, change: OperatorChangeRow): boolean => {
    if (message.deleted_at !== null || (message.edited_at !== null && message.edited_at >= asOf)) return false;
    const words = wordsOf(change, message);
    return words === null || !saysTheSame(message, words) || !showsTheSame(message, change);
  };
  const { rows } = await connection.query<Changed>(
    `SELECT r.ord, ${CHANGED_COLUMNS}
       FROM jsonb_to_recordset($1::jsonb) AS r(ord int, portal_id bigint, bitrix_message_id text)
       JOIN messages m ON m.portal_id = r.portal_id AND m.bitrix_message_id = r.bitrix_message_id
      WHERE m.direction = 'outbound' AND m.chat_id IS NOT NULL ORDER BY m.id`,
    [
      jsonb(
        changes.map((change, ord) => ({
          ord,
          portal_id: change.portalId,
          bitrix_message_id: change.bitrixMessageId,
        })),
      ),
    ],
  );
  const work: NewDelivery[] = [];
  for (const { ord } of rows.filter((row) => isNews(row, changes[row.ord]!))) {
    const change = changes[ord]!;
    // Locked now: an event may have told of it meanwhile.
    const message = await changedByOperator(connection, change, lockedChats);
    if (message && isNews(message, change)) work.push(...(await reviseByOperator(connection, message, change)));
  }
  return work;
}

/** Keeps an operator's edit or deletion; the deliveries bring it to the client. */
export async function reviseByOperator(
  connection: Queryable,
  message: Changed,
  change: OperatorChangeRow,
): Promise<NewDelivery[]> {
  const { telegramMessageIds, raw, saidAt } = change;
  const words = wordsOf(change, message);
  if (words) {
    const showsOthers = !showsTheSame(message, change);
    if (saysTheSame(message, words) && !showsOthers) return [];
    await keepRevision(connection, message, { ...words, raw, saidAt });
    if (showsOthers) await replaceButtons(connection, message, change.keyboard ?? null);
    return deliveryOf(message, 'edit', words);
  }
  if (message.deleted_at === null) await keepRevision(connection, message, { raw, saidAt });
  if (message.keyboard !== null) await closeKeyboards(connection, [message.id]);
  return deliveryOf(message, 'delete', telegramMessageIds.length > 0 ? { telegramMessageIds } : {});
}

/** What the message is to say now; null: nothing. */
function wordsOf({ words, rest }: OperatorChangeRow, message: Changed): OperatorChangeRow['words'] {
  return message.reply_to_id === null ? words : (rest ?? words);
}

/** The portal puts the buttons of a rating under its question, so a change does not name them. */
function showsTheSame({ keyboard }: Changed, change: OperatorChangeRow): boolean {
  const isRating = keyboard?.type === 'buttons' && keyboard.rates !== undefined;
  return isRating || looksTheSame(keyboard, change.keyboard ?? null);
}

/** The buttons that the message had are no more, whether they were pressed or not. */
async function replaceButtons(connection: Queryable, message: Changed, keyboard: Keyboard | null): Promise<void> {
  await connection.query(`DELETE FROM buttons WHERE message_id = $1`, [message.id]);
  const given = keyboard && withButtonIds(keyboard);
  await connection.query(`UPDATE messages SET keyboard = $2::jsonb, keyboard_over = false WHERE id = $1`, [
    message.id,
    given && jsonb(given),
  ]);
  if (given) await insertButtons(connection, [{ messageId: message.id, chatId: message.chat_id, keyboard: given }]);
  message.keyboard = given;
}

function saysTheSame(message: Changed, words: { text: string; marks: unknown }): boolean {
  // The database gives the fields of a mark in an order of its own.
  return message.text === storableText(words.text) && isDeepStrictEqual(message.marks, JSON.parse(jsonb(words.marks)));
}

/** Without words: the deletion, which leaves the last words in their place. */
async function keepRevision(
  connection: Queryable,
  message: Changed,
  revision: { text?: string; marks?: unknown; raw: unknown; saidAt?: Date },
): Promise<void> {
  const deleted = revision.text === undefined;
  await connection.query(
    `WITH original AS (
       INSERT INTO revisions (message_id, number, text, marks, said_at)
       VALUES ($1, 0, $2, $3::jsonb, $4) ON CONFLICT DO NOTHING
     )
     INSERT INTO revisions (message_id, number, text, marks, deleted, raw, said_at)
     SELECT $1, greatest((SELECT max(number) FROM revisions WHERE message_id = $1), 0) + 1, $5, $6::jsonb, $7, $8::jsonb, $9`,
    [
      message.id,
      message.text,
      jsonb(message.marks),
      message.said_at,
      revision.text ?? '',
      jsonb(revision.marks ?? []),
      deleted,
      jsonb(revision.raw),
      revision.saidAt ?? null,
    ],
  );
  if (revision.text === undefined) {
    await connection.query(`UPDATE messages SET deleted_at = now() WHERE id = $1`, [message.id]);
    return;
  }
  await connection.query(`UPDATE messages SET text = $2, marks = $3::jsonb, edited_at = now() WHERE id = $1`, [
    message.id,
    revision.text,
    jsonb(revision.marks),
  ]);
  await recordWords(connection, [{ id: message.id, text: revision.text }]);
}

/** A change follows its message on the same lane; of a message that went nowhere there is nothing to change. */
function deliveryOf(message: Changed, kind: 'edit' | 'delete', payload: object): NewDelivery[] {
  if (message.state === 'failed' || message.state === 'ignored') return [];
  const endpoint = endpointOf(message.direction, message);
  return [{ chatId: message.chat_id, channel: message.direction, endpoint, messageId: message.id, kind, payload }];
}
