import { Injectable } from '@nestjs/common';
import { select } from '../postgres/columns.js';
import { DatabaseService } from '../postgres/database.service.js';
import type { BotMode, BotState, Direction, MessageState } from '../prisma/client.js';
import type { ShownState } from './message-filter.js';

/** Messages of one portal, bot, direction and state. */
export interface MessageCount {
  portalId: bigint | null;
  botId: bigint | null;
  direction: Direction;
  state: ShownState;
  count: number;
}

/** A bot as the doctor sees it: no token. */
export interface BotFacts {
  id: bigint;
  username: string | null;
  mode: BotMode;
  state: BotState;
  stateReason: string | null;
  portalId: bigint | null;
  lineId: string | null;
  /** Its own Bot API servers; null: those of the installation. */
  apiRoot: string | null;
}

/** How many there are in each state; states without any are left out. */
export interface Census {
  portals: Map<string, number>;
  bots: Map<string, number>;
  lines: Map<string, number>;
}

/** What passes through one bot for one portal. */
export interface Traffic {
  /** Newest words of a client, and newest answer that reached one. */
  lastInboundAt: Date | null;
  lastOutboundAt: Date | null;
  /** Messages that wait, either way. */
  waiting: number;
  /** Failed and uncertain ones. */
  failed: number;
}

/** What the service has to work with, at a glance. */
export interface Inventory {
  /** Beside the one of B24_CLIENT_ID. */
  storedApplications: number;
  portals: number;
  activePortals: number;
  bots: number;
  botsWithLine: number;
}

/** Counts what there is and what became of it, for the admin API, the doctor and metrics. Changes nothing. */
@Injectable()
export class OverviewRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Every message ever, or of one portal, counted; cheap whatever the history, which is counted as it is written. */
  async messageCounts(portalId?: bigint): Promise<MessageCount[]> {
    const { rows } = await this.db.query<
      Omit<MessageCount, 'count' | 'state'> & { state: MessageState; count: bigint }
    >(
      `SELECT portal_id AS "portalId", bot_id AS "botId", direction, state, sum(change)::bigint AS count
         FROM message_counts WHERE $1::bigint IS NULL OR portal_id = $1
        GROUP BY portal_id, bot_id, direction, state`,
      [portalId ?? null],
    );
    const sending = await this.sendingCounts(portalId);
    return splitSending(
      rows.map((row) => ({ ...row, count: Number(row.count) })),
      sending,
    );
  }

  private async sendingCounts(portalId: bigint | undefined): Promise<MessageCount[]> {
    const { rows } = await this.db.query<Omit<MessageCount, 'count' | 'state'> & { count: bigint }>(
      `SELECT m.portal_id AS "portalId", m.bot_id AS "botId", m.direction, count(*) AS count
         FROM deliveries d JOIN messages m ON m.id = d.message_id
        WHERE d.state = 'sending' AND d.kind = 'message' AND m.state = 'queued'
          AND ($1::bigint IS NULL OR m.portal_id = $1)
        GROUP BY m.portal_id, m.bot_id, m.direction`,
      [portalId ?? null],
    );
    return rows.map((row) => ({ ...row, state: 'sending', count: Number(row.count) }));
  }

  /** Messages of the last 24 hours that ended as failed or uncertain, by portal; cheap whatever the history. */
  async attention(): Promise<{ portalId: bigint | null; failed: number; uncertain: number }[]> {
    const { rows } = await this.db.query<{ portalId: bigint | null; failed: bigint; uncertain: bigint }>(
      `SELECT portal_id AS "portalId",
              count(*) FILTER (WHERE state = 'failed') AS failed,
              count(*) FILTER (WHERE state = 'uncertain') AS uncertain
         FROM messages
        WHERE state IN ('failed', 'uncertain')
          AND id >= (SELECT id FROM messages WHERE created_at > now() - interval '24 hours' ORDER BY created_at, id LIMIT 1)
        GROUP BY portal_id`,
    );
    return rows.map((row) => ({ ...row, failed: Number(row.failed), uncertain: Number(row.uncertain) }));
  }

  /**
   * Messages of clients from the last 30 days that failed and were neither replayed nor discarded, by portal, and when
   * the first of them came.
   */
  async unreadByPortal(): Promise<{ portalId: bigint | null; unread: number; unreadSince: Date }[]> {
    const { rows } = await this.db.query<{ portalId: bigint | null; unread: bigint; unreadSince: Date }>(
      `SELECT portal_id AS "portalId", count(*) AS unread, min(created_at) AS "unreadSince"
         FROM messages
        WHERE state = 'failed' AND direction = 'inbound'
          AND id >= (SELECT id FROM messages WHERE created_at > now() - interval '30 days' ORDER BY created_at, id LIMIT 1)
        GROUP BY portal_id`,
    );
    return rows.map((row) => ({ ...row, unread: Number(row.unread) }));
  }

  async bots(): Promise<BotFacts[]> {
    const { rows } = await this.db.query<BotFacts>(
      `SELECT ${select(['id', 'username', 'mode', 'state', 'stateReason', 'portalId', 'lineId', 'apiRoot'])} FROM bots ORDER BY id`,
    );
    return rows;
  }

  async census(): Promise<Census> {
    const { rows } = await this.db.query<{ of: keyof Census; state: string; count: bigint }>(
      `SELECT 'portals' AS of, state::text, count(*) FROM portals GROUP BY state
       UNION ALL SELECT 'bots', state::text, count(*) FROM bots GROUP BY state
       UNION ALL SELECT 'lines', state::text, count(*) FROM lines GROUP BY state`,
    );
    const states = (of: keyof Census) =>
      new Map(rows.filter((row) => row.of === of).map((row) => [row.state, Number(row.count)]));
    return { portals: states('portals'), bots: states('bots'), lines: states('lines') };
  }

  /** Reads the chats of one bot; messages are counted as they are written. */
  async traffic(botId: bigint, portalId: bigint): Promise<Traffic> {
    const { rows } = await this.db.query<Omit<Traffic, 'waiting' | 'failed'> & { waiting: bigint; failed: bigint }>(
      `SELECT (SELECT max(last_inbound_at) FROM chat_links WHERE bot_id = $1 AND portal_id = $2) AS "lastInboundAt",
              (SELECT max(last_outbound_at) FROM chat_links WHERE bot_id = $1 AND portal_id = $2) AS "lastOutboundAt",
              coalesce(sum(change) FILTER (WHERE state = 'queued'), 0)::bigint
                - (SELECT count(*) FROM messages WHERE bot_id = $1 AND portal_id = $2 AND state = 'queued' AND can_wait) AS waiting,
              coalesce(sum(change) FILTER (WHERE state IN ('failed', 'uncertain')), 0)::bigint AS failed
         FROM message_counts WHERE bot_id = $1 AND portal_id = $2`,
      [botId, portalId],
    );
    const row = rows[0]!;
    return { ...row, waiting: Number(row.waiting), failed: Number(row.failed) };
  }

  async inventory(): Promise<Inventory> {
    const { rows } = await this.db.query<{ [name in keyof Inventory]: bigint }>(
      `SELECT (SELECT count(*) FROM applications) AS "storedApplications",
              (SELECT count(*) FROM portals) AS portals,
              (SELECT count(*) FROM portals WHERE state = 'active') AS "activePortals",
              (SELECT count(*) FROM bots) AS bots,
              (SELECT count(*) FROM bots WHERE line_id IS NOT NULL) AS "botsWithLine"`,
    );
    const [row] = rows;
    return {
      storedApplications: Number(row?.storedApplications ?? 0),
      portals: Number(row?.portals ?? 0),
      activePortals: Number(row?.activePortals ?? 0),
      bots: Number(row?.bots ?? 0),
      botsWithLine: Number(row?.botsWithLine ?? 0),
    };
  }
}

/** `sending` messages are stored as queued: takes them out of that count. */
function splitSending(counts: MessageCount[], sending: MessageCount[]): MessageCount[] {
  const group = (row: MessageCount) => `${row.portalId}/${row.botId}/${row.direction}`;
  const under = new Map(sending.map((row) => [group(row), row.count]));
  const waiting = counts.map((row) =>
    row.state === 'queued' ? { ...row, count: Math.max(0, row.count - (under.get(group(row)) ?? 0)) } : row,
  );
  return [...waiting, ...sending].filter((row) => row.count > 0);
}
