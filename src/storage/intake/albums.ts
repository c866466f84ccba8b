import type { Queryable } from '../postgres/database.service.js';
import type { StoredWords } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';
import { recordWords } from '../history/message-words.repository.js';
import { BEHIND } from '../work/outbox.js';
import { ALBUM_MS, insertAttachments } from './message-rows.js';

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
