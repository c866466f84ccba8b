import { Injectable } from '@nestjs/common';
import { DatabaseService } from './database.service.js';
import type { ChatState, DeliveryKind, DeliveryState, Direction, MessageState } from './prisma/client.js';
import { substringPattern } from './text-search.js';

/** Longest time a search may read the history, in milliseconds: beyond it the caller should narrow it. */
const SEARCH_TIMEOUT_MS = 10_000;

/** `sending` is a queued message whose delivery is under way. */
export type ShownState = MessageState | 'sending';

/** Which messages are meant; everything that is set must hold. `before`: ids below it. */
export interface MessageFilter {
  state?: ShownState;
  direction?: Direction;
  /** Substring of the text, in either case. */
  words?: string;
  chatId?: bigint;
  portalId?: bigint;
  botId?: bigint;
  /** Bounds of `createdAt`, both included. */
  from?: Date;
  to?: Date;
  before?: bigint;
}

/** A message as lists show it. */
export interface MessageRow {
  id: bigint;
  direction: Direction;
  state: ShownState;
  kind: string;
  text: string;
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
  endpoint: string;
}

/** One message with everything that was tried and everything that is still to come. */
export interface MessageStory {
  message: MessageRow & { marks: unknown; raw: unknown };
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
  state: ChatState;
  stateReason: string | null;
  bitrixChatId: string | null;
  bitrixSessionId: string | null;
  lastInboundAt: Date | null;
  lastOutboundAt: Date | null;
  createdAt: Date;
}

export interface ChatFilter {
  /** Substring of title, user name or external id, in either case. */
  words?: string;
  portalId?: bigint;
  botId?: bigint;
  state?: ChatState;
  before?: bigint;
}

/** Thrown when the history is too long to be searched in the time given. */
export class SearchTooLongError extends Error {
  override readonly name = 'SearchTooLongError';
}

const SENDING = `EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id AND d.kind = 'message' AND d.state = 'sending')`;

const MESSAGE_COLUMNS = `
  m.id, m.direction,
  CASE WHEN m.state = 'queued' AND ${SENDING} THEN 'sending' ELSE m.state::text END AS state,
  m.kind, m.text, m.chat_id AS "chatId", m.portal_id AS "portalId", m.bot_id AS "botId",
  c.telegram_chat_id AS "telegramChatId", coalesce(c.external_id, m.external_chat_id) AS "externalChatId",
  ARRAY(SELECT l.telegram_message_id::text FROM message_links l WHERE l.message_id = m.id ORDER BY l.part)
    AS "telegramMessageIds",
  m.bitrix_message_id AS "bitrixMessageId", m.author_id AS "authorId", m.author_name AS "authorName", m.unsigned,
  m.attempts, m.error_code AS "errorCode", m.error_detail AS "errorDetail", m.said_at AS "saidAt",
  m.created_at AS "createdAt", m.delivered_at AS "deliveredAt", m.seen_at AS "seenAt"`;

const CHAT_COLUMNS = `
  id, bot_id AS "botId", portal_id AS "portalId", external_id AS "externalId", telegram_chat_id AS "telegramChatId",
  thread_id AS "threadId", type, title, username, language, state, state_reason AS "stateReason",
  bitrix_chat_id AS "bitrixChatId", bitrix_session_id AS "bitrixSessionId", last_inbound_at AS "lastInboundAt",
  last_outbound_at AS "lastOutboundAt", created_at AS "createdAt"`;

/** Reads of what was said, for people. Changes nothing. */
@Injectable()
export class HistoryRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Newest first, at most `limit`. Throws {@link SearchTooLongError} when the filter makes PostgreSQL read too much
   * of the history.
   */
  async messages(filter: MessageFilter, limit: number): Promise<MessageRow[]> {
    const { where, values } = messageConditions(filter);
    values.push(limit);
    return this.search<MessageRow>(
      `SELECT ${MESSAGE_COLUMNS} FROM messages m LEFT JOIN chat_links c ON c.id = m.chat_id
        ${where} ORDER BY m.id DESC LIMIT $${values.length}`,
      values,
    );
  }

  async message(id: bigint): Promise<MessageStory | null> {
    const [messages, attempts, waiting] = await Promise.all([
      this.db.query<MessageStory['message']>(
        `SELECT ${MESSAGE_COLUMNS}, m.marks, m.raw
           FROM messages m LEFT JOIN chat_links c ON c.id = m.chat_id WHERE m.id = $1`,
        [id],
      ),
      this.db.query<AttemptRow>(
        `SELECT kind, number, started_at AS "startedAt", finished_at AS "finishedAt", outcome, code, detail, instance
           FROM attempts WHERE message_id = $1 ORDER BY id`,
        [id],
      ),
      this.db.query<WaitingRow>(
        `SELECT d.kind, d.state, d.attempts, d.unknown, d.started_at AS "startedAt", l.due_at AS "dueAt", l.endpoint,
                (SELECT count(*) FROM deliveries o WHERE o.lane_id = d.lane_id AND o.seq < d.seq)::int AS ahead
           FROM deliveries d JOIN lanes l ON l.id = d.lane_id WHERE d.message_id = $1 ORDER BY d.lane_id, d.seq`,
        [id],
      ),
    ]);
    const [message] = messages.rows;
    return message ? { message, attempts: attempts.rows, waiting: waiting.rows } : null;
  }

  /** Ids of failed and uncertain messages above `after`, oldest first, at most `limit`. */
  async replayable(filter: MessageFilter, after: bigint, limit: number): Promise<bigint[]> {
    const conditions = messageConditions(filter);
    conditions.also(`m.state IN ('failed', 'uncertain')`);
    conditions.add(after, (place) => `m.id > ${place}`);
    conditions.values.push(limit);
    const { rows } = await this.db.query<{ id: bigint }>(
      `SELECT m.id FROM messages m ${conditions.where} ORDER BY m.id LIMIT $${conditions.values.length}`,
      conditions.values,
    );
    return rows.map((row) => row.id);
  }

  async chats(filter: ChatFilter, limit: number): Promise<ChatRow[]> {
    const { where, values } = chatConditions(filter);
    values.push(limit);
    return this.search<ChatRow>(
      `SELECT ${CHAT_COLUMNS} FROM chat_links ${where} ORDER BY id DESC LIMIT $${values.length}`,
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
        await connection.query(`SET LOCAL statement_timeout = ${SEARCH_TIMEOUT_MS}`);
        return (await connection.query<Row>(text, values)).rows;
      });
    } catch (error) {
      const QUERY_CANCELED = '57014';
      if ((error as { code?: string }).code !== QUERY_CANCELED) throw error;
      throw new SearchTooLongError('The search was given up', { cause: error });
    }
  }
}

/** The conditions that are set, joined; `$n` is the place of each value. */
class Conditions {
  readonly values: unknown[] = [];
  private readonly parts: string[] = [];

  add(value: unknown, condition: (place: string) => string): void {
    if (value === undefined) return;
    this.values.push(value);
    this.parts.push(condition(`$${this.values.length}`));
  }

  also(condition: string): void {
    this.parts.push(condition);
  }

  get where(): string {
    return this.parts.length > 0 ? `WHERE ${this.parts.join(' AND ')}` : '';
  }
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
  conditions.add(filter.before, (place) => `m.id < ${place}`);
  conditions.add(filter.words && substringPattern(filter.words), (place) => `m.text ~ ${place}`);
  return conditions;
}

function chatConditions(filter: ChatFilter): Conditions {
  const conditions = new Conditions();
  conditions.add(filter.portalId, (place) => `portal_id = ${place}`);
  conditions.add(filter.botId, (place) => `bot_id = ${place}`);
  conditions.add(filter.state, (place) => `state = ${place}::"ChatState"`);
  conditions.add(filter.before, (place) => `id < ${place}`);
  conditions.add(
    filter.words && substringPattern(filter.words),
    (place) => `(title ~ ${place} OR username ~ ${place} OR external_id ~ ${place})`,
  );
  return conditions;
}
