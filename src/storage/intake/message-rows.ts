import type { Queryable } from '../postgres/database.service.js';
import type { ClientUpdateRow, StoredAttachment, StoredWords } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';
import { recordWords } from '../history/message-words.repository.js';
import { BEHIND, type NewDelivery } from '../work/outbox.js';
import type { Direction } from '../prisma/client.js';
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

/** Why words of a chat that is on the ban list are kept and go nowhere. */
export const BANNED = { code: 'banned', detail: 'The chat is on the ban list.' };

/** SQL: the columns of `messages` that tell what was said, and their types in a set of rows. */
export const SAID = columns({
  kind: 'text',
  text: 'text',
  marks: 'jsonb',
  attached: 'smallint',
  system_line: 'boolean',
  can_wait: 'boolean',
  source: 'text',
  reply_quote: 'text',
  quoted: 'jsonb',
  not_own_words: 'boolean',
  author_id: 'text',
  author_name: 'text',
  raw: 'jsonb',
  said_at: 'timestamptz',
  trace: 'text',
});

/** The same of `attachments`. */
export const ATTACHMENT = columns({
  kind: 'text',
  name: 'text',
  mime: 'text',
  size: 'bigint',
  label: 'text',
  telegram_file_id: 'text',
  telegram_unique_id: 'text',
  url: 'text',
});

function columns(types: Record<string, string>) {
  return {
    names: Object.keys(types).join(', '),
    types: Object.entries(types)
      .map(([name, type]) => `${name} ${type}`)
      .join(', '),
  };
}

/** The columns {@link SAID} of words that can not wait and answer no part of a message. */
export function saidRow(said: StoredWords) {
  return {
    kind: said.kind,
    text: said.text,
    marks: said.marks,
    attached: said.attachments?.length ?? 0,
    system_line: said.systemLine ?? false,
    can_wait: false,
    source: said.source ?? null,
    reply_quote: null,
    quoted: said.quoted ?? null,
    not_own_words: said.notOwnWords ?? false,
    author_id: said.authorId ?? null,
    author_name: said.authorName ?? null,
    raw: said.raw ?? {},
    said_at: said.saidAt ?? null,
    trace: said.trace ?? null,
  };
}

/** The columns {@link ATTACHMENT}. */
export function attachmentRow(attachment: StoredAttachment) {
  return {
    kind: attachment.kind,
    name: attachment.name,
    mime: attachment.mime ?? null,
    size: attachment.size ?? null,
    label: attachment.label,
    telegram_file_id: attachment.telegramFileId ?? null,
    telegram_unique_id: attachment.telegramUniqueId ?? null,
    url: attachment.url ?? null,
  };
}

/** The other parts of an album come in updates of their own, within a second. */
const ALBUM_MS = 1_000;

/** Inserts the messages in their order and returns, for each, the delivery that it needs (null: none). */
export async function insertMessages(connection: Queryable, messages: NewMessage[]): Promise<(NewDelivery | null)[]> {
  if (messages.length === 0) return [];
  await quoteUnnamed(connection, messages);
  const { rows: ids } = await connection.query<{ id: bigint }>(
    `SELECT nextval(pg_get_serial_sequence('messages', 'id')) AS id FROM generate_series(1, $1::int)`,
    [messages.length],
  );
  const numbered = messages.map((message, index) => ({ ...message, id: ids[index]!.id }));
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

async function insertAttachments(
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

/** One more part of an album. */
export interface AlbumPart {
  chatId: bigint;
  albumId: string;
  telegramMessageId: bigint;
  said: StoredWords;
}

/**
 * Adds parts to albums that wait to be sent, and returns those that found none: they begin a message of their own.
 * To be called with the lanes locked, so that no album leaves while it grows.
 */
export async function growAlbums<Part extends AlbumPart>(connection: Queryable, parts: Part[]): Promise<Part[]> {
  if (parts.length === 0) return [];
  const { rows: waiting } = await connection.query<Growing>(
    `SELECT m.id, m.chat_id, m.album_id, m.text, m.marks, m.attached, m.raw,
            (SELECT count(*)::int FROM message_links l WHERE l.message_id = m.id) AS parts
       FROM messages m JOIN deliveries d ON d.message_id = m.id AND d.kind = 'message'
      WHERE (m.chat_id, m.album_id) IN (
              SELECT chat_id, album_id FROM jsonb_to_recordset($1::jsonb) AS r(chat_id bigint, album_id text))
        AND d.state = 'queued' AND d.attempts = 0`,
    [jsonb(parts.map(({ chatId, albumId }) => ({ chat_id: chatId, album_id: albumId })))],
  );
  const albums = new Map(waiting.map((album) => [`${album.chat_id}/${album.album_id}`, album]));
  const alone: Part[] = [];
  for (const part of parts) {
    const album = albums.get(`${part.chatId}/${part.albumId}`);
    if (album) await grow(connection, album, part);
    else alone.push(part);
  }
  return alone;
}

interface Growing {
  id: bigint;
  chat_id: bigint;
  album_id: string;
  text: string;
  marks: unknown;
  attached: number;
  raw: unknown;
  parts: number;
}

async function grow(connection: Queryable, album: Growing, { said, telegramMessageId }: AlbumPart): Promise<void> {
  Object.assign(album, mergeWords(album, said), { raw: [album.raw, said.raw].flat() });
  const attachments = said.attachments ?? [];
  await insertAttachments(connection, [{ messageId: album.id, first: album.attached, attachments }]);
  await connection.query(
    `INSERT INTO message_links (message_id, part, chat_id, telegram_message_id) VALUES ($1, $2, $3, $4)`,
    [album.id, album.parts, album.chat_id, telegramMessageId],
  );
  album.attached += attachments.length;
  album.parts += 1;
  await connection.query(
    `UPDATE messages SET text = $2, marks = $3::jsonb, attached = $4, raw = $5::jsonb, not_own_words = not_own_words AND $6
      WHERE id = $1`,
    [album.id, album.text, jsonb(album.marks), album.attached, jsonb(album.raw), said.notOwnWords ?? false],
  );
  await recordWords(connection, [album]);
  // A claim that is under way may have read the album without this part: it finds the delivery changed, and passes it by.
  await connection.query(
    `UPDATE deliveries SET state = 'queued' WHERE message_id = $1 AND kind = 'message' AND state = 'queued'`,
    [album.id],
  );
  await connection.query(
    `UPDATE lanes SET due_at = now() + make_interval(secs => $2)
      WHERE chat_id = $1 AND channel = 'inbound' AND busy_fence IS NULL
        AND (SELECT count(*) FROM deliveries d WHERE d.lane_id = lanes.id AND d.seq < ${BEHIND}) = 1`,
    [album.chat_id, ALBUM_MS / 1_000],
  );
}

/** Captions of the parts, a line each; usually only one part has any. */
export function mergeWords(
  first: { text: string; marks: unknown },
  next: { text: string; marks: unknown },
): { text: string; marks: unknown } {
  // In a group each part begins with the name of the sender: once is enough.
  if (first.text.startsWith(next.text)) return { text: first.text, marks: first.marks };
  if (next.text.startsWith(first.text)) return { text: next.text, marks: next.marks };
  const shift = first.text.length + 1;
  const moved = (next.marks as { offset: number }[]).map((mark) => ({ ...mark, offset: mark.offset + shift }));
  return { text: `${first.text}\n${next.text}`, marks: [...(first.marks as unknown[]), ...moved] };
}
