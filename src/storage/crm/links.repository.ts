import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';

/** What the CRM is to know of a source, as its own fields are called; what is not named stays empty. */
export interface Utm {
  source?: string;
  medium?: string;
  campaign?: string;
  content?: string;
  term?: string;
}

/** Something in the CRM: `lead`, `deal`, `contact` or `company`, and its id there. */
export interface LinkedEntity {
  type: string;
  id: string;
}

/** A link with what has become of it. */
export interface LinkRow {
  id: bigint;
  portalId: bigint;
  botId: bigint;
  botUsername: string | null;
  /** The line that its bot serves now; null: none of this portal, so that the link counts nothing. */
  lineId: string | null;
  code: string;
  name: string;
  utm: Utm;
  welcomeText: string | null;
  expiresAt: Date | null;
  singleUse: boolean;
  entity: LinkedEntity | null;
  usedAt: Date | null;
  createdAt: Date;
  createdBy: string;
  /** Clients who pressed Start, who wrote something after that, and who have a lead or deal in the CRM. */
  pressed: number;
  wrote: number;
  leads: number;
}

/** What a new link is. `clientPhone`: the number that the CRM has of whom it invites. */
export interface NewLink {
  portalId: bigint;
  botId: bigint;
  code: string;
  name: string;
  utm: Utm;
  welcomeText: string | null;
  expiresAt: Date | null;
  singleUse: boolean;
  entity: LinkedEntity | null;
  clientPhone: string | null;
  createdBy: string;
}

export type LinkChange = Partial<Pick<NewLink, 'name' | 'utm' | 'welcomeText' | 'expiresAt' | 'singleUse'>>;

export interface LinkFilter {
  portalId?: bigint;
  botId?: bigint;
  /** Whose bot serves this line now. */
  lineId?: string;
  /** Invitations of this only. */
  entity?: LinkedEntity;
  /** Older than this one. */
  before?: bigint;
}

/** In the order in which people name them. */
export const UTM_PARTS = ['source', 'medium', 'campaign', 'content', 'term'] as const;

/** SQL: {@link LinkRow} of the link l, its bot b and what is counted of it, n. */
const LINK = `l.id, l.portal_id AS "portalId", l.bot_id AS "botId", b.username AS "botUsername",
  CASE WHEN b.portal_id = l.portal_id THEN b.line_id END AS "lineId", l.code, l.name,
  jsonb_strip_nulls(jsonb_build_object(${UTM_PARTS.map((name) => `'${name}', l.utm_${name}`).join(', ')})) AS utm,
  l.welcome_text AS "welcomeText", l.expires_at AS "expiresAt", l.single_use AS "singleUse",
  CASE WHEN l.entity_type IS NOT NULL THEN jsonb_build_object('type', l.entity_type, 'id', l.entity_id) END AS entity,
  l.used_at AS "usedAt", l.created_at AS "createdAt", l.created_by AS "createdBy", n.pressed, n.wrote, n.leads`;

/** SQL: the counts n of the link l. */
const COUNTS = `LEFT JOIN LATERAL (
  SELECT count(*)::int AS pressed, count(a.wrote_at)::int AS wrote,
         count(*) FILTER (WHERE a.found_type IN ('lead', 'deal'))::int AS leads
    FROM arrivals a WHERE a.link_id = l.id) n ON true`;

/** SQL: links of the portals in `changed` are others now, and some have triggers of their own. */
const LOOK_AT_TRIGGERS = `
  UPDATE portal_features f SET due_at = now() FROM changed
   WHERE f.portal_id = changed.portal_id AND f.feature = 'triggers' AND f.wanted`;

/** The table `links`. */
@Injectable()
export class LinksRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Newest first. */
  async list({ portalId, botId, lineId, entity, before }: LinkFilter, limit: number): Promise<LinkRow[]> {
    const { rows } = await this.db.query<LinkRow>(
      `SELECT ${LINK} FROM links l JOIN bots b ON b.id = l.bot_id ${COUNTS}
        WHERE ($1::bigint IS NULL OR l.portal_id = $1) AND ($2::bigint IS NULL OR l.bot_id = $2)
          AND ($3::bigint IS NULL OR l.id < $3)
          AND ($4::text IS NULL OR (b.portal_id = l.portal_id AND b.line_id = $4))
          AND ($6::text IS NULL OR (l.entity_type = $6 AND l.entity_id = $7))
        ORDER BY l.id DESC LIMIT $5`,
      [
        portalId ?? null,
        botId ?? null,
        before ?? null,
        lineId ?? null,
        limit,
        entity?.type ?? null,
        entity?.id ?? null,
      ],
    );
    return rows;
  }

  async find(id: bigint): Promise<LinkRow | null> {
    const { rows } = await this.db.query<LinkRow>(
      `SELECT ${LINK} FROM links l JOIN bots b ON b.id = l.bot_id ${COUNTS} WHERE l.id = $1`,
      [id],
    );
    return rows[0] ?? null;
  }

  /** Names of the portal's links that are for many people, oldest first. */
  async lasting(portalId: bigint, limit: number): Promise<{ id: bigint; name: string }[]> {
    const { rows } = await this.db.query<{ id: bigint; name: string }>(
      `SELECT id, name FROM links WHERE portal_id = $1 AND entity_type IS NULL AND NOT single_use ORDER BY id LIMIT $2`,
      [portalId, limit],
    );
    return rows;
  }

  /** Null: the bot has a link with this code already. */
  async create(link: NewLink): Promise<bigint | null> {
    const { rows } = await this.db.query<{ id: bigint }>(
      `WITH changed AS (
       INSERT INTO links (portal_id, bot_id, code, name, ${UTM_PARTS.map((name) => `utm_${name}`).join(', ')}, welcome_text,
                          expires_at, single_use, entity_type, entity_id, client_phone, created_by)
       SELECT portal_id, bot_id, code, name, ${UTM_PARTS.map((name) => `utm->>'${name}'`).join(', ')}, welcome_text,
              expires_at, single_use, entity_type, entity_id, client_phone, created_by
         FROM jsonb_to_record($1::jsonb) AS r(portal_id bigint, bot_id bigint, code text, name text, utm jsonb,
              welcome_text text, expires_at timestamptz, single_use boolean, entity_type text, entity_id text,
              client_phone text, created_by text)
       ON CONFLICT (bot_id, code) DO NOTHING RETURNING id, portal_id
       ), looks AS (${LOOK_AT_TRIGGERS})
       SELECT id FROM changed`,
      [jsonb(rowOf(link))],
    );
    return rows[0]?.id ?? null;
  }

  /** What is not named stays; a UTM that is named is replaced whole. False: there is no such link. */
  async change(id: bigint, { name, utm, welcomeText, expiresAt, singleUse }: LinkChange): Promise<boolean> {
    const values: Record<string, unknown> = {
      name,
      welcome_text: welcomeText,
      expires_at: expiresAt,
      single_use: singleUse,
      ...(utm && Object.fromEntries(UTM_PARTS.map((part) => [`utm_${part}`, utm[part] ?? null]))),
    };
    const named = Object.entries(values).filter(([, value]) => value !== undefined);
    if (named.length === 0) return (await this.find(id)) !== null;
    const { rowCount } = await this.db.query(
      `WITH changed AS (
         UPDATE links SET ${named.map(([column], index) => `${column} = $${index + 2}`).join(', ')} WHERE id = $1
         RETURNING portal_id
       ), looks AS (${LOOK_AT_TRIGGERS})
       SELECT FROM changed`,
      [id, ...named.map(([, value]) => value)],
    );
    return (rowCount ?? 0) > 0;
  }

  /** What came by it stays known to the CRM and is counted no longer. */
  async remove(id: bigint): Promise<void> {
    await this.db.query(`WITH changed AS (DELETE FROM links WHERE id = $1 RETURNING portal_id) ${LOOK_AT_TRIGGERS}`, [
      id,
    ]);
  }

  /** The numbers of invited clients are forgotten where nobody can come by the link any more. */
  async forgetExpired(): Promise<void> {
    await this.db.query(`UPDATE links SET client_phone = NULL WHERE expires_at < now() AND client_phone IS NOT NULL`);
  }
}

function rowOf({
  portalId,
  botId,
  welcomeText,
  expiresAt,
  singleUse,
  entity,
  clientPhone,
  createdBy,
  ...link
}: NewLink) {
  return {
    ...link,
    portal_id: portalId,
    bot_id: botId,
    welcome_text: welcomeText,
    expires_at: expiresAt,
    single_use: singleUse,
    entity_type: entity?.type ?? null,
    entity_id: entity?.id ?? null,
    client_phone: clientPhone,
    created_by: createdBy,
  };
}
