import type { Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { Channel, DeliveryKind } from '../prisma/client.js';

/** Work to be appended to a chat's lane. */
export interface NewDelivery {
  chatId: bigint;
  channel: Channel;
  /** Endpoint that will drive it; '' while the chat's bot serves no line. */
  endpoint: string;
  messageId: bigint;
  kind: DeliveryKind;
  payload?: unknown;
  /** More parts may come within this many milliseconds: a lane without other work waits for them. */
  holdMs?: number;
  /** Not urgent. */
  canWait?: boolean;
  /** It can wait, and no session of the dialog is open: it goes behind the client's next words. */
  waits?: boolean;
}

/**
 * From here on are the places of deliveries that wait for the client's next words, or for a session: a lane's order is
 * that of its places, so they are behind everything else, whatever comes. A lane that holds nothing else is due at
 * 'infinity': no claim looks at it, and what is appended to it makes it due. Its `tail` never comes so far.
 */
export const BEHIND = 2n ** 40n;

/** The place that a delivery was given at first. */
export function firstPlace(seq: bigint): bigint {
  return seq % BEHIND;
}

/** How far a lane yields when an endpoint may make only some of its calls: the head start it gives, in seconds. */
export const PRIORITY: Record<Channel, number> = { inbound: 0, outbound: 0, status: 5, reading: 9 };

/** SQL: what becomes of a lane `l` that is there already. */
export const OR_APPEND_TO_LANE = `ON CONFLICT (chat_id, channel) DO UPDATE
        SET tail = l.tail + excluded.tail,
            pending = l.pending + excluded.pending,
            endpoint = excluded.endpoint,
            priority = CASE WHEN l.pending = 0 THEN excluded.priority ELSE least(l.priority, excluded.priority) END,
            due_at = CASE WHEN l.pending = 0 OR l.due_at = 'infinity' THEN greatest(excluded.due_at, nullif(l.due_at, 'infinity'))
                          ELSE l.due_at END`;

/**
 * Priority from which on a lane yields to those below it however long it has waited: nobody waits for what it holds. That
 * is what nobody wrote (author 0: a newsletter, a closing text), and the tick of a delivery. It is a priority for which
 * the version before looks, too (it takes it for seconds): where both run, or one goes back to it, nothing is left lying.
 */
export const BULK = 5;

/**
 * Appends deliveries to their lanes, in the order given. The upsert of the lane locks it until the commit and hands
 * out the sequence numbers, so the order within a lane is the order of the commits, whoever writes.
 * Lanes are locked in one order everywhere, which keeps writers from deadlocking. A lane without work may be due
 * later all the same: its last message left the network's limit used up. A lane is {@link BULK} while nothing else was
 * appended to it. What `waits` goes behind the rest; whoever says so has the chat's row locked, so that no session
 * begins meanwhile. Returns the lanes that now hold several.
 */
export async function appendDeliveries(connection: Queryable, deliveries: NewDelivery[]): Promise<bigint[]> {
  if (deliveries.length === 0) return [];
  const groups = new Map<string, NewDelivery[]>();
  for (const delivery of deliveries) {
    const key = `${delivery.chatId}/${delivery.channel}`;
    const group = groups.get(key);
    if (group) group.push(delivery);
    else groups.set(key, [delivery]);
  }
  const lanes = [...groups.values()].map((group) => ({
    chat_id: group[0]!.chatId,
    channel: group[0]!.channel,
    endpoint: group[0]!.endpoint,
    priority: PRIORITY[group[0]!.channel],
    outbound: group[0]!.channel === 'outbound' ? group.map(({ messageId }) => messageId) : [],
    added: group.length,
    hold_ms: group[0]!.holdMs ?? 0,
    waits: group.every(({ waits }) => waits === true),
  }));
  const { rows } = await connection.query<{
    id: bigint;
    chat_id: bigint;
    channel: Channel;
    tail: bigint;
    pending: number;
  }>(
    `INSERT INTO lanes AS l (chat_id, channel, endpoint, priority, tail, pending, due_at)
     SELECT chat_id, channel::"Channel", endpoint,
            CASE WHEN channel = 'outbound' AND NOT EXISTS (
              SELECT FROM messages m WHERE m.id = ANY(outbound) AND m.author_id IS DISTINCT FROM '0') THEN ${BULK} ELSE priority END,
            added, added,
            CASE WHEN waits THEN 'infinity' ELSE now() + hold_ms * interval '1 millisecond' END
       FROM jsonb_to_recordset($1::jsonb) AS r(chat_id bigint, channel text, endpoint text, priority smallint,
              outbound bigint[], added int, hold_ms int, waits boolean)
      ORDER BY chat_id, channel
     ${OR_APPEND_TO_LANE}
     RETURNING id, chat_id, channel, tail, pending`,
    [jsonb(lanes)],
  );
  const work = rows.flatMap((lane) => {
    const group = groups.get(`${lane.chat_id}/${lane.channel}`)!;
    const first = lane.tail - BigInt(group.length) + 1n;
    return group.map((delivery, index) => ({
      lane_id: lane.id,
      seq: first + BigInt(index) + (delivery.waits ? BEHIND : 0n),
      message_id: delivery.messageId,
      kind: delivery.kind,
      payload: delivery.payload ?? null,
    }));
  });
  await connection.query(
    `INSERT INTO deliveries (lane_id, seq, message_id, kind, payload)
     SELECT lane_id, seq, message_id, kind::"DeliveryKind", payload
       FROM jsonb_to_recordset($1::jsonb) AS r(lane_id bigint, seq bigint, message_id bigint, kind text, payload jsonb)`,
    [jsonb(work)],
  );
  return rows.filter(({ pending }) => pending > 1).map(({ id }) => id);
}

/** Rows examined at the end of a lane; more unsent answers in one chat mean that the portal runs wild. */
const REORDERED_AT_MOST = 500;

/**
 * Puts operators' messages that nobody has begun to send into the order in which they were written: Bitrix24 does not
 * promise the order of its events, and what is found in a dialog was written before. `im.message_id` grows within a
 * portal and so tells the order (apidocs.bitrix24.com, "Events: how they work"); messages of another portal, which the
 * bot served before, keep their places. To be called in the transaction that appended: it relies on the lock of the
 * lanes. Whatever was tried before, or sent again by a person, keeps its place, as does a message without such an id;
 * several deliveries of one message stay in their order. The history stays in the order of arrival, which is what it
 * records: each message has its own time there.
 */
export async function orderByMessageId(connection: Queryable, lanes: bigint[]): Promise<void> {
  if (lanes.length === 0) return;
  await connection.query(
    `WITH waiting AS (
       SELECT d.*, row_number() OVER (PARTITION BY d.lane_id, d.portal_id ORDER BY d.seq) AS place,
              row_number() OVER (PARTITION BY d.lane_id, d.portal_id ORDER BY d.written, d.seq) AS rightful
         FROM unnest($1::bigint[]) AS l(id) CROSS JOIN LATERAL (
           SELECT d.lane_id, d.seq, d.message_id, d.kind, d.payload, d.created_at, m.portal_id,
                  m.bitrix_message_id::numeric AS written
             FROM deliveries d JOIN messages m ON m.id = d.message_id
            WHERE d.lane_id = l.id AND d.state = 'queued' AND d.attempts = 0 AND m.attempts = 0
              AND m.bitrix_message_id ~ '^[0-9]+$'
            ORDER BY d.seq DESC LIMIT $2) d
     )
     UPDATE deliveries d SET message_id = w.message_id, kind = w.kind, payload = w.payload, created_at = w.created_at
       FROM waiting w JOIN waiting there ON there.lane_id = w.lane_id AND there.portal_id = w.portal_id AND there.place = w.rightful
      WHERE d.lane_id = there.lane_id AND d.seq = there.seq AND w.place <> w.rightful`,
    [lanes, REORDERED_AT_MOST],
  );
}
