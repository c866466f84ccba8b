import type { Queryable } from '../postgres/database.service.js';
import type { ClientUpdateRow, StoredAttachment, StoredWords } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';
import { insertButtons } from '../work/buttons.js';
import { withButtonIds } from '../work/keyboard.js';
import { recordWords } from '../history/message-words.repository.js';
import type { NewDelivery } from '../work/outbox.js';
import type { Direction } from '../prisma/client.js';
import { ATTACHMENT, attachmentRow, SAID, saidRow } from './message-columns.js';
import { quoteUnnamed } from './quotes.js';

export interface NewMessage {
  portalId: bigint | null;
  botId: bigint | null;
  chatId: bigint | null;
  direction: Direction;
  said: StoredWords;
  /** Of a client's message; an album has several. */
  telegramMessageIds?: bigint[];
  albumId?: string;
  replyTo?: ClientUpdateRow['replyTo'];
  /** The message answered, where it is known already. */
  replyToId?: bigint;
  replyQuote?: string;
  externalChatId: string | null;
  bitrixMessageId?: string;
  bitrixChatId?: string | null;
  bitrixLineId?: string | null;
  unsigned?: boolean;
  /** Endpoint that will send it; null: nobody will (ignored). */
  endpoint: string | null;
}

/** Why messages of a chat on the ban list are stored but not relayed. */
export const BANNED = { code: 'banned', detail: 'The chat is on the ban list.' };

/** The other parts of an album come in updates of their own, within this time. */
export const ALBUM_MS = 1_000;

/** Inserts the messages in their order and returns, for each, the delivery that it needs (null: none). */
export async function insertMessages(connection: Queryable, messages: NewMessage[]): Promise<(NewDelivery | null)[]> {
  if (messages.length === 0) return [];
  await quoteUnnamed(connection, messages);
  const { rows: ids } = await connection.query<{ id: bigint }>(
    `SELECT nextval(pg_get_serial_sequence('messages', 'id')) AS id FROM generate_series(1, $1::int)`,
    [messages.length],
  );
  const numbered = messages.map((message, index) => ({ ...withButtons(message), id: ids[index]!.id }));
  await connection.query(
    `INSERT INTO messages (id, portal_id, bot_id, chat_id, direction, state, album_id, reply_to_id, external_chat_id,
                           bitrix_message_id, bitrix_chat_id, bitrix_line_id, unsigned, error_code, error_detail, ${SAID.names})
     SELECT id, portal_id, bot_id, chat_id, direction::"Direction", state::"MessageState", album_id, reply_to_id,
            external_chat_id, bitrix_message_id, bitrix_chat_id, bitrix_line_id, unsigned, error_code, error_detail, ${SAID.names}
       FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, portal_id bigint, bot_id bigint, chat_id bigint, direction text,
              state text, album_id text, reply_to_id bigint, external_chat_id text, bitrix_message_id text,
              bitrix_chat_id text, bitrix_line_id text, unsigned boolean, error_code text, error_detail text, ${SAID.types})`,
    [
      jsonb(
        numbered.map((message) => ({
          id: message.id,
          portal_id: message.portalId,
          bot_id: message.botId,
          chat_id: message.chatId,
          direction: message.direction,
          state: message.endpoint === null ? 'ignored' : 'queued',
          album_id: message.albumId ?? null,
          reply_to_id: message.replyToId ?? null,
          external_chat_id: message.externalChatId,
          bitrix_message_id: message.bitrixMessageId ?? null,
          bitrix_chat_id: message.bitrixChatId ?? null,
          bitrix_line_id: message.bitrixLineId ?? null,
          unsigned: message.unsigned ?? false,
          error_code: message.said.ignored?.code ?? null,
          error_detail: message.said.ignored?.detail ?? null,
          ...saidRow(message.said),
          can_wait: canWait(message),
          reply_quote: message.replyQuote ?? message.replyTo?.quote ?? null,
        })),
      ),
    ],
  );
  await recordWords(
    connection,
    numbered.flatMap(({ id, said }) => (said.text === '' ? [] : [{ id, text: said.text }])),
  );
  await insertParts(connection, numbered);
  await insertAttachments(
    connection,
    numbered.map(({ id, said }) => ({ messageId: id, first: 0, attachments: said.attachments ?? [] })),
  );
  await linkReplies(connection, numbered);
  await insertButtons(
    connection,
    numbered.flatMap(({ id, chatId, said: { keyboard } }) =>
      keyboard && chatId !== null ? [{ messageId: id, chatId, keyboard }] : [],
    ),
  );
  return numbered.map((message) =>
    message.endpoint === null || message.chatId === null
      ? null
      : {
          chatId: message.chatId,
          channel: message.direction,
          endpoint: message.endpoint,
          messageId: message.id,
          kind: 'message',
          ...(message.albumId ? { holdMs: ALBUM_MS } : {}),
          canWait: canWait(message),
        },
  );
}

function withButtons(message: NewMessage): NewMessage {
  const { said } = message;
  return said.keyboard ? { ...message, said: { ...said, keyboard: withButtonIds(said.keyboard) } } : message;
}

/** Nobody waits for a line of the system: where no session is open it must not open one. */
function canWait({ direction, said }: NewMessage): boolean {
  return direction === 'inbound' && (said.canWait === true || said.systemLine === true);
}

type Numbered = NewMessage & { id: bigint };

async function insertParts(connection: Queryable, messages: Numbered[]): Promise<void> {
  const parts = messages.flatMap((message) =>
    message.chatId === null
      ? []
      : (message.telegramMessageIds ?? []).map((telegramMessageId, part) => ({
          message_id: message.id,
          part,
          chat_id: message.chatId,
          telegram_message_id: telegramMessageId,
        })),
  );
  if (parts.length === 0) return;
  await connection.query(
    `INSERT INTO message_links (message_id, part, chat_id, telegram_message_id)
     SELECT message_id, part, chat_id, telegram_message_id
       FROM jsonb_to_recordset($1::jsonb) AS r(message_id bigint, part int, chat_id bigint, telegram_message_id bigint)`,
    [jsonb(parts)],
  );
}

export async function insertAttachments(
  connection: Queryable,
  groups: { messageId: bigint; first: number; attachments: StoredAttachment[] }[],
): Promise<void> {
  const rows = groups.flatMap(({ messageId, first, attachments }) =>
    attachments.map((attachment, index) => ({
      message_id: messageId,
      ordinal: first + index,
      ...attachmentRow(attachment),
    })),
  );
  if (rows.length === 0) return;
  await connection.query(
    `INSERT INTO attachments (message_id, ordinal, ${ATTACHMENT.names})
     SELECT message_id, ordinal, ${ATTACHMENT.names}
       FROM jsonb_to_recordset($1::jsonb) AS r(message_id bigint, ordinal smallint, ${ATTACHMENT.types})`,
    [jsonb(rows)],
  );
}

async function linkReplies(connection: Queryable, messages: Numbered[]): Promise<void> {
  const replies = messages.filter((message) => message.replyTo && message.chatId !== null);
  if (replies.length === 0) return;
  await connection.query(
    `UPDATE messages m
        SET reply_to_id = (SELECT max(l.message_id) FROM message_links l
                            WHERE l.chat_id = r.chat_id AND l.telegram_message_id = r.telegram_message_id)
       FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, chat_id bigint, telegram_message_id bigint)
      WHERE m.id = r.id`,
    [
      jsonb(
        replies.map(({ id, chatId, replyTo }) => ({
          id,
          chat_id: chatId,
          telegram_message_id: replyTo!.telegramMessageId,
        })),
      ),
    ],
  );
}
