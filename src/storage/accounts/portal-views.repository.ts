import { Injectable } from '@nestjs/common';
import { select } from '../postgres/columns.js';
import { DatabaseService } from '../postgres/database.service.js';
import type { Bot, LineState, OperatorName, PortalState } from '../prisma/client.js';

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
    welcomeAsksPhone: boolean;
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

/** Columns that may be seen: a new secret one must not appear by itself. */
const SEEN = {
  portals: `${select(['id', 'memberId', 'domain', 'clientId', 'connectorId', 'scope', 'language', 'state', 'stateReason', 'retentionDays', 'requestsPerSecond', 'requestBurst', 'installedAt'])},
    application_token_hash IS NOT NULL AS "eventsVerified"`,
  lines: select([
    'lineId',
    'state',
    'operatorName',
    'operatorNameTemplate',
    'welcomeText',
    'startOpensSession',
    'welcomeAsksPhone',
  ]),
  tokens: select(['userId', 'isAdmin', 'isInstaller', 'state', 'stateReason', 'refreshedAt', 'expiresAt']),
  bots: select(['id', 'username', 'name', 'lineId']),
};

/** Tables whose rows belong to portals, by what one row is called. */
const OF_PORTALS: Partial<Record<string, string>> = {
  answer: 'ready_answers',
  bot: 'bots',
  chat: 'chat_links',
  key: 'access_keys',
  link: 'links',
  message: 'messages',
};

/** Portals with their lines, tokens and bots, as people may see them. Changes nothing. */
@Injectable()
export class PortalViewsRepository {
  constructor(private readonly db: DatabaseService) {}

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
