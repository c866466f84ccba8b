import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';
import type { ChatState, DeliveryKind, DeliveryState, Direction, MessageState } from './prisma/client.js';
import { BEHIND } from './outbox.js';
import { parseSearch, substringPattern, type SearchTerm } from './text-search.js';

/** Longest time a search may read the history, in milliseconds: beyond it the caller should narrow it. */
const SEARCH_TIMEOUT_MS = 10_000;

/**
 * Of so many of the newest messages that the other filters leave, each is looked at whether it has the words, before
 * the index of words is asked. What is not among them once in 200 is rare enough for all of its places to be
 * fetched and sorted, and what is frequent has filled the page.
 */
const NEWEST = 10_000;

/** `sending` is a queued message whose delivery is under way. */
export type ShownState = MessageState | 'sending';

/** Which messages are meant; everything that is set must hold. `before`: ids below it. */
export interface MessageFilter {
  state?: ShownState;
  direction?: Direction;
  /** What a person typed to find: see `parseSearch` of text-search.ts. */
  words?: string;
  chatId?: bigint;
  portalId?: bigint;
  botId?: bigint;
  /** Bounds of `createdAt`, both included. */
  from?: Date;
  to?: Date;
  before?: bigint;
}

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

/** How far an export came: the last message that was looked at. */
export interface ExportPlace {
  id: bigint;
  createdAt: Date;
}

/** Thrown when the history is too long to be searched in the time given. */
export class SearchTooLongError extends Error {
  override readonly name = 'SearchTooLongError';
}

const SENDING = `EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id AND d.kind = 'message' AND d.state = 'sending')`;

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
   * Newest first, at most `limit`; between two times by time, otherwise by id, which differ by no more than the
   * length of an intake. Throws {@link SearchTooLongError} when the filter makes PostgreSQL read too much of the
   * history: only a text in quotes, or one without letters and digits, can.
   */
  async messages(filter: MessageFilter, limit: number): Promise<MessageRow[]> {
    const conditions = messageConditions(filter);
    const { terms, exact } = parseSearch(filter.words ?? '');
    const texts = new Conditions(conditions.values);
    for (const text of exact) texts.add(substringPattern(text), (place) => `m.text ~ ${place}`);
    const last = `ORDER BY ${orderOf(filter)} LIMIT ${limit}`;
    const found =
      terms.length === 0
        ? `SELECT m.id FROM messages m ${where(conditions, texts)} ${last}`
        : byWords(conditions, texts, terms, filter, limit);
    return this.search<MessageRow>(
      `SELECT ${MESSAGE_COLUMNS} FROM messages m LEFT JOIN chat_links c ON c.id = m.chat_id
        WHERE m.id IN (${found}) ${last}`,
      conditions.values,
    );
  }

  /**
   * Looks at the next `batch` messages that the other filters leave, and returns those of them that have the words:
   * oldest first, in the order of {@link messages} read backwards. `next` null: there are no more. A statement of its
   * own for each batch, so that an export of hours keeps no transaction open.
   */
  async exportSome(
    filter: MessageFilter,
    after: ExportPlace | null,
    batch: number,
  ): Promise<{ rows: MessageRow[]; next: ExportPlace | null }> {
    const conditions = messageConditions(filter);
    const order = byTime(filter) ? 'm.created_at, m.id' : 'm.id';
    if (after) {
      const id = `$${conditions.values.push(after.id)}`;
      conditions.also(
        byTime(filter) ? `(m.created_at, m.id) > ($${conditions.values.push(after.createdAt)}, ${id})` : `m.id > ${id}`,
      );
    }
    const { terms, exact } = parseSearch(filter.words ?? '');
    const meant = new Conditions(conditions.values);
    for (const text of exact) meant.add(substringPattern(text), (place) => `m.text ~ ${place}`);
    if (terms.length > 0) {
      const query = wordsQuery(terms, conditions.values);
      meant.also(`EXISTS (SELECT FROM message_words w WHERE w.message_id = m.id AND w.words @@ ${query})`);
    }
    const { rows: looked } = await this.db.query<ExportPlace & { meant: boolean }>(
      `SELECT m.id, m.created_at AS "createdAt", ${['true', ...meant.parts].join(' AND ')} AS meant
         FROM (SELECT m.id, m.created_at, m.text FROM messages m ${where(conditions)} ORDER BY ${order} LIMIT ${batch}) m
        ORDER BY ${order}`,
      conditions.values,
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
        `SELECT d.kind, d.state, d.attempts, d.unknown_since IS NOT NULL AS unknown, d.started_at AS "startedAt",
                d.seq >= ${BEHIND} AND l.due_at = 'infinity' AS "waitsForClient",
                CASE WHEN l.due_at = 'infinity' THEN d.created_at ELSE l.due_at END AS "dueAt", l.endpoint,
                (SELECT count(*) FROM deliveries o WHERE o.lane_id = d.lane_id AND o.seq < d.seq)::int AS ahead
           FROM deliveries d JOIN lanes l ON l.id = d.lane_id WHERE d.message_id = $1 ORDER BY d.lane_id, d.seq`,
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
    const conditions = messageConditions(filter);
    conditions.also(`m.state IN ('failed', 'uncertain')`);
    if (filter.portalId !== undefined) {
      conditions.also(`EXISTS (SELECT FROM chat_links c WHERE c.id = m.chat_id AND c.portal_id = m.portal_id)`);
    }
    conditions.add(after, (place) => `m.id > ${place}`);
    conditions.values.push(limit);
    const { rows } = await this.db.query<{ id: bigint }>(
      `SELECT m.id FROM messages m ${where(conditions)} ORDER BY m.id LIMIT $${conditions.values.length}`,
      conditions.values,
    );
    return rows.map((row) => row.id);
  }

  /** Newest first, at most `limit`. */
  async chats(filter: ChatFilter, limit: number): Promise<ChatRow[]> {
    const conditions = chatConditions(filter);
    conditions.values.push(limit);
    return this.search<ChatRow>(
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
    return this.search<ChatRow>(
      `SELECT ${CHAT_COLUMNS} FROM chat_links ${where(conditions)}
        ORDER BY ${ACTIVE_AT} DESC, id DESC LIMIT $${values.push(limit)}`,
      values,
    );
  }

  async chat(id: bigint): Promise<ChatRow | null> {
    const { rows } = await this.db.query<ChatRow>(`SELECT ${CHAT_COLUMNS} FROM chat_links WHERE id = $1`, [id]);
    return rows[0] ?? null;
  }

  private async search<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    try {
      return await this.db.transaction(async (connection) => {
        // Compiling takes longer than any search should.
        await connection.query(`SET LOCAL statement_timeout = ${SEARCH_TIMEOUT_MS}; SET LOCAL jit = off`);
        return (await connection.query<Row>(text, values)).rows;
      });
    } catch (error) {
      const QUERY_CANCELED = '57014';
      if ((error as { code?: string }).code !== QUERY_CANCELED) throw error;
      throw new SearchTooLongError('The search was given up', { cause: error });
    }
  }
}

/** The conditions that are set; `$n` is the place of each value. */
class Conditions {
  readonly parts: string[] = [];

  constructor(readonly values: unknown[] = []) {}

  add(value: unknown, condition: (place: string) => string): void {
    if (value === undefined) return;
    this.values.push(value);
    this.parts.push(condition(`$${this.values.length}`));
  }

  also(condition: string): void {
    this.parts.push(condition);
  }
}

function where(...conditions: Conditions[]): string {
  const parts = conditions.flatMap((some) => some.parts);
  return parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '';
}

/** In the order of time; when the message is gone by now, earlier than the one before it. */
function earlierThan(place: string): string {
  const time = `(SELECT b.created_at FROM messages b WHERE b.id <= ${place} ORDER BY b.id DESC LIMIT 1)`;
  return `(m.created_at, m.id) < (${time}, ${place})`;
}

function orderOf(filter: MessageFilter): string {
  return byTime(filter) ? 'm.created_at DESC, m.id DESC' : 'm.id DESC';
}

function byTime({ from, to }: MessageFilter): boolean {
  return from !== undefined || to !== undefined;
}

/**
 * SQL: ids of the newest messages that have the words. The planner is not left to guess whether to go through the
 * history from its end or to fetch and sort every place of the words: when they are frequent one by one and rare
 * together it guesses wrong, and reads all of the history. Nor whether to look at the messages of these places before
 * they are sorted: only so many are looked at, newest first, as it takes to fill the page.
 */
function byWords(
  filters: Conditions,
  texts: Conditions,
  terms: SearchTerm[],
  filter: MessageFilter,
  limit: number,
): string {
  const query = wordsQuery(terms, filters.values);
  const wordsAlone = filters.parts.length + texts.parts.length === 0;
  const last = `ORDER BY ${orderOf(filter)} LIMIT ${limit}`;
  const isShort = `(SELECT count(*) FROM recent) < ${limit} AND EXISTS (SELECT FROM messages m ${where(filters)} OFFSET ${NEWEST})`;
  const places = `SELECT w.message_id AS id FROM message_words w WHERE w.words @@ ${query}`;
  const newest = wordsAlone
    ? `SELECT m.id
         FROM (SELECT message_id AS id, words FROM message_words ORDER BY message_id DESC LIMIT ${NEWEST}) m
        WHERE m.words @@ ${query}`
    : `SELECT m.id
         FROM (SELECT m.id, m.created_at, m.text FROM messages m ${where(filters)} ORDER BY ${orderOf(filter)} LIMIT ${NEWEST}) m
        CROSS JOIN LATERAL (SELECT FROM message_words w WHERE w.message_id = m.id AND w.words @@ ${query} OFFSET 0) w
        ${where(texts)}`;
  // OFFSET 0 keeps the planner out of a query.
  const all = wordsAlone
    ? `SELECT m.id FROM (${places} OFFSET 0) m WHERE ${isShort}`
    : byTime(filter)
      ? `SELECT m.id FROM (${places} OFFSET 0) w JOIN messages m USING (id) ${where(filters, texts)} AND ${isShort}`
      : `SELECT m.id
           FROM (${places} AND ${isShort} ORDER BY w.message_id DESC OFFSET 0) w
          CROSS JOIN LATERAL (SELECT m.id FROM messages m ${where(filters, texts)} AND m.id = w.id OFFSET 0) m`;
  return `
    WITH recent AS MATERIALIZED (${newest} ${last}), older AS (${all} ${wordsAlone || byTime(filter) ? last : `ORDER BY w.id DESC LIMIT ${limit}`})
    SELECT id FROM recent UNION SELECT id FROM older`;
}

/**
 * SQL: what the vector of a message must match. The stem of a word stands for the word, too, unless it is one of those
 * that have none (`the`, `и`).
 */
function wordsQuery(terms: SearchTerm[], values: unknown[]): string {
  const alternatives = terms.map(({ word, prefix, forms }) => {
    const asItStands = `$${values.push(`'${word}'${prefix ? ':*' : ''}`)}::tsquery`;
    if (!forms) return asItStands;
    const stem = `plainto_tsquery('russian', $${values.push(word)})`;
    return prefix ? `(${asItStands} || ${stem})` : `CASE WHEN numnode(${stem}) > 0 THEN ${stem} ELSE ${asItStands} END`;
  });
  return `(${alternatives.join(' && ')})`;
}

function messageConditions(filter: MessageFilter): Conditions {
  const conditions = new Conditions();
  const stored = filter.state === 'sending' ? 'queued' : filter.state;
  conditions.add(stored, (place) => `m.state = ${place}::"MessageState"`);
  if (filter.state === 'sending') conditions.also(SENDING);
  if (filter.state === 'queued') conditions.also(`NOT ${SENDING}`);
  conditions.add(filter.direction, (place) => `m.direction = ${place}::"Direction"`);
  conditions.add(filter.chatId, (place) => `m.chat_id = ${place}`);
  conditions.add(filter.portalId, (place) => `m.portal_id = ${place}`);
  conditions.add(filter.botId, (place) => `m.bot_id = ${place}`);
  conditions.add(filter.from, (place) => `m.created_at >= ${place}`);
  conditions.add(filter.to, (place) => `m.created_at <= ${place}`);
  conditions.add(filter.before, (place) => (byTime(filter) ? earlierThan(place) : `m.id < ${place}`));
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
