import { Injectable } from '@nestjs/common';
import { select } from '../postgres/columns.js';
import { DatabaseService } from '../postgres/database.service.js';
import { oldestTransaction, refuseReadOnly, type OpenTransaction } from '../postgres/server-state.js';
import type {
  Bot,
  BotMode,
  BotState,
  Channel,
  Direction,
  LineState,
  MessageState,
  OperatorName,
  PortalState,
} from '../prisma/client.js';
import type { EndpointTrouble } from '../work/endpoints.repository.js';
import type { ShownState } from './message-filter.js';

/** Messages of one portal, bot, direction and state. */
export interface MessageCount {
  portalId: bigint | null;
  botId: bigint | null;
  direction: Direction;
  state: ShownState;
  count: number;
}

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

/** A portal as people may see it: no token, no secret. */
export interface PortalView {
  id: bigint;
  memberId: string;
  domain: string;
  /** Of the application that it installed. */
  clientId: string;
  connectorId: string;
  scope: string;
  language: string;
  state: PortalState;
  stateReason: string | null;
  /** Whether the token that signs this portal's events is known. */
  eventsVerified: boolean;
  /** Messages are erased after so many days; null: they are kept for ever. */
  retentionDays: number | null;
  /** Its bucket of REST requests; null: as for all portals. */
  requestsPerSecond: number | null;
  requestBurst: number | null;
  installedAt: Date;
  lines: {
    lineId: string;
    state: LineState;
    /** What a client reads before an operator's words. */
    operatorName: OperatorName;
    operatorNameTemplate: string | null;
    /** The bot's answer to /start. */
    welcomeText: string | null;
    /** A press of Start opens a session. */
    startOpensSession: boolean;
  }[];
  tokens: {
    userId: string;
    isAdmin: boolean;
    isInstaller: boolean;
    state: 'valid' | 'dead';
    stateReason: string | null;
    refreshedAt: Date;
    expiresAt: Date;
  }[];
  bots: Pick<Bot, 'id' | 'username' | 'name' | 'lineId'>[];
}

/** Lines in which the connector was activated, and lines that a bot serves. */
export function linesOf(portal: PortalView): string[] {
  const served = portal.bots.flatMap((bot) => bot.lineId ?? []);
  const active = portal.lines.filter((line) => line.state === 'active').map((line) => line.lineId);
  return [...new Set([...active, ...served])];
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

/** Columns that may be seen: a new secret one must not appear by itself. */
const SEEN = {
  portals: `${select(['id', 'memberId', 'domain', 'clientId', 'connectorId', 'scope', 'language', 'state', 'stateReason', 'retentionDays', 'requestsPerSecond', 'requestBurst', 'installedAt'])},
    application_token_hash IS NOT NULL AS "eventsVerified"`,
  lines: select(['lineId', 'state', 'operatorName', 'operatorNameTemplate', 'welcomeText', 'startOpensSession']),
  tokens: select(['userId', 'isAdmin', 'isInstaller', 'state', 'stateReason', 'refreshedAt', 'expiresAt']),
  bots: select(['id', 'username', 'name', 'lineId']),
};

/** Tables whose rows belong to portals, by what one row is called. */
const OF_PORTALS: Partial<Record<string, string>> = {
  bot: 'bots',
  chat: 'chat_links',
  key: 'access_keys',
  message: 'messages',
};

/**
 * SQL: messages `m` that wait, each with the delivery `d` that is to take it: a message that is sent again waits from
 * then on, however old it is. Without lines that wait for their client's next words: nobody is late with those.
 */
const WAITING = `messages m LEFT JOIN deliveries d ON d.message_id = m.id AND d.kind = 'message'
   WHERE m.state = 'queued' AND NOT m.can_wait`;
const WAITS_SINCE = 'coalesce(d.created_at, m.created_at)';

/** Reads across tables, for the admin API, the doctor, probes and metrics. Changes nothing. */
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

  /** By how much the database's clock is ahead of ours, and what the database takes on its disk. */
  async database(): Promise<{ secondsAhead: number; bytes: number }> {
    const { rows: sizes } = await this.db.query<{ bytes: bigint }>(
      `SELECT pg_database_size(current_database())::bigint AS bytes`,
    );
    const asked = Date.now();
    const { rows } = await this.db.query<{ seconds: number }>(
      `SELECT extract(epoch FROM clock_timestamp())::float8 AS seconds`,
    );
    const middle = (asked + Date.now()) / 2_000;
    return { secondsAhead: (rows[0]?.seconds ?? middle) - middle, bytes: Number(sizes[0]?.bytes ?? 0) };
  }

  /** The same for each portal for which something waits; reads everything that waits. */
  async oldestWaitingByPortal(): Promise<{ portalId: bigint | null; seconds: number }[]> {
    const { rows } = await this.db.query<{ portalId: bigint | null; seconds: number }>(
      `SELECT m.portal_id AS "portalId", greatest(0, extract(epoch FROM now() - min(${WAITS_SINCE})))::float8 AS seconds
         FROM ${WAITING} GROUP BY m.portal_id`,
    );
    return rows;
  }

  /** Newest first, at most `limit`; `before`: ids below it; `only`: the one with this id. */
  async portals(limit: number, before?: bigint, only?: bigint): Promise<PortalView[]> {
    const { rows } = await this.db.query<Omit<PortalView, 'lines' | 'tokens' | 'bots'>>(
      `SELECT ${SEEN.portals} FROM portals
        WHERE ($2::bigint IS NULL OR id < $2) AND ($3::bigint IS NULL OR id = $3)
        ORDER BY id DESC LIMIT $1`,
      [limit, before ?? null, only ?? null],
    );
    const ids = rows.map(({ id }) => id);
    const lines = await this.rowsOfPortals<PortalView['lines'][number]>('lines', 'line_id', ids);
    const tokens = await this.rowsOfPortals<PortalView['tokens'][number]>('tokens', 'id', ids);
    const bots = await this.rowsOfPortals<PortalView['bots'][number]>('bots', 'id', ids);
    return rows.map((row) => ({ ...row, lines: lines(row.id), tokens: tokens(row.id), bots: bots(row.id) }));
  }

  async portal(id: bigint): Promise<PortalView | null> {
    const [portal] = await this.portals(1, undefined, id);
    return portal ?? null;
  }

  /** The portal that something belongs to; null: to none, or there is no such thing. */
  async portalOf(thing: string, id: bigint): Promise<bigint | null> {
    if (thing === 'portal') return id;
    const table = OF_PORTALS[thing];
    if (table === undefined) return null;
    const { rows } = await this.db.query<{ portalId: bigint | null }>(
      `SELECT portal_id AS "portalId" FROM ${table} WHERE id = $1`,
      [id],
    );
    return rows[0]?.portalId ?? null;
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

  /** Endpoints that no replica drives at this moment. */
  async idleEndpoints(): Promise<Set<string>> {
    const { rows } = await this.db.query<{ id: string }>(`SELECT id FROM endpoints WHERE expires_at <= now()`);
    return new Set(rows.map((row) => row.id));
  }

  /** Endpoints whose drivers have met trouble, and which. */
  async endpointTroubles(): Promise<Map<string, EndpointTrouble>> {
    const { rows } = await this.db.query<EndpointTrouble & { id: string }>(
      `SELECT id, trouble_code AS code, trouble_detail AS detail, trouble_since AS since
         FROM endpoints WHERE trouble_code IS NOT NULL`,
    );
    return new Map(rows.map(({ id, ...trouble }) => [id, trouble]));
  }

  /** Whether a replica drives the endpoint at this moment. */
  async isDriven(endpoint: string): Promise<boolean> {
    const { rows } = await this.db.query(`SELECT FROM endpoints WHERE id = $1 AND expires_at > now()`, [endpoint]);
    return rows.length > 0;
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

  /** Throws when PostgreSQL does not answer; `DatabaseReadOnlyError` when it takes no writes. */
  async ping(): Promise<void> {
    await refuseReadOnly(this.db);
  }

  /** The transaction of the database that has been open for longest; null: none. */
  async oldestTransaction(): Promise<OpenTransaction | null> {
    return oldestTransaction(this.db);
  }

  /** What may be seen of a table's rows, per portal. */
  private async rowsOfPortals<Row>(
    table: 'lines' | 'tokens' | 'bots',
    order: string,
    portalIds: bigint[],
  ): Promise<(portalId: bigint) => Row[]> {
    const { rows } = await this.db.query<Row & { of: bigint }>(
      `SELECT portal_id AS of, ${SEEN[table]} FROM ${table} WHERE portal_id = ANY($1::bigint[]) ORDER BY ${order}`,
      [portalIds],
    );
    return (portalId) => rows.filter(({ of }) => of === portalId).map(({ of: _of, ...row }) => row as Row);
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
