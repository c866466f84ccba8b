import { jsonb } from '../postgres/json.js';
import type { Queryable } from '../postgres/database.service.js';
import type { ButtonKind } from '../prisma/client.js';
import { isAdvertising } from './advertising.js';
import { endpointOf } from './endpoint-id.js';
import type { Keyboard } from './keyboard.js';
import type { NewDelivery } from './outbox.js';

/** A message to a client with what stands under it. */
export interface KeyboardOfMessage {
  messageId: bigint;
  chatId: bigint;
  /** With ids. */
  keyboard: Keyboard;
}

/** Keeps the buttons of new keyboards whose presses are answered. */
export async function insertButtons(connection: Queryable, keyboards: KeyboardOfMessage[]): Promise<void> {
  const rows = keyboards.flatMap(rowsOf);
  if (rows.length === 0) return;
  await connection.query(
    `INSERT INTO buttons (id, message_id, chat_id, kind, text, value, session_id, expires_at)
     SELECT id, message_id, chat_id, kind::"ButtonKind", text, value, session_id, expires_at
       FROM jsonb_to_recordset($1::jsonb) AS r(id text, message_id bigint, chat_id bigint, kind text, text text, value text,
              session_id text, expires_at timestamptz)`,
    [jsonb(rows)],
  );
}

function rowsOf({ messageId, chatId, keyboard }: KeyboardOfMessage) {
  const row = (id: string, kind: ButtonKind, text: string, value: string) => ({
    id,
    message_id: messageId,
    chat_id: chatId,
    kind,
    text,
    value,
    session_id: null as string | null,
    expires_at: null as string | null,
  });
  switch (keyboard.type) {
    case 'none':
      return [];
    case 'phone':
      return [row(keyboard.id!, 'phone', keyboard.text ?? '', keyboard.thanks ?? '')];
    case 'buttons': {
      const { rows, rates = null, expiresAt = null } = keyboard;
      const sent = rows.flat().filter((button) => button.action === 'send');
      return sent.map(({ id, text, value }) => ({
        ...row(id!, rates === null ? 'send' : 'vote', text, value),
        session_id: rates,
        expires_at: expiresAt,
      }));
    }
  }
}

/** Payload of the delivery that takes a keyboard away, but for its lasting buttons. */
export interface KeyboardRemoval {
  text: string;
  marks: unknown;
  keyboardOnly: true;
  /** Telegram's id of the message under which it was pressed: all that is known where the answer to its sending was lost. */
  pressedUnder?: string;
}

/**
 * Nothing of these messages can be pressed any more; the deliveries take their keyboards away. To be called with the
 * lanes of their chats locked.
 *
 * @param pressedUnder Telegram's id of the message whose button was pressed, where it is one message
 */
export async function closeKeyboards(
  connection: Queryable,
  messageIds: bigint[],
  pressedUnder?: bigint,
): Promise<NewDelivery[]> {
  if (messageIds.length === 0) return [];
  await connection.query(
    `UPDATE buttons SET closed_at = now() WHERE message_id = ANY($1::bigint[]) AND closed_at IS NULL`,
    [messageIds],
  );
  const { rows } = await connection.query<{
    id: bigint;
    chat_id: bigint;
    bot_id: bigint;
    portal_id: bigint | null;
    text: string;
    marks: unknown;
  }>(
    `UPDATE messages m
        SET keyboard_over = lasting.rows IS NULL,
            keyboard = CASE WHEN lasting.rows IS NULL THEN m.keyboard ELSE jsonb_set(m.keyboard, '{rows}', lasting.rows) END
       FROM messages o CROSS JOIN LATERAL (
         SELECT jsonb_agg(jsonb_build_array(b)) AS rows
           FROM jsonb_path_query(o.keyboard, '$.rows[*][*] ? (@.action == "unsubscribe")') b) lasting
      WHERE m.id = ANY($1::bigint[]) AND o.id = m.id AND NOT m.keyboard_over AND m.keyboard ->> 'type' = 'buttons'
        AND m.keyboard @? '$.rows[*][*] ? (@.action != "unsubscribe")'
        AND m.state NOT IN ('failed', 'ignored') AND m.deleted_at IS NULL
      RETURNING m.id, m.chat_id, m.bot_id, m.portal_id, m.text, m.marks`,
    [messageIds],
  );
  return rows.map((message) => {
    const payload: KeyboardRemoval = { text: message.text, marks: message.marks, keyboardOnly: true };
    if (pressedUnder !== undefined) payload.pressedUnder = String(pressedUnder);
    return {
      chatId: message.chat_id,
      channel: 'outbound',
      endpoint: endpointOf('outbound', message),
      messageId: message.id,
      kind: 'edit',
      payload: { ...payload },
    };
  });
}

/**
 * Older keyboards of the chats in which these messages have reached the client with buttons of their own: there is one
 * question at a time. Advertising asks nobody anything that others wait for: it replaces only advertising. To be called
 * with the lanes locked.
 */
export async function replaceKeyboards(
  connection: Queryable,
  reached: { messageId: bigint; chatId: bigint }[],
): Promise<NewDelivery[]> {
  if (reached.length === 0) return [];
  const { rows } = await connection.query<{ message_id: bigint }>(
    `SELECT DISTINCT b.message_id
       FROM jsonb_to_recordset($1::jsonb) AS r(chat_id bigint, message_id bigint)
       JOIN buttons b ON b.chat_id = r.chat_id AND b.message_id < r.message_id
       JOIN messages m ON m.id = r.message_id JOIN messages o ON o.id = b.message_id
      WHERE b.closed_at IS NULL AND b.kind <> 'phone' AND (NOT ${isAdvertising('m')} OR ${isAdvertising('o')})
      ORDER BY b.message_id`,
    [jsonb(reached.map(({ messageId, chatId }) => ({ message_id: messageId, chat_id: chatId })))],
  );
  return closeKeyboards(
    connection,
    rows.map(({ message_id }) => message_id),
  );
}
