import { Injectable } from '@nestjs/common';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { BroadcastState, RecipientState } from '../prisma/client.js';
import type { PauseReason } from '../work/halted-broadcasts.js';
import { PEOPLE, type Audience } from './broadcast-audience.js';
import { noteEffects } from './broadcast-effects.js';
import { filesOf, readFiles, takeFilesOff, type KeptFileRow, type RowWithFiles } from './kept-files.js';

/** What a broadcast says, as a person has written it; see the columns of `broadcasts`. */
export interface BroadcastWords {
  text: string;
  buttons: string;
  file: string;
  hasUnsubscribe: boolean;
}

/** What goes to clients: the words, and the file that was uploaded, if any. */
export interface BroadcastContent extends BroadcastWords {
  files: KeptFileRow[];
}

/** A broadcast as it is stored. */
export interface BroadcastRow extends BroadcastContent {
  id: bigint;
  portalId: bigint;
  name: string;
  audience: Audience;
  state: BroadcastState;
  /** Why the program has paused it; null: a person did, or it is not paused. */
  pauseReason: PauseReason | null;
  createdBy: string;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

/** How many of its clients are in each state, and what they did. */
export type BroadcastCounts = Record<RecipientState | 'pressed' | 'answered' | 'left', number>;

/** Clients of one bot. */
export interface BotAudience {
  botId: bigint;
  clients: number;
}

/** Whom an audience names now. */
export interface AudienceCount {
  bots: BotAudience[];
  /** They are named, and left out. */
  unsubscribed: number;
  blocked: number;
  /** Titles of a few. */
  sample: string[];
}

const ROW = `b.id, b.portal_id AS "portalId", b.name, b.text, b.buttons, b.file, b.has_unsubscribe AS "hasUnsubscribe",
  b.audience, b.state, b.pause_reason AS "pauseReason", b.created_by AS "createdBy", b.created_at AS "createdAt",
  b.started_at AS "startedAt", b.finished_at AS "finishedAt", ${filesOf('broadcast_id', 'b.id')} AS files`;

type Row = Omit<BroadcastRow, 'files'> & RowWithFiles;

/** The table `broadcasts`, and what became of their recipients. */
@Injectable()
export class BroadcastsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Newest first; `portalId` undefined: of every portal. */
  async list(portalId: bigint | undefined, before: bigint | undefined, limit: number): Promise<BroadcastRow[]> {
    const { rows } = await this.db.query<Row>(
      `SELECT ${ROW} FROM broadcasts b
        WHERE ($1::bigint IS NULL OR b.portal_id = $1) AND ($2::bigint IS NULL OR b.id < $2) ORDER BY b.id DESC LIMIT $3`,
      [portalId ?? null, before ?? null, limit],
    );
    return rows.map(read);
  }

  async find(id: bigint): Promise<BroadcastRow | null> {
    const { rows } = await this.db.query<Row>(`SELECT ${ROW} FROM broadcasts b WHERE b.id = $1`, [id]);
    return rows[0] ? read(rows[0]) : null;
  }

  async create(
    broadcast: BroadcastWords & Pick<BroadcastRow, 'portalId' | 'name' | 'audience' | 'createdBy'>,
  ): Promise<bigint> {
    const { portalId, name, text, buttons, file, hasUnsubscribe, audience, createdBy } = broadcast;
    const { rows } = await this.db.query<{ id: bigint }>(
      `INSERT INTO broadcasts (portal_id, name, text, buttons, file, has_unsubscribe, audience, created_by, state)
       VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, 'draft') RETURNING id`,
      [portalId, name, text, buttons, file, hasUnsubscribe, jsonb(audience), createdBy],
    );
    return rows[0]!.id;
  }

  /** What is not named stays; a link takes the place of an uploaded file. Once it has started only its name can be changed: false. */
  change(id: bigint, change: Partial<BroadcastWords & Pick<BroadcastRow, 'name' | 'audience'>>): Promise<boolean> {
    const { name, text, buttons, file, hasUnsubscribe, audience } = change;
    const onlyName = [text, buttons, file, hasUnsubscribe, audience].every((value) => value === undefined);
    return this.db.transaction(async (connection) => {
      const { rowCount } = await connection.query(
        `UPDATE broadcasts
            SET name = coalesce($2, name), text = coalesce($3, text), buttons = coalesce($4, buttons),
                file = coalesce($5, file), has_unsubscribe = coalesce($6, has_unsubscribe),
                audience = coalesce($7::jsonb, audience)
          WHERE id = $1 AND (state = 'draft' OR $8)`,
        [
          id,
          name ?? null,
          text ?? null,
          buttons ?? null,
          file ?? null,
          hasUnsubscribe ?? null,
          audience === undefined ? null : jsonb(audience),
          onlyName,
        ],
      );
      if (rowCount !== 1) return false;
      if (file) await takeFilesOff(connection, { broadcastId: id }, null);
      return true;
    });
  }

  /** False: it runs, or some of it is under way. What was sent stays in the history, and who unsubscribed stays so. */
  remove(id: bigint): Promise<boolean> {
    return this.db.transaction(async (connection) => {
      const { rowCount } = await connection.query(
        `SELECT FROM broadcasts b WHERE id = $1 AND state <> 'running'
            AND NOT EXISTS (SELECT FROM broadcast_recipients r WHERE r.broadcast_id = b.id AND r.state = 'sending')
            FOR UPDATE`,
        [id],
      );
      if (!rowCount) return false;
      await takeFilesOff(connection, { broadcastId: id }, null);
      await connection.query(`DELETE FROM broadcasts WHERE id = $1`, [id]);
      return true;
    });
  }

  /** Whom the audience names now. */
  async count(portalId: bigint, audience: Audience, sampleSize: number): Promise<AudienceCount> {
    const { rows } = await this.db.query<{
      bot_id: bigint;
      clients: number;
      unsubscribed: number;
      blocked: number;
      sample: string[] | null;
    }>(
      `SELECT n.bot_id, count(*) FILTER (WHERE n.can)::int AS clients,
              count(*) FILTER (WHERE NOT n.can AND n.state = 'active')::int AS unsubscribed,
              count(*) FILTER (WHERE n.state <> 'active')::int AS blocked,
              (array_agg(n.title ORDER BY n.last_inbound_at DESC) FILTER (WHERE n.can AND n.place <= $3)) AS sample
         FROM (SELECT p.*, row_number() OVER (PARTITION BY p.can ORDER BY p.last_inbound_at DESC) AS place
                 FROM (${PEOPLE}) p) n
        GROUP BY n.bot_id ORDER BY n.bot_id`,
      [portalId, jsonb(audience), sampleSize],
    );
    const sum = (value: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + value(row), 0);
    return {
      bots: rows.flatMap(({ bot_id: botId, clients }) => (clients > 0 ? { botId, clients } : [])),
      unsubscribed: sum(({ unsubscribed }) => unsubscribed),
      blocked: sum(({ blocked }) => blocked),
      sample: rows.flatMap(({ sample }) => sample ?? []).slice(0, sampleSize),
    };
  }

  /**
   * It is a draft no longer, and its audience is fixed. `nobody`, `portal_removed`: it stays a draft; null: it was none.
   * Returns how many are to have it.
   */
  start(id: bigint): Promise<number | 'nobody' | 'portal_removed' | null> {
    return this.db.transaction(async (connection) => {
      if (!(await lockConnectedPortal(connection, id))) return 'portal_removed';
      const { rows } = await connection.query<{ portal_id: bigint; audience: Audience }>(
        `SELECT portal_id, audience FROM broadcasts WHERE id = $1 AND state = 'draft' FOR NO KEY UPDATE`,
        [id],
      );
      const [draft] = rows;
      if (!draft) return null;
      const { rowCount } = await connection.query(
        `INSERT INTO broadcast_recipients (broadcast_id, chat_id, bot_id)
         SELECT $3, p.chat_id, p.bot_id FROM (${PEOPLE}) p WHERE p.can ORDER BY p.chat_id`,
        [draft.portal_id, jsonb(draft.audience), id],
      );
      if (!rowCount) return 'nobody';
      await connection.query(`UPDATE broadcasts SET state = 'running', started_at = now() WHERE id = $1`, [id]);
      return rowCount;
    });
  }

  /** `portal_removed`: it stays paused; null: it was not. */
  resume(id: bigint): Promise<'resumed' | 'portal_removed' | null> {
    return this.db.transaction(async (connection) => {
      if (!(await lockConnectedPortal(connection, id))) return 'portal_removed';
      return (await setState(connection, id, ['paused'], 'running')) ? 'resumed' : null;
    });
  }

  /** Whoever begins a portion just now is waited for; false: it was in none of these states. */
  setState(id: bigint, from: BroadcastState[], to: BroadcastState): Promise<boolean> {
    return setState(this.db, id, from, to);
  }

  /** What became of each, by broadcast; those that are drafts are missing. */
  async counts(ids: bigint[]): Promise<Map<bigint, BroadcastCounts>> {
    const { rows } = await this.db.query<{ id: bigint; counts: Partial<BroadcastCounts> } & Record<string, number>>(
      `SELECT n.broadcast_id AS id, jsonb_object_agg(n.state, n.count) AS counts, sum(n.pressed)::int AS pressed,
              sum(n.answered)::int AS answered, sum(n.left)::int AS left
         FROM (SELECT broadcast_id, state, count(*) AS count, count(pressed_at) AS pressed, count(answered_at) AS answered,
                      count(unsubscribed_at) AS left
                 FROM broadcast_recipients WHERE broadcast_id = ANY($1::bigint[]) GROUP BY 1, 2) n
        GROUP BY n.broadcast_id`,
      [ids],
    );
    return new Map(
      rows.map(({ id, counts, pressed, answered, left }) => [
        id,
        { ...NOBODY, ...(counts as BroadcastCounts), pressed: pressed!, answered: answered!, left: left! },
      ]),
    );
  }

  /** See {@link noteEffects}. */
  noteEffects(id: bigint | null): Promise<void> {
    return noteEffects(this.db, id);
  }
}

/** False: its portal was removed, or there is no such broadcast. Until the commit it stays as it is. */
async function lockConnectedPortal(connection: Queryable, id: bigint): Promise<boolean> {
  const { rowCount } = await connection.query(
    `SELECT FROM portals WHERE id = (SELECT portal_id FROM broadcasts WHERE id = $1) AND state <> 'uninstalled' FOR SHARE`,
    [id],
  );
  return rowCount === 1;
}

async function setState(db: Queryable, id: bigint, from: BroadcastState[], to: BroadcastState): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE broadcasts SET state = $3::"BroadcastState", pause_reason = NULL,
            finished_at = CASE WHEN $3 IN ('stopped', 'done') THEN now() END
      WHERE id = $1 AND state::text = ANY($2::text[])`,
    [id, from, to],
  );
  return rowCount === 1;
}

function read(row: Row): BroadcastRow {
  return { ...row, files: readFiles(row) };
}

/** Of a draft. */
export const NOBODY: BroadcastCounts = {
  waiting: 0,
  sending: 0,
  delivered: 0,
  failed: 0,
  uncertain: 0,
  blocked: 0,
  unsubscribed: 0,
  gone: 0,
  stopped: 0,
  too_long: 0,
  pressed: 0,
  answered: 0,
  left: 0,
};
