import { Injectable } from '@nestjs/common';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { BEHIND } from '../work/outbox.js';
import {
  ACTIVE_AT,
  CHAT_COLUMNS,
  chatConditions,
  type ChatFilter,
  type ChatPlace,
  type ChatRow,
} from './shown-chat.js';
import { orderOf, where, type Conditions, type MessageFilter, type MessagePlace } from './message-filter.js';
import {
  MESSAGE_COLUMNS,
  type AttemptRow,
  type MessageRow,
  type MessageStory,
  type MessageTotal,
  type RevisionRow,
  type WaitingRow,
} from './shown-message.js';
import { wordsConditions } from './message-search.js';
import {
  COUNTED,
  countingOf,
  idsOf,
  nearestOf,
  replayableConditions,
  retryableConditions,
  START,
} from './message-selection.js';
import { strataOf } from './message-strata.js';
import { parseSearch } from './text-search.js';

/** Longest time a search may read the history, in milliseconds: beyond it the caller should narrow it. */
const SEARCH_TIMEOUT_MS = 10_000;

/** Thrown when the history is too long to be searched in the time given. */
export class SearchTooLongError extends Error {
  override readonly name = 'SearchTooLongError';
}

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
   * chats that moved to another one since: what is done about them would happen there. {@link countReplayable} counts them.
   */
  replayable(filter: MessageFilter, after: bigint, limit: number): Promise<bigint[]> {
    return this.oldest(replayableConditions(filter), after, limit);
  }

  /** The same of those that can be sent again, which {@link countRetryable} counts. */
  retryable(filter: MessageFilter, after: bigint, limit: number): Promise<bigint[]> {
    return this.oldest(retryableConditions(filter), after, limit);
  }

  private async oldest(conditions: Conditions, after: bigint, limit: number): Promise<bigint[]> {
    conditions.add(after, (place) => `m.id > ${place}`);
    const { rows } = await this.db.query<{ id: bigint }>(
      `SELECT m.id FROM messages m ${where(conditions)} ORDER BY m.id LIMIT ${conditions.place(limit)}`,
      conditions.values,
    );
    return rows.map((row) => row.id);
  }

  /** How many failed and uncertain messages there are. */
  countReplayable(filter: MessageFilter): Promise<number> {
    return this.counted(replayableConditions(filter));
  }

  /** How many of them can be sent again. */
  countRetryable(filter: MessageFilter): Promise<number> {
    return this.counted(retryableConditions(filter));
  }

  private async counted(conditions: Conditions): Promise<number> {
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
