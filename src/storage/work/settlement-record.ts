import type { Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import { reportDelivery } from './delivery-reports.js';
import { LEARNED_CHANGES, LEARNED_COLUMNS, LEARNED_PLACE, learnedRows, LEFT_BEHIND } from './learned-chats.js';
import { BEHIND } from './outbox.js';
import { doneIn, isAgain, outcomesOf, whatAllWaitFor, type Done, type LaneSettlement } from './settlement.js';
import { LONG_WAIT_MS } from './told-waits.js';

/** SQL: what became of each delivery; `tried` is what stands among the attempts, null of what was not tried. */
const OUTCOMES = `outcomes AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(lane_id bigint, chat_id bigint, seq bigint, message_id bigint, kind text,
         started_at timestamptz, number int, outcome text, tried text, code text, detail text, waits boolean,
         doubt text, attempts int, report boolean))`;

const LEARNED = `learned AS (
  UPDATE chat_links c SET ${LEARNED_CHANGES}
    FROM jsonb_to_recordset($2::jsonb) AS k(${LEARNED_COLUMNS}), bots b
   WHERE c.id = k.id AND b.id = c.bot_id RETURNING c.id, c.dialog_open, ${LEARNED_PLACE}
), left_behind AS (${LEFT_BEHIND})`;

/** SQL: a message may have been removed with its bot while it was under way; one that is there is kept until the commit. */
const THERE = `there AS MATERIALIZED (
  SELECT id, portal_id, bitrix_line_id, bitrix_chat_id, external_chat_id FROM messages
   WHERE id IN (SELECT message_id FROM outcomes WHERE tried IS NOT NULL)
   ORDER BY id FOR NO KEY UPDATE)`;

const ATTEMPTED = `attempted AS (
  INSERT INTO attempts (message_id, kind, number, started_at, outcome, code, detail, instance)
  SELECT r.message_id, r.kind::"DeliveryKind", r.number, r.started_at, r.tried, r.code, r.detail, $5
    FROM there JOIN outcomes r ON r.message_id = there.id
   WHERE r.tried IS NOT NULL)`;

const WORDS = `words AS (
  UPDATE messages m
     SET state = CASE WHEN r.outcome = 'retry' THEN 'queued' ELSE r.outcome END::"MessageState",
         attempts = m.attempts + 1,
         error_code = CASE WHEN r.outcome <> 'delivered' THEN r.code END,
         error_detail = CASE WHEN r.outcome <> 'delivered' THEN r.detail END,
         delivered_at = CASE WHEN r.outcome = 'delivered' THEN now() END,
         -- Its bot may have gone to another portal while it was under way: what goes on waiting waits for that one.
         portal_id = CASE WHEN r.outcome = 'retry' AND m.direction = 'inbound'
                          THEN (SELECT c.portal_id FROM chat_links c WHERE c.id = r.chat_id) ELSE m.portal_id END
    FROM there JOIN outcomes r ON r.message_id = there.id AND r.kind = 'message' AND r.tried IS NOT NULL
   WHERE m.id = there.id)`;

const PARTS = `parts AS (
  INSERT INTO message_links (message_id, part, chat_id, telegram_message_id)
  SELECT r.message_id, r.part, r.chat_id, r.telegram_message_id
    FROM jsonb_to_recordset($3::jsonb) AS r(message_id bigint, part int, chat_id bigint, telegram_message_id bigint)
    JOIN there ON there.id = r.message_id
  ON CONFLICT (message_id, part) DO NOTHING)`;

const REPORTED = `reported AS (${reportDelivery('there m JOIN outcomes r ON r.message_id = m.id AND r.report')})`;

const FINISHED = `finished AS (
  DELETE FROM deliveries d USING outcomes r
   WHERE d.lane_id = r.lane_id AND d.seq = r.seq AND r.outcome NOT IN ('retry', 'postponed') RETURNING d.lane_id)`;

const AGAIN = `again AS (
  UPDATE deliveries d
     SET state = 'queued', attempts = r.attempts,
         seq = CASE WHEN r.waits AND d.seq < ${BEHIND} THEN d.seq + ${BEHIND} ELSE d.seq END,
         unknown_since = CASE r.doubt WHEN 'over' THEN 'epoch' WHEN 'open' THEN d.started_at
                                     WHEN 'earlier' THEN coalesce(d.unknown_since, d.started_at) END
    FROM outcomes r
   WHERE d.lane_id = r.lane_id AND d.seq = r.seq AND r.outcome IN ('retry', 'postponed'))`;

/**
 * SQL: all that the lane l still holds waits for the client's words, or for a session and none is open. Lanes and chats
 * were locked before this statement began, so it sees what was appended and which session began.
 */
const ALL_WAIT = `CASE WHEN s.waits_for IS NULL THEN false
  WHEN EXISTS (SELECT FROM deliveries o WHERE o.lane_id = l.id AND o.seq < ${BEHIND} AND o.seq <> ALL(s.claimed)) THEN false
  ELSE s.waits_for = 'words' OR (SELECT c.dialog_open IS NOT TRUE FROM learned c WHERE c.id = l.chat_id) END`;

const FREE = (allWait: string) => `settled AS MATERIALIZED (
  SELECT r.*, (SELECT count(*) FROM finished f WHERE f.lane_id = r.id) AS gone
    FROM jsonb_to_recordset($4::jsonb) AS r(id bigint, due_in_ms float8, silence_ms float8, waits_for text, claimed bigint[])
), free AS (
  UPDATE lanes l
     SET pending = l.pending - s.gone, busy_fence = NULL,
         waits_until = CASE WHEN s.silence_ms IS NOT NULL THEN now() + s.silence_ms * interval '1 millisecond'
                            WHEN s.gone = 0 THEN l.waits_until END,
         wait_told = l.wait_told AND s.gone = 0,
         due_at = CASE WHEN ${allWait} THEN 'infinity' ELSE now() + s.due_in_ms * interval '1 millisecond' END
    FROM settled s WHERE l.id = s.id RETURNING l.endpoint, l.pending, l.due_at, s.due_in_ms)`;

/**
 * Records the outcomes in one statement, made of the steps that are needed: planning a step costs more than running it.
 * Returns the endpoints of lanes that have more work due now.
 */
export async function recordOutcomes(
  connection: Queryable,
  settlements: LaneSettlement[],
  instance: string,
): Promise<string[]> {
  const lessons = settlements.map(lessonOf).filter((lesson) => lesson !== null);
  const parts = settlements.flatMap(doneIn).flatMap(partRows);
  const waits = settlements.some((settlement) => whatAllWaitFor(settlement) !== undefined);
  const steps = [
    OUTCOMES,
    lessons.length > 0 && LEARNED,
    THERE,
    ATTEMPTED,
    WORDS,
    parts.length > 0 && PARTS,
    settlements.some(({ deliveries }) => deliveries.some(({ reportDelivery: report }) => report)) && REPORTED,
    FINISHED,
    settlements.some(({ deliveries }) => deliveries.some(isAgain)) && AGAIN,
    FREE(waits ? ALL_WAIT : 'false'),
  ];
  // A parameter that no step names must have a type all the same.
  const { rows } = await connection.query<{ endpoint: string }>(
    `WITH ${steps.filter((step) => step !== false).join(', ')}
     SELECT DISTINCT endpoint FROM free
      WHERE pending > 0 AND due_in_ms = 0 AND due_at < 'infinity' AND $2::jsonb IS NOT NULL AND $3::jsonb IS NOT NULL`,
    [
      jsonb(settlements.flatMap(outcomesOf).map(outcomeRow)),
      jsonb(learnedRows(lessons)),
      jsonb(parts),
      jsonb(settlements.map(laneRow)),
      instance,
    ],
  );
  return rows.map(({ endpoint }) => endpoint);
}

function outcomeRow({ lane, delivery, settlement }: Done): Record<string, unknown> {
  const { outcome, doubt = delivery.unknown ? 'earlier' : 'none' } = settlement;
  const isUnknown = outcome === 'retry' && (doubt === 'open' || doubt === 'over');
  return {
    lane_id: lane.id,
    chat_id: lane.chat.id,
    seq: delivery.seq,
    message_id: delivery.message.id,
    kind: delivery.kind,
    started_at: delivery.startedAt,
    number: delivery.attempt,
    outcome,
    tried: outcome === 'postponed' ? null : isUnknown ? 'unknown' : outcome,
    code: settlement.code ?? null,
    detail: settlement.detail ?? null,
    waits: settlement.waitsFor !== undefined,
    doubt,
    attempts: outcome === 'postponed' ? delivery.attempt - 1 : delivery.attempt,
    report: settlement.reportDelivery ?? false,
  };
}

function lessonOf(settlement: LaneSettlement) {
  const { lane, chat } = settlement;
  const reached = reachedBy(settlement);
  const waits = whatAllWaitFor(settlement) !== undefined;
  return chat || waits || reached !== undefined ? { lane, chat, reached } : null;
}

function partRows({ lane, delivery, settlement }: Done): Record<string, unknown>[] {
  return (settlement.telegramMessageIds ?? []).map((telegramMessageId, index) => ({
    message_id: delivery.message.id,
    part: settlement.telegramParts?.[index] ?? index,
    chat_id: lane.chat.id,
    telegram_message_id: telegramMessageId,
  }));
}

function laneRow(settlement: LaneSettlement): Record<string, unknown> {
  const { lane, dueInMs, silenceMs = 0 } = settlement;
  return {
    id: lane.id,
    due_in_ms: dueInMs,
    silence_ms: silenceMs > LONG_WAIT_MS ? silenceMs : null,
    waits_for: whatAllWaitFor(settlement) ?? null,
    claimed: lane.deliveries.map(({ seq }) => seq),
  };
}

/**
 * The latest of the operator's messages that reached the client. What the bot itself said (a welcome) is no answer of
 * which the portal could be told that it was read.
 */
function reachedBy(settlement: LaneSettlement): bigint | undefined {
  if (settlement.lane.channel !== 'outbound') return undefined;
  return doneIn(settlement).findLast(
    ({ delivery: { kind, message }, settlement: { outcome } }) =>
      kind === 'message' && outcome === 'delivered' && message.bitrixMessageId !== null,
  )?.delivery.message.id;
}
