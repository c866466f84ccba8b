import type { ClaimedDelivery, ClaimedLane } from './claimed-lane.js';
import type { Queryable } from './database.service.js';
import { routeReports, type Report } from './dialog-reports.js';
import { jsonb } from './json.js';
import type { Lease } from './lease.js';
import { lockChats, lockLanes } from './lock-order.js';
import { appendDeliveries, BEHIND } from './outbox.js';
import type { DeliveryKind } from './prisma/client.js';
import { newerSession } from './sessions.js';
import { LONG_WAIT_MS, noteWaits, untoldWaits, WAITS, type WaitNote } from './told-waits.js';

/** The client's next words; `session`: or a session that begins without them. */
export type WaitsFor = 'words' | 'session';

/** What became of one claimed delivery. */
export interface Settlement {
  seq: bigint;
  /** `postponed`: it was not tried after all, and waits as if it had not been claimed. */
  outcome: 'delivered' | 'retry' | 'postponed' | 'failed' | 'uncertain';
  /** With `postponed`: until when it waits, behind all that is said meanwhile. */
  waitsFor?: WaitsFor;
  code?: string;
  detail?: string;
  /** With `retry`: nobody knows whether this attempt or one before it arrived. */
  unknown?: boolean;
  /** With `retry`: it is this attempt that nobody knows about. */
  unclear?: boolean;
  /** With `unclear`: the request is over, whatever it did. */
  over?: boolean;
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
  /** Outbound and delivered: the portal is to be told. */
  reportDelivery?: boolean;
}

/** What an answer taught about the chat. */
export interface LearnedChat {
  bitrixChatId?: string;
  bitrixUserId?: string;
  bitrixSessionId?: string;
  /** The portal does not take the client's picture: it is not offered again before the client has another one. */
  photoRefused?: boolean;
  /** The portal was asked, and says whether a session is open: `bitrixSessionId`. */
  dialogOpen?: boolean;
  blockedReason?: string;
  /** The group became a supergroup. */
  telegramChatId?: bigint;
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

/** Records what became of claimed lanes; returns the endpoints that have work due now. */
export async function settle(
  connection: Queryable,
  settlements: LaneSettlement[],
  instance: string,
): Promise<string[]> {
  const chatIds = settlements.map(({ lane }) => lane.chat.id);
  await lockChats(connection, chatIds);
  await lockLanes(connection, chatIds);
  const all = settlements.flatMap(({ lane, deliveries }) =>
    deliveries.map((settlement): Done => {
      const delivery = lane.deliveries.find((candidate) => candidate.seq === settlement.seq)!;
      return { lane, delivery, settlement };
    }),
  );
  const done = all.filter(({ settlement }) => settlement.outcome !== 'postponed');
  const again = all.filter(({ settlement }) => settlement.outcome === 'retry' || settlement.outcome === 'postponed');
  await learnAboutChats(connection, settlements, done);
  if (done.length > 0) {
    await connection.query(
      // A message may have been removed with its bot while it was under way; one that is there is kept until the commit.
      `WITH there AS MATERIALIZED (
         SELECT id FROM messages WHERE id IN (SELECT message_id FROM jsonb_to_recordset($1::jsonb) AS r(message_id bigint))
            FOR KEY SHARE
       )
       INSERT INTO attempts (message_id, kind, number, started_at, outcome, code, detail, instance)
       SELECT message_id, kind::"DeliveryKind", number, started_at, outcome, code, detail, $2
         FROM jsonb_to_recordset($1::jsonb) AS r(message_id bigint, kind text, number int, started_at timestamptz,
                outcome text, code text, detail text)
         JOIN there ON there.id = r.message_id`,
      [
        jsonb(
          done.map(({ delivery, settlement }) => ({
            message_id: delivery.message.id,
            kind: delivery.kind,
            number: delivery.attempt,
            started_at: delivery.startedAt,
            outcome: settlement.outcome === 'retry' && settlement.unclear ? 'unknown' : settlement.outcome,
            code: settlement.code ?? null,
            detail: settlement.detail ?? null,
          })),
        ),
        instance,
      ],
    );
  }
  await recordMessages(connection, done);
  await recordParts(connection, done);

  const finished = done.filter(({ settlement }) => settlement.outcome !== 'retry');
  const parked = settlements.filter((settlement) => whatAllWaitFor(settlement) !== undefined);
  if (parked.length > 0) {
    // Whoever appends holds the lane until the commit: only then does the next statement see what was appended.
    await connection.query(`SELECT FROM lanes WHERE id = ANY($1::bigint[]) ORDER BY chat_id, channel FOR UPDATE`, [
      parked.map(({ lane }) => lane.id),
    ]);
  }
  const { rows: lanesWithMore } = await connection.query<{ endpoint: string }>(
    `WITH finished AS (
       DELETE FROM deliveries d USING jsonb_to_recordset($1::jsonb) AS r(lane_id bigint, seq bigint)
        WHERE d.lane_id = r.lane_id AND d.seq = r.seq RETURNING d.lane_id
     ), again AS (
       UPDATE deliveries d SET state = 'queued', attempts = r.attempts,
              seq = CASE WHEN r.waits AND d.seq < ${BEHIND} THEN d.seq + ${BEHIND} ELSE d.seq END,
              unknown_since = CASE WHEN r.unclear AND r.over THEN 'epoch' WHEN r.unclear THEN d.started_at WHEN r.unknown THEN coalesce(d.unknown_since, d.started_at) END
         FROM jsonb_to_recordset($2::jsonb) AS r(lane_id bigint, seq bigint, waits boolean, unknown boolean, unclear boolean, over boolean, attempts int)
        WHERE d.lane_id = r.lane_id AND d.seq = r.seq
     ), settled AS (
       SELECT r.id, r.due_in_ms, r.waits_for, r.claimed, (SELECT count(*) FROM finished f WHERE f.lane_id = r.id) AS gone
         FROM jsonb_to_recordset($3::jsonb) AS r(id bigint, due_in_ms float8, waits_for text, claimed bigint[]) ORDER BY r.id
     ), free AS (
       UPDATE lanes l SET pending = l.pending - s.gone, busy_fence = NULL,
                          waits_until = CASE WHEN s.gone = 0 THEN l.waits_until END, wait_told = l.wait_told AND s.gone = 0,
                          due_at = CASE WHEN ${ALL_WAIT} THEN 'infinity' ELSE now() + s.due_in_ms * interval '1 millisecond' END
         FROM settled s WHERE l.id = s.id RETURNING l.endpoint, l.pending, l.due_at, s.due_in_ms
     )
     SELECT DISTINCT endpoint FROM free WHERE pending > 0 AND due_in_ms = 0 AND due_at < 'infinity'`,
    [
      jsonb(finished.map(({ lane, delivery }) => ({ lane_id: lane.id, seq: delivery.seq }))),
      jsonb(
        again.map(({ lane, delivery, settlement }) => ({
          lane_id: lane.id,
          seq: delivery.seq,
          waits: settlement.waitsFor !== undefined,
          unknown: settlement.unknown ?? delivery.unknown,
          unclear: settlement.unknown === true && settlement.unclear === true,
          over: settlement.over === true,
          attempts: settlement.outcome === 'postponed' ? delivery.attempt - 1 : delivery.attempt,
        })),
      ),
      jsonb(
        settlements.map((settlement) => ({
          id: settlement.lane.id,
          due_in_ms: settlement.dueInMs,
          waits_for: whatAllWaitFor(settlement) ?? null,
          claimed: settlement.lane.deliveries.map(({ seq }) => seq),
        })),
      ),
    ],
  );
  const reports = done.flatMap(({ delivery, settlement }): Report[] => {
    const messageId = delivery.message.id;
    return [
      ...(settlement.reportDelivery ? [{ messageId, kind: 'status' as const }] : []),
      ...(settlement.note ? [{ messageId, kind: 'note' as const, payload: settlement.note }] : []),
    ];
  });
  const long = settlements.filter(({ silenceMs = 0 }) => silenceMs > LONG_WAIT_MS);
  const waits = await noteWaits(
    connection,
    long.map(({ lane, silenceMs }) => ({ laneId: lane.id, ms: silenceMs! })),
  );
  const told = await tell(connection, [...reports, ...waits.map(waitNote)]);
  return [...new Set([...lanesWithMore.map(({ endpoint }) => endpoint), ...told].filter(Boolean))];
}

/** Appends what portals are to be told; returns the endpoints that have work by it. */
async function tell(connection: Queryable, reports: Report[]): Promise<string[]> {
  const { deliveries, endpoints } = await routeReports(connection, reports);
  await appendDeliveries(connection, deliveries);
  return [...deliveries.map(({ endpoint }) => endpoint), ...endpoints].filter(Boolean);
}

/**
 * SQL: all that the lane l still holds waits for the client's words, or for a session and none is open. The row of the
 * chat was locked before this statement began, so it sees what was appended and which session began.
 */
const ALL_WAIT = `CASE WHEN s.waits_for IS NULL THEN false
  WHEN EXISTS (SELECT FROM deliveries o WHERE o.lane_id = l.id AND o.seq < ${BEHIND} AND o.seq <> ALL(s.claimed)) THEN false
  ELSE s.waits_for = 'words' OR (SELECT c.dialog_open IS NOT TRUE FROM chat_links c WHERE c.id = l.chat_id) END`;

/** Undefined: something of what was claimed is to be done again without waiting. */
function whatAllWaitFor({ deliveries }: LaneSettlement): WaitsFor | undefined {
  const again = deliveries.filter(({ outcome }) => outcome === 'retry' || outcome === 'postponed');
  if (again.some(({ waitsFor }) => waitsFor === undefined)) return undefined;
  return again.find(({ waitsFor }) => waitsFor === 'session')?.waitsFor ?? again[0]?.waitsFor;
}

const waitNote = ({ messageId, until }: WaitNote): Report => ({
  messageId,
  kind: 'note',
  payload: { code: WAITS, detail: '', about: 'message', until: until.toISOString() },
});

/** Operators are told of messages that came into waits of these lanes; returns the portals that have work. */
export async function tellOfWaits(connection: Queryable, laneIds: bigint[]): Promise<string[]> {
  return tell(connection, (await untoldWaits(connection, laneIds)).map(waitNote));
}

interface Done {
  lane: ClaimedLane;
  delivery: ClaimedDelivery;
  settlement: Settlement;
}

/** SQL: the bot still serves the line that was written to; what was learned of a dialog is worthless in another. */
const STAYS = `(c.portal_id, b.portal_id, b.line_id) IS NOT DISTINCT FROM (r.portal_id, r.portal_id, r.line_id)`;

/** SQL: a session that was not known before. */
const NEWER = `(r.bitrix_session_id IS NOT NULL AND ${newerSession('r.bitrix_session_id', 'c.bitrix_session_id')})`;

/**
 * Chats are touched first: the intake locks them before lanes, too. What the bot itself said (a welcome) is no answer
 * of which the portal could be told that it was read.
 */
async function learnAboutChats(connection: Queryable, settlements: LaneSettlement[], done: Done[]): Promise<void> {
  const reached = new Map<bigint, bigint>();
  for (const { lane, delivery, settlement } of done) {
    const isOperators = delivery.message.bitrixMessageId !== null;
    if (
      lane.channel === 'outbound' &&
      delivery.kind === 'message' &&
      settlement.outcome === 'delivered' &&
      isOperators
    ) {
      reached.set(lane.chat.id, delivery.message.id);
    }
  }
  // Both directions of a chat may be settled together, and a row is updated once.
  const learned = new Map<bigint, LaneSettlement['chat']>();
  const places = new Map(settlements.map(({ lane: { chat } }) => [chat.id, chat]));
  for (const settlement of settlements) {
    const { lane, chat } = settlement;
    // A chat of which something waits is written, too: that locks it, as `WAITS` needs it.
    const waits = whatAllWaitFor(settlement) !== undefined;
    if (chat || waits || reached.has(lane.chat.id)) {
      learned.set(lane.chat.id, { ...learned.get(lane.chat.id), ...chat });
    }
  }
  const changes = [...learned]
    .map(([id, chat]) => ({
      id,
      bot_id: places.get(id)!.botId,
      portal_id: places.get(id)!.portalId,
      line_id: places.get(id)!.lineId,
      bitrix_chat_id: chat?.bitrixChatId ?? null,
      bitrix_user_id: chat?.bitrixUserId ?? null,
      bitrix_session_id: chat?.bitrixSessionId ?? null,
      known_session_id: places.get(id)!.bitrixSessionId,
      dialog_open: chat?.dialogOpen ?? null,
      blocked_reason: chat?.blockedReason ?? null,
      refused_photo: chat?.photoRefused ? places.get(id)!.avatarUniqueId : null,
      telegram_chat_id: chat?.telegramChatId ?? null,
      reached: reached.get(id) ?? null,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  if (changes.length === 0) return;
  await connection.query(
    `UPDATE chat_links c
        SET bitrix_chat_id = coalesce(CASE WHEN ${STAYS} THEN r.bitrix_chat_id END, c.bitrix_chat_id),
            bitrix_user_id = coalesce(CASE WHEN ${STAYS} THEN r.bitrix_user_id END, c.bitrix_user_id),
            bitrix_session_id = CASE WHEN ${STAYS} AND ${NEWER} THEN r.bitrix_session_id ELSE c.bitrix_session_id END,
            dialog_open = CASE WHEN NOT ${STAYS} THEN c.dialog_open WHEN ${NEWER} THEN true
                               WHEN c.bitrix_session_id IS DISTINCT FROM r.known_session_id THEN c.dialog_open
                               WHEN r.dialog_open IS NOT NULL THEN r.dialog_open
                               WHEN r.bitrix_session_id = c.bitrix_session_id THEN coalesce(c.dialog_open, true)
                               ELSE c.dialog_open END,
            state = CASE WHEN r.blocked_reason IS NOT NULL THEN 'blocked'::"ChatState" ELSE c.state END,
            state_reason = coalesce(r.blocked_reason, c.state_reason),
            refused_photo = coalesce(r.refused_photo, c.refused_photo),
            telegram_chat_id = coalesce(r.telegram_chat_id, c.telegram_chat_id),
            unseen_message_id = coalesce(r.reached, c.unseen_message_id),
            last_outbound_at = CASE WHEN r.reached IS NULL THEN c.last_outbound_at ELSE now() END
       FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, bot_id bigint, portal_id bigint, line_id text,
              bitrix_chat_id text, bitrix_user_id text, bitrix_session_id text, known_session_id text,
              dialog_open boolean, blocked_reason text, refused_photo text,
              telegram_chat_id bigint, reached bigint)
       JOIN bots b ON b.id = r.bot_id
      WHERE c.id = r.id`,
    [jsonb(changes)],
  );
}

async function recordMessages(connection: Queryable, done: Done[]): Promise<void> {
  const words = done.filter(({ delivery }) => delivery.kind === 'message');
  if (words.length > 0) {
    await connection.query(
      `UPDATE messages m
          SET state = r.state::"MessageState", attempts = m.attempts + 1, error_code = r.code, error_detail = r.detail,
              delivered_at = CASE WHEN r.state = 'delivered' THEN now() END,
              -- Its bot may have gone to another portal while it was under way: what goes on waiting waits for that one.
              portal_id = CASE WHEN r.state = 'queued' AND m.direction = 'inbound' THEN c.portal_id ELSE m.portal_id END
         FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, state text, code text, detail text)
         JOIN messages o ON o.id = r.id LEFT JOIN chat_links c ON c.id = o.chat_id
        WHERE m.id = r.id`,
      [
        jsonb(
          words.map(({ delivery, settlement }) => ({
            id: delivery.message.id,
            state: settlement.outcome === 'retry' ? 'queued' : settlement.outcome,
            code: settlement.outcome === 'delivered' ? null : (settlement.code ?? null),
            detail: settlement.outcome === 'delivered' ? null : (settlement.detail ?? null),
          })),
        ),
      ],
    );
  }
}

async function recordParts(connection: Queryable, done: Done[]): Promise<void> {
  const removed = done.flatMap(({ delivery, settlement }) =>
    (settlement.removedMessageIds ?? []).map((id) => ({ message_id: delivery.message.id, telegram_message_id: id })),
  );
  if (removed.length > 0) {
    await connection.query(
      `DELETE FROM message_links l USING jsonb_to_recordset($1::jsonb) AS r(message_id bigint, telegram_message_id bigint)
        WHERE l.message_id = r.message_id AND l.telegram_message_id = r.telegram_message_id`,
      [jsonb(removed)],
    );
  }
  const parts = done.flatMap(({ lane, delivery, settlement }) =>
    (settlement.telegramMessageIds ?? []).map((telegramMessageId, index) => ({
      message_id: delivery.message.id,
      part: settlement.telegramParts?.[index] ?? index,
      chat_id: lane.chat.id,
      telegram_message_id: telegramMessageId,
    })),
  );
  if (parts.length === 0) return;
  await connection.query(
    `INSERT INTO message_links (message_id, part, chat_id, telegram_message_id)
     SELECT message_id, part, chat_id, telegram_message_id
       FROM jsonb_to_recordset($1::jsonb) AS r(message_id bigint, part int, chat_id bigint, telegram_message_id bigint)
      WHERE EXISTS (SELECT FROM messages m WHERE m.id = r.message_id)
     ON CONFLICT (message_id, part) DO NOTHING`,
    [jsonb(parts)],
  );
}
