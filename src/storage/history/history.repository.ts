import { Injectable } from '@nestjs/common';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import {
  Conditions,
  messageConditions,
  orderOf,
  SENDING,
  where,
  type MessageFilter,
  type MessagePlace,
  type ShownState,
} from './message-filter.js';
import { byWords, NEAREST, textConditions, wordsConditions, wordsQuery } from './message-search.js';
import { newestOfStrata, strataOf, type Strata } from './message-strata.js';
import type { ChatState, DeliveryKind, DeliveryState, Direction } from '../prisma/client.js';
import { BEHIND } from '../work/outbox.js';
import { isEmpty, parseSearch, substringPattern } from './text-search.js';

/** Longest time a search may read the history, in milliseconds: beyond it the caller should narrow it. */
const SEARCH_TIMEOUT_MS = 10_000;

/** So many messages are counted one by one, and so many that have the words are looked at for the rest of a filter. */
const COUNTED = 10_000;

/** A file of a message; what opens it (Telegram's file id, the portal's signed link) stays here. */
export interface AttachmentRow {
  ordinal: number;
  kind: string;
  name: string;
  mime: string | null;
  /** Bytes. */
  size: number | null;
  /** What is read in its place where the file cannot go. */
  label: string;
  /** The bot can fetch it from Telegram. */
  atTelegram: boolean;
}

/** A message as lists show it. */
export interface MessageRow {
  id: bigint;
  direction: Direction;
  state: ShownState;
  kind: string;
  text: string;
  /** Formatting of `text`. */
  marks: unknown;
  attachments: AttachmentRow[];
  systemLine: boolean;
  /** Payload of the `/start` that it is. */
  source: string | null;
  /** It waits for the client's next words, or for a session. */
  waitsForClient: boolean;
  albumId: string | null;
  replyToId: bigint | null;
  replyQuote: string | null;
  chatId: bigint | null;
  portalId: bigint | null;
  botId: bigint | null;
  telegramChatId: bigint | null;
  externalChatId: string | null;
  telegramMessageIds: string[];
  bitrixMessageId: string | null;
  authorId: string | null;
  authorName: string | null;
  unsigned: boolean;
  attempts: number;
  errorCode: string | null;
  errorDetail: string | null;
  saidAt: Date | null;
  createdAt: Date;
  deliveredAt: Date | null;
  seenAt: Date | null;
  editedAt: Date | null;
  deletedAt: Date | null;
}

/** What an edited or deleted message once said; number 0 is the original. A deletion has no words. */
export interface RevisionRow {
  number: number;
  text: string;
  marks: unknown;
  deleted: boolean;
  saidAt: Date | null;
  createdAt: Date;
}

export interface AttemptRow {
  kind: DeliveryKind;
  number: number;
  startedAt: Date;
  finishedAt: Date;
  outcome: string;
  code: string | null;
  detail: string | null;
  instance: string;
}

/** Work that still waits for a message. `ahead` deliveries of its lane go first; `dueAt` is the lane's next try. */
export interface WaitingRow {
  kind: DeliveryKind;
  state: DeliveryState;
  attempts: number;
  unknown: boolean;
  startedAt: Date | null;
  dueAt: Date;
  ahead: number;
  /** For the client's next words, or for a session; `dueAt` is then when it became work. */
  waitsForClient: boolean;
  endpoint: string;
}

/** One message with everything it said, everything that was tried and everything that is still to come. */
export interface MessageStory {
  message: MessageRow & { raw: unknown };
  revisions: RevisionRow[];
  attempts: AttemptRow[];
  waiting: WaitingRow[];
}

export interface ChatRow {
  id: bigint;
  botId: bigint;
  portalId: bigint | null;
  externalId: string;
  telegramChatId: bigint;
  threadId: bigint | null;
  type: string;
  title: string;
  username: string | null;
  language: string | null;
  phone: string | null;
  /** Where the client came from: payload of a `/start`, the first and the newest. */
  source: string | null;
  lastSource: string | null;
  avatarUniqueId: string | null;
  bannedAt: Date | null;
  state: ChatState;
  stateReason: string | null;
  bitrixChatId: string | null;
  bitrixSessionId: string | null;
  lastInboundAt: Date | null;
  lastOutboundAt: Date | null;
  /** When somebody last wrote, or when it began. */
  activeAt: Date;
  createdAt: Date;
}

export interface ChatFilter {
  /** Substring of title, user name or external id, in either case. */
  words?: string;
  /** The first or the newest, as it stands. */
  source?: string;
  portalId?: bigint;
  botId?: bigint;
  state?: ChatState;
  before?: bigint;
}

/** Where a list of chats by activity goes on: after this one. */
export interface ChatPlace {
  activeAt: Date;
  id: bigint;
}

/** How many messages a filter holds. */
export interface MessageTotal {
  count: number;
  /** There are at least so many. */
  more: boolean;
}

/** Thrown when the history is too long to be searched in the time given. */
export class SearchTooLongError extends Error {
  override readonly name = 'SearchTooLongError';
}

const MESSAGE_COLUMNS = `
  m.id, m.direction,
  CASE WHEN m.state = 'queued' AND ${SENDING} THEN 'sending' ELSE m.state::text END AS state,
  m.kind, m.text, m.marks,
  CASE WHEN m.attached = 0 THEN '[]'::json ELSE (
    SELECT coalesce(json_agg(json_build_object('ordinal', a.ordinal, 'kind', a.kind, 'name', a.name, 'mime', a.mime,
             'size', a.size, 'label', a.label, 'atTelegram', a.telegram_file_id IS NOT NULL) ORDER BY a.ordinal), '[]')
      FROM attachments a WHERE a.message_id = m.id) END AS attachments,
  m.system_line AS "systemLine", m.source, m.can_wait AND m.state = 'queued' AND EXISTS (
    SELECT FROM deliveries d WHERE d.message_id = m.id AND d.kind = 'message' AND d.state = 'queued' AND d.seq >= ${BEHIND})
    AS "waitsForClient", m.album_id AS "albumId", m.reply_to_id AS "replyToId", m.reply_quote AS "replyQuote",
  m.chat_id AS "chatId", m.portal_id AS "portalId", m.bot_id AS "botId",
  c.telegram_chat_id AS "telegramChatId", coalesce(c.external_id, m.external_chat_id) AS "externalChatId",
  ARRAY(SELECT l.telegram_message_id::text FROM message_links l WHERE l.message_id = m.id ORDER BY l.part)
    AS "telegramMessageIds",
  m.bitrix_message_id AS "bitrixMessageId", m.author_id AS "authorId", m.author_name AS "authorName", m.unsigned,
  m.attempts, m.error_code AS "errorCode", m.error_detail AS "errorDetail", m.said_at AS "saidAt",
  m.created_at AS "createdAt", m.delivered_at AS "deliveredAt", m.seen_at AS "seenAt",
  m.edited_at AS "editedAt", m.deleted_at AS "deletedAt"`;

/** SQL: when somebody last wrote in a chat, or when it began. */
const ACTIVE_AT = `coalesce(greatest(last_inbound_at, last_outbound_at), created_at)`;

const CHAT_COLUMNS = `
  id, bot_id AS "botId", portal_id AS "portalId", external_id AS "externalId", telegram_chat_id AS "telegramChatId",
  thread_id AS "threadId", type, title, username, language, phone, source,
  coalesce(last_source, source) AS "lastSource", avatar_unique_id AS "avatarUniqueId",
  banned_at AS "bannedAt", state, state_reason AS "stateReason",
  bitrix_chat_id AS "bitrixChatId", bitrix_session_id AS "bitrixSessionId", last_inbound_at AS "lastInboundAt",
  last_outbound_at AS "lastOutboundAt", ${ACTIVE_AT} AS "activeAt", created_at AS "createdAt"`;

/** Reads of what was said, for people. Changes nothing. */
@Injectable()
export class HistoryRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Newest first, at most `limit`: the newest ones, or the nearest to the place that the filter names. Between two times
   * by time, otherwise by id. Throws {@link SearchTooLongError} when the filter makes PostgreSQL read too much of the
   * history: only a text in quotes, or one without letters and digits, can.
   */
  async messages(filter: MessageFilter, limit: number): Promise<MessageRow[]> {
    const rows = await this.search(async (connection) => {
      const values: unknown[] = [];
      const found = await idsOf(connection, filter, values, limit);
      const { rows: nearest } = await connection.query<MessageRow>(
        `SELECT ${MESSAGE_COLUMNS} FROM messages m LEFT JOIN chat_links c ON c.id = m.chat_id
          WHERE m.id IN (${found}) ORDER BY ${orderOf(filter)} LIMIT ${limit}`,
        values,
      );
      return nearest;
    });
    return filter.after ? rows.toReversed() : rows;
  }

  /** Where a message stands; of one that is gone by now: after the one before it. */
  async place(id: bigint): Promise<MessagePlace> {
    const { rows } = await this.db.query<{ createdAt: Date }>(
      `SELECT created_at AS "createdAt" FROM messages WHERE id <= $1 ORDER BY id DESC LIMIT 1`,
      [id],
    );
    return { id, createdAt: rows[0]?.createdAt ?? START.createdAt };
  }

  /**
   * How many messages the filter holds, counted one by one and no further than {@link COUNTED}. Throws as
   * {@link messages} does.
   */
  count(filter: MessageFilter): Promise<MessageTotal> {
    return this.search(async (connection) => {
      const values: unknown[] = [];
      const { rows } = await connection.query<{ count: bigint; cut?: boolean }>(
        await countingOf(connection, filter, values),
        values,
      );
      const count = Number(rows[0]!.count);
      return { count: Math.min(count, COUNTED), more: count > COUNTED || rows[0]!.cut === true };
    });
  }

  /**
   * Looks at the next `batch` messages that the other filters leave, and returns those of them that have the words:
   * oldest first, in the order of {@link messages} read backwards. `next` null: there are no more. A statement of its
   * own for each batch, so that an export of hours keeps no transaction open.
   */
  async exportSome(
    filter: MessageFilter,
    after: MessagePlace | null,
    batch: number,
  ): Promise<{ rows: MessageRow[]; next: MessagePlace | null }> {
    const onwards = { ...filter, after: after ?? START };
    const order = orderOf(onwards);
    const values: unknown[] = [];
    const nearest = nearestOf(await strataOf(this.db, onwards), onwards, values, batch);
    const { parts } = wordsConditions(parseSearch(filter.words ?? ''), values);
    const { rows: looked } = await this.db.query<MessagePlace & { meant: boolean }>(
      `SELECT m.id, m.created_at AS "createdAt", ${['true', ...parts].join(' AND ')} AS meant
         FROM messages m WHERE m.id IN (${nearest}) ORDER BY ${order}`,
      values,
    );
    const ids = looked.filter((message) => message.meant).map(({ id }) => id);
    const next = looked.length < batch ? null : looked.at(-1)!;
    if (ids.length === 0) return { rows: [], next };
    const { rows } = await this.db.query<MessageRow>(
      `SELECT ${MESSAGE_COLUMNS} FROM messages m LEFT JOIN chat_links c ON c.id = m.chat_id
        WHERE m.id = ANY($1::bigint[]) ORDER BY ${order}`,
      [ids],
    );
    return { rows, next };
  }

  async message(id: bigint): Promise<MessageStory | null> {
    const [messages, revisions, attempts, waiting] = await Promise.all([
      this.db.query<MessageStory['message']>(
        `SELECT ${MESSAGE_COLUMNS}, m.raw
           FROM messages m LEFT JOIN chat_links c ON c.id = m.chat_id WHERE m.id = $1`,
        [id],
      ),
      this.db.query<RevisionRow>(
        `SELECT number, text, marks, deleted, said_at AS "saidAt", created_at AS "createdAt"
           FROM revisions WHERE message_id = $1 ORDER BY number`,
        [id],
      ),
      this.db.query<AttemptRow>(
        `SELECT kind, number, started_at AS "startedAt", finished_at AS "finishedAt", outcome, code, detail, instance
           FROM attempts WHERE message_id = $1 ORDER BY id`,
        [id],
      ),
      this.db.query<WaitingRow>(
        `SELECT waiting.* FROM (
         SELECT d.kind, d.state, d.attempts, d.unknown_since IS NOT NULL AS unknown, d.started_at AS "startedAt",
                d.seq >= ${BEHIND} AND l.due_at = 'infinity' AS "waitsForClient",
                CASE WHEN l.due_at = 'infinity' THEN d.created_at ELSE l.due_at END AS "dueAt", l.endpoint,
                (SELECT count(*) FROM deliveries o WHERE o.lane_id = d.lane_id AND o.seq < d.seq)::int AS ahead
           FROM deliveries d JOIN lanes l ON l.id = d.lane_id WHERE d.message_id = $1 ORDER BY d.lane_id, d.seq) waiting
         UNION ALL (
         SELECT kind, 'queued', attempts, false, NULL, false, due_at, 'portal:' || portal_id, 0
           FROM dialog_reports WHERE message_id = $1 ORDER BY id)`,
        [id],
      ),
    ]);
    const [message] = messages.rows;
    return message ? { message, revisions: revisions.rows, attempts: attempts.rows, waiting: waiting.rows } : null;
  }

  /**
   * Ids of failed and uncertain messages above `after`, oldest first, at most `limit`. With a portal, without those of
   * chats that moved to another one since: what is done about them would happen there.
   */
  async replayable(filter: MessageFilter, after: bigint, limit: number): Promise<bigint[]> {
    const conditions = replayableConditions(filter);
    conditions.add(after, (place) => `m.id > ${place}`);
    const { rows } = await this.db.query<{ id: bigint }>(
      `SELECT m.id FROM messages m ${where(conditions)} ORDER BY m.id LIMIT ${conditions.place(limit)}`,
      conditions.values,
    );
    return rows.map((row) => row.id);
  }

  /** How many of those can be sent again: not those that their authors took back, nor those that belong to no chat. */
  async countRetryable(filter: MessageFilter): Promise<number> {
    const conditions = replayableConditions(filter);
    conditions.also('m.deleted_at IS NULL AND m.chat_id IS NOT NULL');
    const { rows } = await this.db.query<{ count: bigint }>(
      `SELECT count(*) AS count FROM messages m ${where(conditions)}`,
      conditions.values,
    );
    return Number(rows[0]!.count);
  }

  /** Newest first, at most `limit`. */
  async chats(filter: ChatFilter, limit: number): Promise<ChatRow[]> {
    const conditions = chatConditions(filter);
    conditions.values.push(limit);
    return this.rows<ChatRow>(
      `SELECT ${CHAT_COLUMNS} FROM chat_links ${where(conditions)} ORDER BY id DESC LIMIT $${conditions.values.length}`,
      conditions.values,
    );
  }

  /**
   * Those in which somebody wrote last come first, at most `limit`. Sorts every chat that the filter leaves: an index
   * would have to be written with each message.
   */
  async chatsByActivity(filter: ChatFilter, limit: number, after?: ChatPlace): Promise<ChatRow[]> {
    const conditions = chatConditions(filter);
    if (after) {
      const { values } = conditions;
      const [time, id] = [values.push(after.activeAt), values.push(after.id)];
      conditions.also(`(${ACTIVE_AT}, id) < ($${time}::timestamptz, $${id}::bigint)`);
    }
    const { values } = conditions;
    return this.rows<ChatRow>(
      `SELECT ${CHAT_COLUMNS} FROM chat_links ${where(conditions)}
        ORDER BY ${ACTIVE_AT} DESC, id DESC LIMIT $${values.push(limit)}`,
      values,
    );
  }

  async chat(id: bigint): Promise<ChatRow | null> {
    const { rows } = await this.db.query<ChatRow>(`SELECT ${CHAT_COLUMNS} FROM chat_links WHERE id = $1`, [id]);
    return rows[0] ?? null;
  }

  private rows<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    return this.search(async (connection) => (await connection.query<Row>(text, values)).rows);
  }

  private async search<Result>(work: (connection: Queryable) => Promise<Result>): Promise<Result> {
    try {
      return await this.db.transaction(async (connection) => {
        // Compiling takes longer than any search should.
        await connection.query(`SET LOCAL statement_timeout = ${SEARCH_TIMEOUT_MS}; SET LOCAL jit = off`);
        return work(connection);
      });
    } catch (error) {
      const QUERY_CANCELED = '57014';
      if ((error as { code?: string }).code !== QUERY_CANCELED) throw error;
      throw new SearchTooLongError('The search was given up', { cause: error });
    }
  }
}

/** Before every message, by id and by time. */
const START: MessagePlace = { id: -1n, createdAt: new Date(0) };

/** SQL: ids of the first `limit` messages that the filter leaves without regard to its words, in the order of {@link orderOf}. */
function nearestOf(strata: Strata | null, filter: MessageFilter, values: unknown[], limit: number): string {
  if (strata) return newestOfStrata(strata, filter, values, limit);
  return `SELECT m.id FROM messages m ${where(messageConditions(filter, values))} ORDER BY ${orderOf(filter)} LIMIT ${limit}`;
}

/** SQL: the same of those that have its words. */
async function idsOf(connection: Queryable, filter: MessageFilter, values: unknown[], limit: number): Promise<string> {
  const search = parseSearch(filter.words ?? '');
  const strata = await strataOf(connection, filter);
  if (isEmpty(search)) return nearestOf(strata, filter, values, limit);
  if (search.terms.length === 0) {
    return `SELECT m.id FROM messages m ${where(messageConditions(filter, values), textConditions(search.exact, values))}
             ORDER BY ${orderOf(filter)} LIMIT ${limit}`;
  }
  if (!(await areFew(connection, strata, filter))) return byWords(filter, search, values, limit);
  // One after the other, until the page is full.
  const texts = textConditions(search.exact, values);
  return `SELECT n.id FROM (${nearestOf(strata, filter, values, NEAREST)}) n
           CROSS JOIN LATERAL (
             SELECT FROM message_words w WHERE w.message_id = n.id AND w.words @@ ${wordsQuery(search.terms, values)} OFFSET 0) w
           CROSS JOIN LATERAL (${texts.parts.length > 0 ? `SELECT FROM messages m ${where(texts)} AND m.id = n.id` : 'SELECT'} OFFSET 0) t
           LIMIT ${limit}`;
}

/** SQL: `count` of the messages that the filter means, and whether more may be beyond those that were looked at (`cut`). */
async function countingOf(connection: Queryable, filter: MessageFilter, values: unknown[]): Promise<string> {
  const search = parseSearch(filter.words ?? '');
  const strata = await strataOf(connection, filter);
  const most = COUNTED + 1;
  if (search.terms.length === 0 || (await areFew(connection, strata, filter))) {
    const nearest = nearestOf(strata, filter, values, most);
    const { parts } = wordsConditions(search, values);
    if (parts.length === 0) return `SELECT count(*) AS count FROM (${nearest}) m`;
    return `SELECT count(*) FILTER (WHERE ${parts.join(' AND ')}) AS count, count(*) = ${most} AS cut
              FROM messages m WHERE m.id IN (${nearest})`;
  }
  const found = `SELECT message_id AS id FROM message_words w WHERE w.words @@ ${wordsQuery(search.terms, values)} LIMIT ${most}`;
  const rest = where(messageConditions(filter, values), textConditions(search.exact, values));
  if (rest === '') return `SELECT count(*) AS count FROM (${found}) m`;
  return `WITH found AS MATERIALIZED (${found})
          SELECT count(*) AS count, (SELECT count(*) FROM found) = ${most} AS cut FROM found JOIN messages m USING (id) ${rest}`;
}

/** Whether the filter leaves so few messages without regard to its words that each can be looked at. */
async function areFew(connection: Queryable, strata: Strata | null, filter: MessageFilter): Promise<boolean> {
  const values: unknown[] = [];
  if (messageConditions(filter).parts.length === 0) return false;
  const { rows } = await connection.query<{ count: bigint }>(
    `SELECT count(*) AS count FROM (${nearestOf(strata, filter, values, NEAREST + 1)}) m`,
    values,
  );
  return rows[0]!.count <= NEAREST;
}
function replayableConditions(filter: MessageFilter): Conditions {
  const conditions = messageConditions(filter);
  conditions.also(`m.state IN ('failed', 'uncertain')`);
  if (filter.portalId !== undefined) {
    conditions.also(`EXISTS (SELECT FROM chat_links c WHERE c.id = m.chat_id AND c.portal_id = m.portal_id)`);
  }
  return conditions;
}

function chatConditions(filter: ChatFilter): Conditions {
  const conditions = new Conditions();
  conditions.add(filter.portalId, (place) => `portal_id = ${place}`);
  conditions.add(filter.botId, (place) => `bot_id = ${place}`);
  conditions.add(filter.state, (place) => `state = ${place}::"ChatState"`);
  conditions.add(filter.before, (place) => `id < ${place}`);
  conditions.add(filter.source, (place) => `(source = ${place} OR last_source = ${place})`);
  conditions.add(
    filter.words && substringPattern(filter.words),
    (place) => `(title ~ ${place} OR username ~ ${place} OR external_id ~ ${place})`,
  );
  return conditions;
}
