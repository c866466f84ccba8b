import { replaceKeyboards } from './buttons.js';
import { lockClaims } from './claim-locks.js';
import type { ClaimedDelivery, ClaimedLane } from './claimed-lane.js';
import type { Queryable } from '../postgres/database.service.js';
import { reportDelivery } from './delivery-reports.js';
import { leaveStrayReports, routeFromLocked, routeReports, type Report, type RoutedReports } from './dialog-reports.js';
import { jsonb } from '../postgres/json.js';
import {
  LEARNED_CHANGES,
  LEARNED_COLUMNS,
  LEARNED_PLACE,
  learnedRows,
  LEFT_BEHIND,
  type LearnedChat,
} from './learned-chats.js';
import type { Lease } from './lease.js';
import { appendDeliveries, BEHIND } from './outbox.js';
import type { DeliveryKind } from '../prisma/client.js';
import { LONG_WAIT_MS, untoldWaits, WAITS, type WaitNote } from './told-waits.js';

/** The client's next words; `session`: or a session that begins without them. */
export type WaitsFor = 'words' | 'session';

/**
 * Whether a message may have arrived although nobody knows. `none`: it has not. `earlier`: an attempt before this one
 * may have brought it. `open`: this one may have, and may still; `over`: its request is over, whatever it did.
 */
export type Doubt = 'none' | 'earlier' | 'open' | 'over';

/** What became of one claimed delivery. */
export interface Settlement {
  seq: bigint;
  /** `postponed`: it was not tried after all, and waits as if it had not been claimed. */
  outcome: 'delivered' | 'retry' | 'postponed' | 'failed' | 'uncertain';
  /** With `postponed`: until when it waits, behind all that is said meanwhile. */
  waitsFor?: WaitsFor;
  code?: string;
  detail?: string;
  /** With `retry` or `postponed`; absent: what is known of earlier attempts stays as it is. */
  doubt?: Doubt;
  /** Parts that Telegram took, in order, also when a later part must be tried again. */
  telegramMessageIds?: bigint[];
  /** Which part each of them is; counted from 0 when absent. */
  telegramParts?: number[];
  /** Telegram's ids of parts that are there no longer. */
  removedMessageIds?: bigint[];
  /** Follow-up work for the operator's dialog: a note saying why; `files`: which of them did not reach the client. */
  note?: {
    code: string;
    detail: string;
    about: DeliveryKind;
    files?: { name: string; code: string; detail: string }[];
  };
  /** With `delivered`, of an operator's message: the portal is to be told. */
  reportDelivery?: boolean;
}

export interface LaneSettlement {
  lane: ClaimedLane;
  deliveries: Settlement[];
  /** Milliseconds until the lane is due again. */
  dueInMs: number;
  /** Milliseconds for which the network itself asked for silence. */
  silenceMs?: number;
  chat?: LearnedChat;
}

/** What became of lanes of one endpoint. */
export interface EndpointSettlements {
  lease: Lease;
  lanes: LaneSettlement[];
}

/**
 * Records what became of claimed lanes; returns the endpoints that have work due now. It is of one claim each: for a
 * lane that was settled or claimed again since it does nothing at all, so that it may be repeated when nobody knows
 * whether it was committed. Throws LeaseLostError when one of the endpoints has changed hands.
 */
export async function settle(
  connection: Queryable,
  settlements: EndpointSettlements[],
  instance: string,
): Promise<string[]> {
  const all = settlements.flatMap(({ lanes }) => lanes);
  const standing = new Set(
    await lockClaims(connection, {
      leases: settlements.map(({ lease }) => lease),
      lanes: all.map(({ lane }) => lane),
      notedChats: all.filter(mayBringNotes).map(({ lane }) => lane.chat.id),
      toldMessages: all
        .flatMap(doneIn)
        .filter(({ settlement }) => settlement.note || settlement.reportDelivery)
        .map(({ delivery }) => delivery.message.id),
    }),
  );
  const lanes = all.filter(({ lane }) => standing.has(lane));
  if (lanes.length === 0) return [];
  await forgetParts(connection, lanes);
  const endpoints = await record(connection, lanes, instance);
  return [...new Set([...endpoints, ...(await followUp(connection, lanes))])].filter(Boolean);
}

/** One claimed delivery, and what became of it. */
interface Done {
  lane: ClaimedLane;
  delivery: ClaimedDelivery;
  settlement: Settlement;
}

function outcomesOf({ lane, deliveries }: LaneSettlement): Done[] {
  return deliveries.map((settlement) => {
    const delivery = lane.deliveries.find((candidate) => candidate.seq === settlement.seq)!;
    return { lane, delivery, settlement };
  });
}

/** Those that were tried. */
function doneIn(settlement: LaneSettlement): Done[] {
  return outcomesOf(settlement).filter(({ settlement: { outcome } }) => outcome !== 'postponed');
}

const isAgain = ({ outcome }: Settlement) => outcome === 'retry' || outcome === 'postponed';

function mayBringNotes({ deliveries, silenceMs = 0 }: LaneSettlement): boolean {
  return silenceMs > LONG_WAIT_MS || deliveries.some(({ note }) => note);
}

function notesOf({ delivery, settlement }: Done): Report[] {
  return settlement.note ? [{ messageId: delivery.message.id, payload: settlement.note }] : [];
}

/** Undefined: something of what was claimed is to be done again without waiting. */
function whatAllWaitFor({ deliveries }: LaneSettlement): WaitsFor | undefined {
  const again = deliveries.filter(isAgain);
  if (again.some(({ waitsFor }) => waitsFor === undefined)) return undefined;
  return again.find(({ waitsFor }) => waitsFor === 'session')?.waitsFor ?? again[0]?.waitsFor;
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
 * Writes everything but what follows from it, in one statement of the steps that are needed (planning one costs more
 * than running it). Returns the endpoints of lanes that have more due now.
 */
async function record(connection: Queryable, settlements: LaneSettlement[], instance: string): Promise<string[]> {
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

/** Telegram has these parts no longer; others may come in their places. */
async function forgetParts(connection: Queryable, settlements: LaneSettlement[]): Promise<void> {
  const removed = settlements
    .flatMap(doneIn)
    .flatMap(({ delivery, settlement }) =>
      (settlement.removedMessageIds ?? []).map((id) => ({ message_id: delivery.message.id, telegram_message_id: id })),
    );
  if (removed.length === 0) return;
  await connection.query(
    `DELETE FROM message_links l USING jsonb_to_recordset($1::jsonb) AS r(message_id bigint, telegram_message_id bigint)
      WHERE l.message_id = r.message_id AND l.telegram_message_id = r.telegram_message_id`,
    [jsonb(removed)],
  );
}

/** What follows from outcomes: notes, and where they go. Returns the endpoints that have work by it. */
async function followUp(connection: Queryable, settlements: LaneSettlement[]): Promise<string[]> {
  const notes = settlements.flatMap(doneIn).flatMap(notesOf);
  const long = settlements.filter(({ silenceMs = 0 }) => silenceMs > LONG_WAIT_MS);
  const waits = await untoldWaits(
    connection,
    long.map(({ lane }) => lane.id),
  );
  const told = await append(connection, await routeFromLocked(connection, [...notes, ...waits.map(waitNote)]));
  const reporting = settlements.flatMap(outcomesOf).filter(({ delivery, settlement }) => {
    return isAgain(settlement) && (delivery.kind === 'note' || delivery.kind === 'status');
  });
  const left = await leaveStrayReports(
    connection,
    reporting.map(({ lane }) => lane.id),
  );
  const replaced = await replaceKeyboards(
    connection,
    settlements
      .flatMap(doneIn)
      .filter(({ delivery: { kind, message }, settlement: { outcome } }) => {
        return kind === 'message' && outcome === 'delivered' && message.keyboard?.type === 'buttons';
      })
      .map(({ lane, delivery }) => ({ chatId: lane.chat.id, messageId: delivery.message.id })),
  );
  return [...told, ...left, ...(await append(connection, { deliveries: replaced, endpoints: [] }))];
}

/** Appends what portals are to be told; returns the endpoints that have work by it. */
async function append(connection: Queryable, { deliveries, endpoints }: RoutedReports): Promise<string[]> {
  await appendDeliveries(connection, deliveries);
  return [...deliveries.map(({ endpoint }) => endpoint), ...endpoints].filter(Boolean);
}

const waitNote = ({ messageId, until }: WaitNote): Report => ({
  messageId,
  payload: { code: WAITS, detail: '', about: 'message', until: until.toISOString() },
});

/** Operators are told of messages that came into waits of these lanes; returns the portals that have work. */
export async function tellOfWaits(connection: Queryable, laneIds: bigint[]): Promise<string[]> {
  const waits = await untoldWaits(connection, laneIds);
  return append(connection, await routeReports(connection, waits.map(waitNote)));
}
