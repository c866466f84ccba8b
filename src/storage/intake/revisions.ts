import { isDeepStrictEqual } from 'node:util';
import type { Queryable } from '../postgres/database.service.js';
import { endpointOf } from '../work/endpoint-id.js';
import { jsonb, storableText } from '../postgres/json.js';
import { recordWords } from '../history/message-words.repository.js';
import type { Keyboard } from '../work/keyboard.js';
import type { NewDelivery } from '../work/outbox.js';
import type { Direction, MessageState } from '../prisma/client.js';

/** A message as it was before the change. */
export interface Changed {
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

export const CHANGED_COLUMNS = `
  m.id, m.chat_id, m.bot_id, m.portal_id, m.direction, m.state, m.kind, m.text, m.marks, m.album_id, m.reply_to_id,
  m.keyboard, m.said_at, m.edited_at, m.deleted_at,
  ARRAY(SELECT a.telegram_unique_id FROM attachments a WHERE a.message_id = m.id AND a.telegram_unique_id IS NOT NULL) AS files,
  ARRAY(SELECT a.label FROM attachments a WHERE a.message_id = m.id ORDER BY a.ordinal) AS labels`;

export function saysTheSame(message: Changed, words: { text: string; marks: unknown }): boolean {
  // The database gives the fields of a mark in an order of its own.
  return message.text === storableText(words.text) && isDeepStrictEqual(message.marks, JSON.parse(jsonb(words.marks)));
}

/** Without words: the deletion, which leaves the last words in their place. */
export async function keepRevision(
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
export function deliveryOf(message: Changed, kind: 'edit' | 'delete', payload: object): NewDelivery[] {
  if (message.state === 'failed' || message.state === 'ignored') return [];
  const endpoint = endpointOf(message.direction, message);
  return [{ chatId: message.chat_id, channel: message.direction, endpoint, messageId: message.id, kind, payload }];
}
