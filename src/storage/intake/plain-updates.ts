import { OR_REFRESH_CHAT } from './chat-linking.js';
import type { Queryable } from '../postgres/database.service.js';
import { portalEndpointSql } from '../work/endpoint-id.js';
import type { Intake } from './intake.js';
import type { ClientUpdateRow, StoredChat, StoredWords } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';
import { ATTACHMENT, attachmentRow, SAID, saidRow } from './message-columns.js';
import { BANNED } from './message-rows.js';
import { wordsVector } from '../history/message-words.repository.js';
import { OR_APPEND_TO_LANE, PRIORITY } from '../work/outbox.js';
import { wroteSteps } from '../work/trigger-events.js';
import { updateSource } from './processed-events.js';
import { markSeen } from './seen.js';
import { searchableWords } from '../history/text-search.js';
import type { Poll, UpdateBatch } from './update-batch.js';

/** New words or files of a client in a private chat, which stand alone. */
type PlainUpdate = ClientUpdateRow & { chat: StoredChat; said: StoredWords };

/** Whether {@link acceptPlain} can keep it: it changes no other message and asks for nothing to be looked up. */
export function isPlain(update: ClientUpdateRow): update is PlainUpdate {
  const { chat, said } = update;
  return (
    said !== null &&
    !said.ignored &&
    !said.systemLine &&
    !said.canWait &&
    chat?.type === 'private' &&
    [chat.businessConnection, chat.assumedTitle, chat.phone, chat.source].every((value) => value === undefined) &&
    [update.albumId, update.replyTo, update.deletes, update.connection, update.press].every(
      (value) => value === undefined,
    ) &&
    update.blocked === undefined &&
    !update.edits &&
    !update.starts &&
    !update.unsubscribes &&
    update.sawChat
  );
}

/** SQL: the bots of the updates, and of the polls $2, stay where they are; whoever moves one waits for this commit. */
const PLACES = (bots: string) => `places AS MATERIALIZED (
  SELECT id, portal_id FROM bots WHERE id IN (${bots}) ORDER BY id FOR KEY SHARE
)`;

/** SQL: of the polls $2 those whose leases hold; their offsets move. Bots are locked before endpoints. */
const POLLS = `polls AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($2::jsonb)
    AS r(batch int, bot_id bigint, next_offset bigint, endpoint text, owner text, fence bigint)
), ${PLACES('SELECT bot_id FROM polls')}, leases AS MATERIALIZED (
  SELECT id, owner, fence FROM endpoints
   WHERE (SELECT count(*) FROM places) > 0 AND (id, owner, fence) IN (SELECT endpoint, owner, fence FROM polls)
   ORDER BY id FOR KEY SHARE
), held AS MATERIALIZED (
  SELECT p.* FROM polls p JOIN leases l ON (l.id, l.owner, l.fence) = (p.endpoint, p.owner, p.fence)
), offsets AS (
  UPDATE bots SET next_offset = held.next_offset FROM held WHERE bots.id = held.bot_id
)`;

/** SQL: from the key of an update to its delivery. `accepted` says which of the updates may be kept. */
const keeping = (places: string, accepted: string, held: string) => `
WITH said AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb)
    AS r(ord int, batch int, event_source text, event_key text, bot_id bigint, external_id text, external_user_id text,
         telegram_chat_id bigint, thread_id bigint, title text, first_name text, last_name text, username text,
         language text, telegram_message_id bigint, words text, attachments jsonb, ${SAID.types})
), ${places}, once AS MATERIALIZED (
  SELECT DISTINCT ON (s.event_source, s.event_key) s.*, p.portal_id
    FROM said s JOIN places p ON p.id = s.bot_id WHERE ${accepted} ORDER BY s.event_source, s.event_key, s.ord
), new_keys AS (
  INSERT INTO processed_events (source, key) SELECT event_source, event_key FROM once ORDER BY 1, 2
  ON CONFLICT DO NOTHING RETURNING source, key
), fresh AS MATERIALIZED (
  SELECT s.*, nextval(pg_get_serial_sequence('messages', 'id')) AS id
    FROM (SELECT o.* FROM once o JOIN new_keys k ON (k.source, k.key) = (o.event_source, o.event_key) ORDER BY o.ord) s
), chats AS (
  INSERT INTO chat_links AS c (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, thread_id, type, title,
                               first_name, last_name, username, language, state, last_inbound_at)
  SELECT DISTINCT ON (bot_id, external_id) bot_id, portal_id, external_id, external_user_id, telegram_chat_id, thread_id,
         'private', title, first_name, last_name, username, language, 'active'::"ChatState", now()
    FROM fresh ORDER BY bot_id, external_id, ord DESC
  ${OR_REFRESH_CHAT}
  RETURNING id AS chat_id, bot_id, external_id, unseen_message_id, banned_at IS NOT NULL AS banned
), ours AS MATERIALIZED (
  SELECT f.*, c.chat_id, c.banned FROM fresh f JOIN chats c USING (bot_id, external_id)
), kept AS (
  INSERT INTO messages (id, portal_id, bot_id, chat_id, direction, state, external_chat_id, error_code, error_detail, ${SAID.names})
  SELECT id, portal_id, bot_id, chat_id, 'inbound', CASE WHEN banned THEN 'ignored' ELSE 'queued' END::"MessageState",
         external_id, CASE WHEN banned THEN '${BANNED.code}' END, CASE WHEN banned THEN '${BANNED.detail}' END, ${SAID.names}
    FROM ours ORDER BY id
), findable AS (
  INSERT INTO message_words (message_id, words) SELECT id, ${wordsVector('words')} FROM ours WHERE text <> ''
), links AS (
  INSERT INTO message_links (message_id, part, chat_id, telegram_message_id)
  SELECT id, 0, chat_id, telegram_message_id FROM ours WHERE telegram_message_id IS NOT NULL
), files AS (
  INSERT INTO attachments (message_id, ordinal, ${ATTACHMENT.names})
  SELECT o.id, a.ordinal - 1, ${ATTACHMENT.names.replaceAll(/\w+/g, 'a.$&')}
    FROM ours o CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(o.attachments) AS (${ATTACHMENT.types}))
         WITH ORDINALITY AS a(${ATTACHMENT.names}, ordinal)
   WHERE o.attached > 0
), appended AS (
  INSERT INTO lanes AS l (chat_id, channel, endpoint, priority, tail, pending, due_at)
  SELECT chat_id, 'inbound', ${portalEndpointSql('min(portal_id)')}, ${PRIORITY.inbound}, count(*), count(*), now()
    FROM ours WHERE NOT banned GROUP BY chat_id ORDER BY chat_id
  ${OR_APPEND_TO_LANE}
  RETURNING id AS lane_id, chat_id, tail, endpoint
), work AS (
  INSERT INTO deliveries (lane_id, seq, message_id, kind)
  SELECT a.lane_id, a.tail + 1 - row_number() OVER (PARTITION BY o.chat_id ORDER BY o.ord DESC), o.id, 'message'
    FROM ours o JOIN appended a USING (chat_id)
), ${wroteSteps('ours', 'NOT o.banned')}
SELECT ${held} AS held,
       (SELECT count(*)::int FROM fresh) AS accepted,
       ARRAY(SELECT DISTINCT endpoint FROM appended WHERE endpoint <> '') AS endpoints,
       ARRAY(SELECT chat_id FROM chats WHERE unseen_message_id IS NOT NULL ORDER BY chat_id) AS seen_chats,
       ARRAY(SELECT unseen_message_id FROM chats WHERE unseen_message_id IS NOT NULL ORDER BY chat_id) AS seen_messages`;

const KEEP_PUSHED = keeping(PLACES('SELECT bot_id FROM said'), 'true', `'{}'::int[]`);
const KEEP_POLLED = keeping(POLLS, 's.batch IN (SELECT batch FROM held)', 'ARRAY(SELECT batch FROM held)');

interface Kept {
  held: number[];
  accepted: number;
  endpoints: string[];
  seen_chats: bigint[];
  seen_messages: bigint[];
}

/**
 * Keeps plain updates in one statement, which is their transaction, in the order given: the same rows as
 * {@link acceptUpdates} makes of them. Batches are pushed ones, or polled ones, not both: of those, whose lease is lost
 * are not kept and returned as `lost`; the offsets of the others move. What the client has seen is noted after the
 * commit: where that fails, their next words do it.
 */
export async function acceptPlain(
  connection: Queryable,
  batches: UpdateBatch[],
): Promise<Intake & { lost: UpdateBatch[] }> {
  const said = jsonb(
    batches
      .flatMap(({ updates }, batch) => (updates as PlainUpdate[]).map((update) => ({ batch, update })))
      .map(({ batch, update }, ord) => ({ ord, batch, ...plainRow(update) })),
  );
  const polls = batches.flatMap(({ poll }, batch) => (poll ? pollRow(poll, batch) : []));
  const { rows } = await (polls.length > 0
    ? connection.query<Kept>(KEEP_POLLED, [said, jsonb(polls)], { prepared: true })
    : connection.query<Kept>(KEEP_PUSHED, [said], { prepared: true }));
  const { held, accepted, endpoints, seen_chats, seen_messages } = rows[0]!;
  await markSeen(
    connection,
    seen_chats.map((chatId, index) => ({ chatId, newest: seen_messages[index]! })),
  );
  const lost = batches.filter(({ poll }, batch) => poll && !held.includes(batch));
  const given = batches.reduce((sum, batch) => sum + (lost.includes(batch) ? 0 : batch.updates.length), 0);
  return { endpoints, accepted, duplicates: given - accepted, lost };
}

function plainRow(update: PlainUpdate) {
  const { botId, chat, said } = update;
  return {
    event_source: updateSource(botId),
    event_key: String(update.updateId),
    bot_id: botId,
    external_id: chat.externalId,
    external_user_id: chat.externalUserId,
    telegram_chat_id: chat.telegramChatId,
    thread_id: chat.threadId ?? null,
    title: chat.title,
    first_name: chat.firstName ?? null,
    last_name: chat.lastName ?? null,
    username: chat.username ?? null,
    language: chat.language ?? null,
    telegram_message_id: update.telegramMessageId ?? null,
    words: searchableWords(said.text),
    attachments: (said.attachments ?? []).map(attachmentRow),
    ...saidRow(said),
  };
}

function pollRow({ lease, botId, nextOffset }: Poll, batch: number) {
  return { batch, bot_id: botId, next_offset: nextOffset, ...lease };
}
