import type { Queryable } from '../postgres/database.service.js';
import type { OperatorChangeRow } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';
import { closeKeyboards, insertButtons } from '../work/buttons.js';
import { looksTheSame, withButtonIds, type Keyboard } from '../work/keyboard.js';
import type { NewDelivery } from '../work/outbox.js';
import { CHANGED_COLUMNS, deliveryOf, keepRevision, saysTheSame, type Changed } from './revisions.js';

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

/**
 * The buttons that the message had are no more, whether they were pressed or not. A keyboard that a newer one has taken
 * away stays away: there is one question at a time.
 */
async function replaceButtons(connection: Queryable, message: Changed, keyboard: Keyboard | null): Promise<void> {
  await connection.query(`DELETE FROM buttons WHERE message_id = $1`, [message.id]);
  const given = keyboard && withButtonIds(keyboard);
  const { rows } = await connection.query<{ over: boolean }>(
    `UPDATE messages m
        SET keyboard = $2::jsonb,
            keyboard_over = m.keyboard_over AND EXISTS (
              SELECT FROM messages n WHERE n.chat_id = m.chat_id AND n.id > m.id AND n.direction = 'outbound'
                 AND n.keyboard ->> 'type' = 'buttons' AND n.state IN ('delivered', 'uncertain'))
      WHERE m.id = $1 RETURNING m.keyboard_over AS over`,
    [message.id, given && jsonb(given)],
  );
  if (given && !rows[0]!.over)
    await insertButtons(connection, [{ messageId: message.id, chatId: message.chat_id, keyboard: given }]);
  message.keyboard = given;
}
