import { Injectable } from '@nestjs/common';
import { claimedLanes, WORK_COLUMNS, type ClaimedLane, type ClaimRow } from './claimed-lane.js';
import { DatabaseService, HOT_LIMIT_MS, type Queryable } from './database.service.js';
import { assertLeases } from './endpoints.repository.js';
import type { Lease } from './lease.js';
import { appendDeliveries, type NewDelivery } from './outbox.js';
<<<<<<< HEAD
import { settle, type EndpointSettlements } from './settlement.js';
=======
import type { Channel, ChatState, DeliveryKind, OperatorName } from './prisma/client.js';

/** One delivery, claimed: everything that its sender needs. */
export interface ClaimedDelivery {
  seq: bigint;
  kind: DeliveryKind;
  payload: Record<string, unknown> | null;
  /** This attempt's number, from 1. */
  attempt: number;
  /** Nobody knows whether an earlier attempt arrived. */
  unknown: boolean;
  /** Milliseconds since the latest of those attempts began. */
  unknownForMs: number;
  /** When it became work: a replayed message is old, its delivery is not. */
  queuedAt: Date;
  startedAt: Date;
  message: {
    id: bigint;
    kind: string;
    text: string;
    marks: unknown;
    attachments: ClaimedAttachment[];
    /** Nobody's words: a line of the system. */
    systemLine: boolean;
    /** Telegram's id of the message that it answers, and the part of it that the author chose. */
    replyTo: { telegramMessageId: bigint; quote: string | null } | null;
    authorId: string | null;
    authorName: string | null;
    saidAt: Date | null;
    bitrixMessageId: string | null;
    bitrixChatId: string | null;
    /** An older message of the chat has its Telegram id: its file was exchanged, or the group became a supergroup. */
    sameTelegramId: boolean;
    /** Of an outbound message: the parts that Telegram has already. */
    telegramMessageIds: bigint[];
    /** Which part each of them is; empty: they are counted from 0. */
    telegramParts: number[];
    createdAt: Date;
  };
}

/** A file of a message; see the columns of `attachments`. */
export interface ClaimedAttachment {
  ordinal: number;
  kind: string;
  name: string;
  mime: string | null;
  size: number | null;
  label: string;
  telegramFileId: string | null;
  telegramUniqueId: string | null;
  url: string | null;
}

/** A lane whose head is being sent by the claimer. All of its deliveries are settled together. */
export interface ClaimedLane {
  id: bigint;
  channel: Channel;
  chat: {
    id: bigint;
    botId: bigint;
    portalId: bigint | null;
    lineId: string | null;
    /** What the client reads before an operator's words on this line. */
    operatorName: OperatorName;
    operatorNameTemplate: string | null;
    externalId: string;
    externalUserId: string;
    telegramChatId: bigint;
    threadId: bigint | null;
    businessConnection: string | null;
    type: string;
    title: string;
    firstName: string | null;
    lastName: string | null;
    username: string | null;
    language: string | null;
    phone: string | null;
    source: string | null;
    avatarUniqueId: string | null;
    state: ChatState;
    bitrixChatId: string | null;
    bitrixUserId: string | null;
    bitrixSessionId: string | null;
  };
  deliveries: ClaimedDelivery[];
}

/** What became of one claimed delivery. */
export interface Settlement {
  seq: bigint;
  /** `postponed`: it was not tried after all, and waits as if it had not been claimed. */
  outcome: 'delivered' | 'retry' | 'postponed' | 'failed' | 'uncertain';
  code?: string;
  detail?: string;
  /** With `retry`: nobody knows whether this attempt or one before it arrived. */
  unknown?: boolean;
  /** With `retry`: it is this attempt that nobody knows about. */
  unclear?: boolean;
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
  blockedReason?: string;
  /** The group became a supergroup. */
  telegramChatId?: bigint;
}

export interface LaneSettlement {
  lane: ClaimedLane;
  deliveries: Settlement[];
  /** Milliseconds until the lane is due again. */
  dueInMs: number;
  chat?: LearnedChat;
}

/** What became of lanes of one endpoint. */
export interface EndpointSettlements {
  lease: Lease;
  lanes: LaneSettlement[];
}

interface ClaimRow {
  lane_id: bigint;
  channel: Channel;
  seq: bigint | null;
  kind: DeliveryKind;
  payload: Record<string, unknown> | null;
  attempts: number;
  unknown_for_ms: number | null;
  queued_at: Date;
  started_at: Date;
  message_id: bigint;
  message_kind: string;
  text: string;
  marks: unknown;
  attachments: ClaimedAttachment[] | null;
  system_line: boolean;
  reply_to: bigint | null;
  reply_quote: string | null;
  author_id: string | null;
  author_name: string | null;
  said_at: Date | null;
  message_created_at: Date;
  bitrix_message_id: string | null;
  message_bitrix_chat_id: string | null;
  telegram_message_ids: bigint[];
  same_telegram_id: boolean;
  telegram_parts: number[] | null;
  chat_id: bigint;
  bot_id: bigint;
  portal_id: bigint | null;
  line_id: string | null;
  operator_name: OperatorName | null;
  operator_name_template: string | null;
  external_id: string;
  external_user_id: string;
  telegram_chat_id: bigint;
  thread_id: bigint | null;
  business_connection: string | null;
  type: string;
  title: string;
  first_name: string | null;
  last_name: string | null;
  username: string | null;
  language: string | null;
  phone: string | null;
  source: string | null;
  avatar_unique_id: string | null;
  chat_state: ChatState;
  bitrix_chat_id: string | null;
  bitrix_user_id: string | null;
  bitrix_session_id: string | null;
}
>>>>>>> matrix

/** Statuses of one chat travel together. */
const STATUS_HEADS = 20;

<<<<<<< HEAD
=======
const WORK_COLUMNS = `
  d.seq, d.kind, d.payload, d.attempts, d.created_at AS queued_at,
  extract(epoch FROM clock_timestamp() - d.unknown_since)::float8 * 1000 AS unknown_for_ms, d.started_at,
  m.id AS message_id, m.kind AS message_kind, m.text, m.marks, m.author_id, m.author_name, m.said_at,
  m.system_line, m.reply_quote,
  CASE WHEN m.attached > 0 THEN (
    SELECT json_agg(json_build_object('ordinal', a.ordinal, 'kind', a.kind, 'name', a.name, 'mime', a.mime, 'size', a.size,
             'label', a.label, 'telegramFileId', a.telegram_file_id, 'telegramUniqueId', a.telegram_unique_id, 'url', a.url)
             ORDER BY a.ordinal)
      FROM attachments a WHERE a.message_id = m.id) END AS attachments,
  CASE WHEN m.reply_to_id IS NOT NULL THEN (
    SELECT telegram_message_id FROM message_links l WHERE l.message_id = m.reply_to_id ORDER BY part LIMIT 1) END AS reply_to,
  m.created_at AS message_created_at, m.bitrix_message_id, m.bitrix_chat_id AS message_bitrix_chat_id,
  ARRAY(SELECT telegram_message_id FROM message_links l WHERE l.message_id = m.id ORDER BY part) AS telegram_message_ids,
  m.direction = 'inbound' AND (m.attached > 0 OR c.type = 'supergroup') AND EXISTS (
    SELECT FROM message_links l JOIN message_links older USING (chat_id, telegram_message_id)
     WHERE l.message_id = m.id AND older.message_id < m.id) AS same_telegram_id,
  CASE WHEN m.attached > 0 THEN
    ARRAY(SELECT part FROM message_links l WHERE l.message_id = m.id ORDER BY part) END AS telegram_parts,
  c.id AS chat_id, c.bot_id, c.portal_id, b.line_id, c.external_id, c.external_user_id, c.telegram_chat_id, c.thread_id,
  c.business_connection, c.type, c.title, c.first_name, c.last_name, c.username, c.language, c.phone, c.source,
  c.avatar_unique_id, o.operator_name, o.operator_name_template, c.state AS chat_state,
  c.bitrix_chat_id, c.bitrix_user_id, c.bitrix_session_id`;

>>>>>>> matrix
/** SQL: the endpoint is no bot whose portal holds its answers back. */
const notHeld = (endpoint: string) => `NOT EXISTS (
  SELECT FROM bots o JOIN portals p ON p.id = o.portal_id
   WHERE o.id = substring(${endpoint}::text FROM '^bot:([0-9]+)$')::bigint AND p.hold_outbound_until > now())`;

/** The tables `lanes`, `deliveries` and `attempts`: what is still to be done, and every try. */
@Injectable()
export class LanesRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Of these endpoints, those that have work due now and may do it. */
  async withWorkDue(endpoints: string[]): Promise<string[]> {
    const { rows } = await this.db.query<{ endpoint: string }>(
      `WITH due AS MATERIALIZED (
         SELECT e.id FROM unnest($1::text[]) AS e(id)
          WHERE EXISTS (SELECT FROM lanes l WHERE l.endpoint = e.id AND l.pending > 0 AND l.busy_fence IS NULL AND l.due_at <= now())
       )
       SELECT id AS endpoint FROM due WHERE ${notHeld('due.id')}`,
      [endpoints],
    );
    return rows.map((row) => row.endpoint);
  }

  /**
   * Claims up to `limit` lanes of the endpoint that are due, most urgent first (a lane's priority is the head start in
   * seconds that it gives to others, so that nothing waits for ever), and marks their heads — up to `heads`
   * words of a chat — as `sending`, with the attempt. Claims nothing once the lease is lost, nor of a bot while the
   * answers of its portal are held. A lane without deliveries changed while it was claimed.
   */
  async claim(lease: Lease, limit: number, heads: number): Promise<ClaimedLane[]> {
    const { rows } = await this.db.query<ClaimRow>(
      `WITH held AS MATERIALIZED (
         SELECT FROM endpoints WHERE id = $1 AND owner = $2 AND fence = $3 AND ${notHeld('$1')} FOR SHARE
       ), candidates AS (
         SELECT c.id, c.due_at + make_interval(secs => p.priority) AS turn
           FROM (VALUES (0::smallint), (5::smallint), (9::smallint)) AS p(priority) CROSS JOIN LATERAL (
             SELECT id, due_at FROM lanes
              WHERE endpoint = $1 AND priority = p.priority AND pending > 0 AND busy_fence IS NULL AND due_at <= now()
              ORDER BY due_at LIMIT $4) c
       ), due AS (
         SELECT id FROM lanes
          WHERE id IN (SELECT id FROM candidates ORDER BY turn LIMIT $4) AND busy_fence IS NULL AND EXISTS (SELECT FROM held)
          FOR UPDATE SKIP LOCKED
       ), taken AS (
         UPDATE lanes SET busy_fence = $3 FROM due WHERE lanes.id = due.id RETURNING lanes.id, lanes.chat_id, lanes.channel
       ), heads AS (
         SELECT t.id AS lane_id, d.seq, d.message_id
           FROM taken t CROSS JOIN LATERAL (
             SELECT seq, message_id FROM deliveries WHERE lane_id = t.id ORDER BY seq LIMIT CASE WHEN t.channel IN ('status', 'reading') THEN $6::int ELSE $5::int END) d
       ), d AS (
         UPDATE deliveries SET state = 'sending', attempts = attempts + 1, started_at = clock_timestamp()
           FROM heads
          -- A message that took this place meanwhile cannot be seen by this statement, so the next one claims it.
          WHERE deliveries.lane_id = heads.lane_id AND deliveries.seq = heads.seq AND deliveries.message_id = heads.message_id
          RETURNING deliveries.*
       )
       SELECT t.id AS lane_id, t.channel, ${WORK_COLUMNS}
         FROM taken t JOIN chat_links c ON c.id = t.chat_id JOIN bots b ON b.id = c.bot_id
         LEFT JOIN lines o ON o.portal_id = c.portal_id AND o.line_id = b.line_id
         LEFT JOIN d ON d.lane_id = t.id LEFT JOIN messages m ON m.id = d.message_id
        ORDER BY t.id, d.seq`,
      [lease.endpoint, lease.owner, lease.fence, limit, heads, STATUS_HEADS],
    );
    return claimedLanes(rows);
  }

  /**
   * Undoes claims of this lease that were committed although their answer never came, so that nothing of them was
   * sent: of all lanes but those that the caller knows to be under way.
   */
  async unclaim(lease: Lease, known: bigint[]): Promise<void> {
    await this.db.query(
      `WITH stray AS (
         UPDATE lanes SET busy_fence = NULL
          WHERE endpoint = $1 AND busy_fence = $2 AND id <> ALL($3::bigint[])
            AND EXISTS (SELECT FROM endpoints WHERE id = $1 AND owner = $4 AND fence = $2) RETURNING id
       )
       UPDATE deliveries SET state = 'queued', attempts = attempts - 1
         FROM stray WHERE lane_id = stray.id AND state = 'sending'`,
      [lease.endpoint, lease.fence, known, lease.owner],
    );
  }

  /** What the previous owner of the endpoint was sending when it stopped being the owner. */
  async interrupted(lease: Lease, limit = 500): Promise<ClaimedLane[]> {
    const { rows } = await this.db.query<ClaimRow>(
      `SELECT t.id AS lane_id, t.channel, ${WORK_COLUMNS}
         FROM (SELECT * FROM lanes WHERE endpoint = $1 AND busy_fence IS NOT NULL AND busy_fence <> $2 LIMIT $3) t
         JOIN chat_links c ON c.id = t.chat_id JOIN bots b ON b.id = c.bot_id
         LEFT JOIN lines o ON o.portal_id = c.portal_id AND o.line_id = b.line_id
         LEFT JOIN deliveries d ON d.lane_id = t.id AND d.state = 'sending' LEFT JOIN messages m ON m.id = d.message_id
        ORDER BY t.id, d.seq`,
      [lease.endpoint, lease.fence, limit],
    );
    return claimedLanes(rows);
  }

  /**
   * Records what became of claimed lanes of any endpoints, in one transaction: attempts, messages, links, what was
   * learned, the lanes themselves and the follow-up work. Returns the endpoints that have work due now.
   * Throws LeaseLostError, and writes nothing, when another replica has taken over one of the endpoints.
   */
  settle(settlements: EndpointSettlements[], instance: string): Promise<string[]> {
    return this.db.transaction(
      async (connection) => {
        await assertLeases(
          connection,
          settlements.map(({ lease }) => lease),
        );
        return settle(
          connection,
          settlements.flatMap(({ lanes }) => lanes),
          instance,
        );
      },
      { limitMs: HOT_LIMIT_MS },
    );
  }

  /** Makes waiting lanes of the endpoint (all, or these) due now: the trouble that they waited for is over. */
  async wake(endpoint: string, laneIds: bigint[] | null = null): Promise<void> {
    await this.db.query(
      `UPDATE lanes SET due_at = now()
        WHERE endpoint = $1 AND pending > 0 AND due_at > now() AND ($2::bigint[] IS NULL OR id = ANY($2::bigint[]))`,
      [endpoint, laneIds],
    );
  }

  /**
   * Puts failed or uncertain messages back to the end of their lanes, unless their authors took them back. Returns
   * the endpoints with new work and how many messages that were.
   */
  retry(messageIds: bigint[]): Promise<{ retried: number; endpoints: string[] }> {
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{
        id: bigint;
        chat_id: bigint;
        bot_id: bigint;
        portal_id: bigint | null;
        direction: 'inbound' | 'outbound';
      }>(
        `UPDATE messages m SET state = 'queued', error_code = NULL, error_detail = NULL
           FROM chat_links c
          WHERE m.id = ANY($1::bigint[]) AND m.state IN ('failed', 'uncertain') AND m.deleted_at IS NULL AND c.id = m.chat_id
          RETURNING m.id, c.id AS chat_id, c.bot_id, c.portal_id, m.direction`,
        [messageIds],
      );
      const work = rows
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .map((row): NewDelivery => ({
          chatId: row.chat_id,
          channel: row.direction,
          endpoint:
            row.direction === 'outbound'
              ? `bot:${row.bot_id}`
              : row.portal_id === null
                ? ''
                : `portal:${row.portal_id}`,
          messageId: row.id,
          kind: 'message',
        }));
      await appendDeliveries(connection, work);
      return { retried: rows.length, endpoints: [...new Set(work.map((item) => item.endpoint).filter(Boolean))] };
    });
  }

  /**
   * Records what a person knows about a message whose outcome is unknown; null when it is not `uncertain` (any more).
   * Returns the endpoints with new work: the portal hears of a delivery as far as Telegram's ids are known, because
   * a report without them means nothing to it.
   */
  resolve(messageId: bigint, outcome: 'delivered' | 'failed'): Promise<string[] | null> {
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{ chat_id: bigint; portal_id: bigint | null; known: boolean }>(
        `UPDATE messages m
            SET state = $2::"MessageState",
                delivered_at = CASE WHEN $2 = 'delivered' THEN now() END,
                error_code = CASE WHEN $2 = 'failed' THEN m.error_code END,
                error_detail = CASE WHEN $2 = 'failed' THEN m.error_detail END
           FROM chat_links c
          WHERE m.id = $1 AND m.state = 'uncertain' AND c.id = m.chat_id
          RETURNING c.id AS chat_id, c.portal_id, m.direction = 'outbound' AND EXISTS (
            SELECT FROM message_links l WHERE l.message_id = m.id) AS known`,
        [messageId, outcome],
      );
      const [row] = rows;
      if (!row) return null;
      await recordDecision(connection, [messageId], 'resolved', outcome);
      if (outcome === 'failed' || !row.known || row.portal_id === null) return [];
      const endpoint = `portal:${row.portal_id}`;
      await appendDeliveries(connection, [
        { chatId: row.chat_id, channel: 'status', endpoint, messageId, kind: 'status' },
      ]);
      return [endpoint];
    });
  }

  /** Takes failed and uncertain messages out of what could be sent again, for good. Returns how many those were. */
  discard(messageIds: bigint[]): Promise<number> {
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{ id: bigint }>(
        `UPDATE messages m
            SET state = 'ignored', error_code = 'discarded',
                error_detail = concat_ws(': ', 'Discarded by a person; it was ' || m.state, m.error_code, m.error_detail)
          WHERE m.id = ANY($1::bigint[]) AND m.state IN ('failed', 'uncertain') RETURNING m.id`,
        [messageIds],
      );
      const discarded = rows.map(({ id }) => id);
      await recordDecision(connection, discarded, 'discarded', null);
      return discarded.length;
    });
  }
}

/** What a person decided stands among the attempts: nobody can say later that the program did it. */
async function recordDecision(
  connection: Queryable,
  messageIds: bigint[],
  decision: 'resolved' | 'discarded',
  detail: string | null,
): Promise<void> {
  await connection.query(
    `INSERT INTO attempts (message_id, kind, number, started_at, outcome, detail, instance)
     SELECT id, 'message', attempts, now(), $2, $3, 'admin' FROM messages WHERE id = ANY($1::bigint[])`,
    [messageIds, decision, detail],
  );
}
<<<<<<< HEAD
=======

function group(rows: ClaimRow[]): ClaimedLane[] {
  const lanes = new Map<bigint, ClaimedLane>();
  for (const row of rows) {
    let lane = lanes.get(row.lane_id);
    if (!lane) {
      lane = {
        id: row.lane_id,
        channel: row.channel,
        chat: {
          id: row.chat_id,
          botId: row.bot_id,
          portalId: row.portal_id,
          lineId: row.line_id,
          operatorName: row.operator_name ?? 'hidden',
          operatorNameTemplate: row.operator_name_template,
          externalId: row.external_id,
          externalUserId: row.external_user_id,
          telegramChatId: row.telegram_chat_id,
          threadId: row.thread_id,
          businessConnection: row.business_connection,
          type: row.type,
          title: row.title,
          firstName: row.first_name,
          lastName: row.last_name,
          username: row.username,
          language: row.language,
          phone: row.phone,
          source: row.source,
          avatarUniqueId: row.avatar_unique_id,
          state: row.chat_state,
          bitrixChatId: row.bitrix_chat_id,
          bitrixUserId: row.bitrix_user_id,
          bitrixSessionId: row.bitrix_session_id,
        },
        deliveries: [],
      };
      lanes.set(row.lane_id, lane);
    }
    if (row.seq === null) continue;
    lane.deliveries.push({
      seq: row.seq,
      kind: row.kind,
      payload: row.payload,
      attempt: row.attempts,
      unknown: row.unknown_for_ms !== null,
      unknownForMs: row.unknown_for_ms ?? 0,
      queuedAt: row.queued_at,
      startedAt: row.started_at,
      message: {
        id: row.message_id,
        kind: row.message_kind,
        text: row.text,
        marks: row.marks,
        attachments: row.attachments ?? [],
        systemLine: row.system_line,
        replyTo: row.reply_to === null ? null : { telegramMessageId: row.reply_to, quote: row.reply_quote },
        authorId: row.author_id,
        authorName: row.author_name,
        saidAt: row.said_at,
        bitrixMessageId: row.bitrix_message_id,
        bitrixChatId: row.message_bitrix_chat_id,
        sameTelegramId: row.same_telegram_id,
        telegramMessageIds: row.telegram_message_ids,
        telegramParts: row.telegram_parts ?? [],
        createdAt: row.message_created_at,
      },
    });
  }
  return [...lanes.values()];
}

async function settle(connection: Queryable, settlements: LaneSettlement[], instance: string): Promise<string[]> {
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
  const { rows: lanesWithMore } = await connection.query<{ endpoint: string }>(
    `WITH finished AS (
       DELETE FROM deliveries d USING jsonb_to_recordset($1::jsonb) AS r(lane_id bigint, seq bigint)
        WHERE d.lane_id = r.lane_id AND d.seq = r.seq RETURNING d.lane_id
     ), again AS (
       UPDATE deliveries d SET state = 'queued', attempts = r.attempts,
              unknown_since = CASE WHEN r.unclear THEN d.started_at WHEN r.unknown THEN coalesce(d.unknown_since, d.started_at) END
         FROM jsonb_to_recordset($2::jsonb) AS r(lane_id bigint, seq bigint, unknown boolean, unclear boolean, attempts int)
        WHERE d.lane_id = r.lane_id AND d.seq = r.seq
     ), settled AS (
       SELECT r.id, r.due_in_ms, (SELECT count(*) FROM finished f WHERE f.lane_id = r.id) AS gone
         FROM jsonb_to_recordset($3::jsonb) AS r(id bigint, due_in_ms float8) ORDER BY r.id
     ), free AS (
       UPDATE lanes l SET pending = l.pending - s.gone, busy_fence = NULL,
                          due_at = now() + s.due_in_ms * interval '1 millisecond'
         FROM settled s WHERE l.id = s.id RETURNING l.endpoint, l.pending, s.due_in_ms
     )
     SELECT DISTINCT endpoint FROM free WHERE pending > 0 AND due_in_ms = 0`,
    [
      jsonb(finished.map(({ lane, delivery }) => ({ lane_id: lane.id, seq: delivery.seq }))),
      jsonb(
        again.map(({ lane, delivery, settlement }) => ({
          lane_id: lane.id,
          seq: delivery.seq,
          unknown: settlement.unknown ?? delivery.unknown,
          unclear: settlement.unknown === true && settlement.unclear === true,
          attempts: settlement.outcome === 'postponed' ? delivery.attempt - 1 : delivery.attempt,
        })),
      ),
      jsonb(settlements.map(({ lane, dueInMs }) => ({ id: lane.id, due_in_ms: dueInMs }))),
    ],
  );
  const followUps = done.flatMap(({ lane, delivery, settlement }): NewDelivery[] => {
    const endpoint = lane.chat.portalId === null ? '' : `portal:${lane.chat.portalId}`;
    const work: NewDelivery[] = [];
    if (settlement.reportDelivery) {
      work.push({ chatId: lane.chat.id, channel: 'status', endpoint, messageId: delivery.message.id, kind: 'status' });
    }
    if (settlement.note) {
      const payload = settlement.note;
      work.push({
        chatId: lane.chat.id,
        channel: 'inbound',
        endpoint,
        messageId: delivery.message.id,
        kind: 'note',
        payload,
      });
    }
    return work;
  });
  await appendDeliveries(connection, await withKnownChat(connection, followUps));
  return [...new Set([...followUps, ...lanesWithMore].map(({ endpoint }) => endpoint).filter(Boolean))];
}

/** Work of chats that were not removed meanwhile; those stay until the commit. */
async function withKnownChat(connection: Queryable, work: NewDelivery[]): Promise<NewDelivery[]> {
  if (work.length === 0) return work;
  const { rows } = await connection.query<{ id: bigint }>(
    `SELECT id FROM chat_links WHERE id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE`,
    [work.map(({ chatId }) => chatId)],
  );
  const known = new Set(rows.map(({ id }) => id));
  return work.filter(({ chatId }) => known.has(chatId));
}

interface Done {
  lane: ClaimedLane;
  delivery: ClaimedDelivery;
  settlement: Settlement;
}

/** Chats are touched first: the intake locks them before lanes, too. */
async function learnAboutChats(connection: Queryable, settlements: LaneSettlement[], done: Done[]): Promise<void> {
  const reached = new Map<bigint, bigint>();
  for (const { lane, delivery, settlement } of done) {
    if (lane.channel === 'outbound' && delivery.kind === 'message' && settlement.outcome === 'delivered') {
      reached.set(lane.chat.id, delivery.message.id);
    }
  }
  // Both directions of a chat may be settled together, and a row is updated once.
  const learned = new Map<bigint, LaneSettlement['chat']>();
  for (const { lane, chat } of settlements) {
    if (chat || reached.has(lane.chat.id)) learned.set(lane.chat.id, { ...learned.get(lane.chat.id), ...chat });
  }
  const changes = [...learned]
    .map(([id, chat]) => ({
      id,
      bitrix_chat_id: chat?.bitrixChatId ?? null,
      bitrix_user_id: chat?.bitrixUserId ?? null,
      bitrix_session_id: chat?.bitrixSessionId ?? null,
      blocked_reason: chat?.blockedReason ?? null,
      telegram_chat_id: chat?.telegramChatId ?? null,
      reached: reached.get(id) ?? null,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  if (changes.length === 0) return;
  await connection.query(
    `UPDATE chat_links c
        SET bitrix_chat_id = coalesce(r.bitrix_chat_id, c.bitrix_chat_id),
            bitrix_user_id = coalesce(r.bitrix_user_id, c.bitrix_user_id),
            bitrix_session_id = coalesce(r.bitrix_session_id, c.bitrix_session_id),
            state = CASE WHEN r.blocked_reason IS NOT NULL THEN 'blocked'::"ChatState" ELSE c.state END,
            state_reason = coalesce(r.blocked_reason, c.state_reason),
            telegram_chat_id = coalesce(r.telegram_chat_id, c.telegram_chat_id),
            unseen_message_id = coalesce(r.reached, c.unseen_message_id),
            last_outbound_at = CASE WHEN r.reached IS NULL THEN c.last_outbound_at ELSE now() END
       FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, bitrix_chat_id text, bitrix_user_id text, bitrix_session_id text,
              blocked_reason text, telegram_chat_id bigint, reached bigint)
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
              delivered_at = CASE WHEN r.state = 'delivered' THEN now() END
         FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, state text, code text, detail text)
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
  const seen = done.filter(
    ({ delivery, settlement }) => delivery.kind === 'reading' && settlement.outcome === 'delivered',
  );
  if (seen.length > 0) {
    await connection.query(
      `UPDATE messages m SET seen_at = now()
         FROM jsonb_to_recordset($1::jsonb) AS r(chat_id bigint, message_id bigint)
        WHERE m.chat_id = r.chat_id AND m.id <= r.message_id AND m.direction = 'outbound' AND m.state = 'delivered'
          AND m.seen_at IS NULL AND m.id > r.message_id - 1000`,
      [jsonb(seen.map(({ lane, delivery }) => ({ chat_id: lane.chat.id, message_id: delivery.message.id })))],
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
>>>>>>> matrix
