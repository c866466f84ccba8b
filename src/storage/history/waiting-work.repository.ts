import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import type { Channel, Direction } from '../prisma/client.js';

/** Since when the work that waits longest has been waiting, per portal, bot and direction. */
export interface OldestWaiting {
  portalId: bigint | null;
  botId: bigint | null;
  direction: Direction;
  since: Date;
}

/** What is still to be done on one channel. */
export interface QueueDepth {
  channel: Channel;
  chats: number;
  deliveries: number;
}

/** Answers of a bot that do not leave. */
export interface Hindrance {
  botId: bigint;
  /** How many wait because Telegram asked for a long silence, and until when the longest of those lasts. */
  silenced: number;
  silentUntil: Date | null;
  /** How many were tried several times in vain, and why the oldest of them: `<code>: <detail>`. */
  failing: number;
  failure: string | null;
}

/** A pause of seconds is over by then; what fails once more is no hiccup. */
const TRIES_IN_VAIN = 3;

/**
 * SQL: messages `m` that wait, each with the delivery `d` that is to take it: a message that is sent again waits from
 * then on, however old it is. Without lines that wait for their client's next words: nobody is late with those.
 */
const WAITING = `messages m LEFT JOIN deliveries d ON d.message_id = m.id AND d.kind = 'message'
   WHERE m.state = 'queued' AND NOT m.can_wait`;
const WAITS_SINCE = 'coalesce(d.created_at, m.created_at)';

/** What waits, for how long, and why. Changes nothing. */
@Injectable()
export class WaitingWorkRepository {
  constructor(private readonly db: DatabaseService) {}

  async oldestWaiting(portalId?: bigint): Promise<OldestWaiting[]> {
    const { rows } = await this.db.query<OldestWaiting>(
      `SELECT m.portal_id AS "portalId", m.bot_id AS "botId", m.direction, min(${WAITS_SINCE}) AS since
         FROM ${WAITING} AND ($1::bigint IS NULL OR m.portal_id = $1)
        GROUP BY m.portal_id, m.bot_id, m.direction`,
      [portalId ?? null],
    );
    return rows;
  }

  /**
   * Cheap whatever the history: reads only lanes that have work, through their partial indexes, and delivery reports that
   * wait. Without those that wait for their client's next words.
   */
  async queueDepths(): Promise<QueueDepth[]> {
    const { rows } = await this.db.query<{ channel: Channel; chats: bigint; deliveries: bigint }>(
      `SELECT channel, count(*) AS chats, sum(pending)::bigint AS deliveries
         FROM (SELECT channel, pending FROM lanes WHERE pending > 0 AND busy_fence IS NULL AND due_at < 'infinity'
               UNION ALL
               SELECT channel, pending FROM lanes WHERE busy_fence IS NOT NULL
               UNION ALL
               SELECT 'status', count(*) FROM dialog_reports WHERE kind = 'status' GROUP BY portal_id, external_chat_id) busy
        GROUP BY channel`,
    );
    return rows.map((row) => ({
      channel: row.channel,
      chats: Number(row.chats),
      deliveries: Number(row.deliveries),
    }));
  }

  /** For how many seconds the work that waits longest has been waiting, by the database's clock; null: nothing waits. */
  async oldestWaitingSeconds(): Promise<number | null> {
    const { rows } = await this.db.query<{ seconds: number | null }>(
      `SELECT extract(epoch FROM now() - min(${WAITS_SINCE}))::float8 AS seconds FROM ${WAITING}`,
    );
    const seconds = rows[0]?.seconds ?? null;
    return seconds === null ? null : Math.max(0, seconds);
  }

  /** {@link oldestWaitingSeconds} for each portal for which something waits; reads everything that waits. */
  async oldestWaitingByPortal(): Promise<{ portalId: bigint | null; seconds: number }[]> {
    const { rows } = await this.db.query<{ portalId: bigint | null; seconds: number }>(
      `SELECT m.portal_id AS "portalId", greatest(0, extract(epoch FROM now() - min(${WAITS_SINCE})))::float8 AS seconds
         FROM ${WAITING} GROUP BY m.portal_id`,
    );
    return rows;
  }

  /** What keeps operators' answers from leaving, by bot; reads every answer that waits. */
  async hindrances(): Promise<Hindrance[]> {
    const { rows } = await this.db.query<
      Omit<Hindrance, 'failing' | 'silenced'> & { failing: bigint; silenced: bigint }
    >(
      `SELECT c.bot_id AS "botId",
              count(*) FILTER (WHERE l.waits_until > now()) AS silenced,
              max(l.waits_until) FILTER (WHERE l.waits_until > now()) AS "silentUntil",
              count(*) FILTER (WHERE m.attempts >= $1 AND m.error_code NOT IN ('paced', '429')) AS failing,
              (array_agg(m.error_code || ': ' || m.error_detail ORDER BY m.id)
                FILTER (WHERE m.attempts >= $1 AND m.error_code NOT IN ('paced', '429')))[1] AS failure
         FROM messages m JOIN chat_links c ON c.id = m.chat_id JOIN lanes l ON l.chat_id = c.id AND l.channel = 'outbound'
        WHERE m.state = 'queued' AND m.direction = 'outbound'
        GROUP BY c.bot_id`,
      [TRIES_IN_VAIN],
    );
    return rows.map((row) => ({ ...row, failing: Number(row.failing), silenced: Number(row.silenced) }));
  }
}
