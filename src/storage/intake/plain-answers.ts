import type { Queryable } from '../postgres/database.service.js';
import type { Intake } from './intake.js';
import type { OperatorMessageRow } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';
import { SAID, saidRow } from './message-columns.js';
import { wordsVector } from '../history/message-words.repository.js';
import { BULK, OR_APPEND_TO_LANE, orderByMessageId, PRIORITY } from '../work/outbox.js';
import { eventSource } from './processed-events.js';
import { searchableWords } from '../history/text-search.js';
import { tellOfWaits } from '../work/told-waits.js';

/** An operator's words that stand alone, in a dialog that names its line. */
type PlainAnswer = OperatorMessageRow & { lineId: string };

/** Whether {@link acceptPlainAnswers} can keep it, if its chat is where it was written. */
export function isPlainAnswer(row: OperatorMessageRow): row is PlainAnswer {
  const { said, lineId, quoted } = row;
  const isBare = (said.attachments ?? []).length === 0 && said.keyboard === undefined;
  return lineId !== null && quoted === undefined && !said.ignored && isBare;
}

/**
 * SQL: from the key of an event to its delivery. Of a dialog of which one message has no chat that its line's bot serves,
 * nothing is kept: those messages are looked at together. What is locked, is locked in the order of lock-order.ts.
 */
const KEEP = `
WITH said AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb)
    AS r(ord int, event_source text, event_key text, portal_id bigint, line_id text, external_id text,
         bitrix_message_id text, bitrix_chat_id text, unsigned boolean, words text, ${SAID.types})
), places AS MATERIALIZED (
  SELECT id, portal_id, line_id FROM bots WHERE (portal_id, line_id) IN (SELECT portal_id, line_id FROM said)
   ORDER BY id FOR KEY SHARE
), addressed AS MATERIALIZED (
  SELECT s.*, c.id AS chat_id, p.id AS bot_id,
         bool_and(c.id IS NOT NULL) OVER (PARTITION BY s.portal_id, s.external_id) AS found
    FROM said s LEFT JOIN places p ON p.portal_id = s.portal_id AND p.line_id = s.line_id
    LEFT JOIN chat_links c ON c.bot_id = p.id AND c.external_id = s.external_id AND c.portal_id = s.portal_id
      -- One that was made of its id alone may not be the one of the dialog: see addressees.ts.
      AND c.title <> c.external_id
), new_keys AS (
  INSERT INTO processed_events (source, key)
  SELECT DISTINCT event_source, event_key FROM addressed WHERE found ORDER BY 1, 2
  ON CONFLICT DO NOTHING RETURNING source, key
), fresh AS MATERIALIZED (
  SELECT s.*, nextval(pg_get_serial_sequence('messages', 'id')) AS id
    FROM (SELECT a.* FROM (
            SELECT DISTINCT ON (event_source, event_key) * FROM addressed WHERE found ORDER BY event_source, event_key, ord) a
            JOIN new_keys k ON (k.source, k.key) = (a.event_source, a.event_key) ORDER BY a.ord) s
), chats AS MATERIALIZED (
  SELECT id, bitrix_chat_id, dialog_open FROM chat_links WHERE id IN (SELECT chat_id FROM fresh)
   ORDER BY bot_id, external_id FOR NO KEY UPDATE
), ours AS MATERIALIZED (
  SELECT f.* FROM fresh f JOIN chats c ON c.id = f.chat_id
), learned AS (
  -- Whoever writes has a session, unless the event was late: only a look can tell.
  UPDATE chat_links l
     SET bitrix_chat_id = coalesce(n.bitrix_chat_id, l.bitrix_chat_id),
         dialog_open = CASE WHEN n.doubt AND NOT l.dialog_open THEN NULL ELSE l.dialog_open END
    FROM (SELECT chat_id, (array_agg(bitrix_chat_id ORDER BY ord DESC) FILTER (WHERE bitrix_chat_id <> ''))[1] AS bitrix_chat_id,
                 bool_or(author_id <> '0') AS doubt
            FROM ours GROUP BY chat_id) n JOIN chats c ON c.id = n.chat_id
   WHERE l.id = n.chat_id AND (n.bitrix_chat_id <> coalesce(c.bitrix_chat_id, '') OR (n.doubt AND NOT c.dialog_open))
), kept AS (
  INSERT INTO messages (id, portal_id, bot_id, chat_id, direction, state, external_chat_id, bitrix_message_id,
                        bitrix_chat_id, bitrix_line_id, unsigned, ${SAID.names})
  SELECT id, portal_id, bot_id, chat_id, 'outbound', 'queued', external_id, bitrix_message_id,
         bitrix_chat_id, line_id, unsigned, ${SAID.names}
    FROM ours ORDER BY id
), findable AS (
  INSERT INTO message_words (message_id, words) SELECT id, ${wordsVector('words')} FROM ours WHERE text <> ''
), appended AS (
  INSERT INTO lanes AS l (chat_id, channel, endpoint, priority, tail, pending, due_at)
  SELECT chat_id, 'outbound', 'bot:' || min(bot_id),
         CASE WHEN bool_and(author_id IS NOT DISTINCT FROM '0') THEN ${BULK} ELSE ${PRIORITY.outbound} END,
         count(*), count(*), now()
    FROM ours GROUP BY chat_id ORDER BY chat_id
  ${OR_APPEND_TO_LANE}
  RETURNING id AS lane_id, chat_id, tail, pending, endpoint
), work AS (
  INSERT INTO deliveries (lane_id, seq, message_id, kind)
  SELECT a.lane_id, a.tail + 1 - row_number() OVER (PARTITION BY o.chat_id ORDER BY o.ord DESC), o.id, 'message'
    FROM ours o JOIN appended a USING (chat_id)
)
SELECT ARRAY(SELECT ord FROM addressed WHERE NOT found) AS elsewhere,
       (SELECT count(*)::int FROM fresh) AS fresh,
       (SELECT count(*)::int FROM ours) AS accepted,
       ARRAY(SELECT DISTINCT endpoint FROM appended) AS endpoints,
       ARRAY(SELECT lane_id FROM appended WHERE pending > 1 ORDER BY chat_id) AS crowded`;

interface Kept {
  elsewhere: number[];
  fresh: number;
  accepted: number;
  endpoints: string[];
  crowded: bigint[];
}

/**
 * Keeps plain answers in the order given: the same rows as acceptMessages makes of them, in one statement, and
 * two more where answers wait before them. To be called in a transaction. Returns as `elsewhere` those of which nothing
 * was kept because not all of their dialog go to the bot that serves the line: each needs to be looked for.
 */
export async function acceptPlainAnswers(
  connection: Queryable,
  rows: PlainAnswer[],
): Promise<Intake & { elsewhere: PlainAnswer[] }> {
  const { rows: answers } = await connection.query<Kept>(KEEP, [
    jsonb(rows.map((row, ord) => ({ ord, ...answerRow(row) }))),
  ]);
  const { elsewhere, fresh, accepted, endpoints, crowded } = answers[0]!;
  if (accepted < fresh) throw new ChatErasedError();
  await orderByMessageId(connection, crowded);
  const told = await tellOfWaits(connection, crowded);
  return {
    accepted,
    duplicates: rows.length - elsewhere.length - accepted,
    endpoints: [...new Set([...endpoints, ...told])],
    elsewhere: elsewhere.map((ord) => rows[ord]!),
  };
}

/** A chat was there, and then it was erased: nothing may be kept of what was to go there, not even its key. */
export class ChatErasedError extends Error {
  constructor() {
    super('A chat was erased while an answer for it came in.');
  }
}

function answerRow(row: PlainAnswer) {
  const { portalId, connector, lineId, externalChatId, bitrixMessageId, bitrixChatId, unsigned, said } = row;
  return {
    event_source: eventSource(portalId),
    event_key: `${connector}:${bitrixMessageId}`,
    portal_id: portalId,
    line_id: lineId,
    external_id: externalChatId,
    bitrix_message_id: bitrixMessageId,
    bitrix_chat_id: bitrixChatId,
    unsigned,
    words: searchableWords(said.text),
    ...saidRow(said),
  };
}
