import type { Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { Utm } from './links.repository.js';

/** A link that somebody came by, as far as a press needs it. */
export interface PressedLink {
  id: bigint;
  name: string;
  /** null: the line's own. */
  welcomeText: string | null;
}

/** Somebody came to a bot by a link with this payload. */
export interface Press {
  botId: bigint;
  payload: string;
}

/** A press that is kept: whose, and where. `messageId`: what tells operators of it. */
export interface KeptPress extends Press {
  chatId: bigint;
  messageId: bigint;
  /** In the client's own chat with the bot: only there an invitation is one. */
  isPrivate: boolean;
}

/** Why an invitation binds nobody: somebody else has used it, its time is over, or it was used for a group. */
export type Obstacle = 'used' | 'expired' | 'group';

interface LockedLink {
  id: bigint;
  bot_id: bigint;
  code: string;
  utm: Utm;
  single_use: boolean;
  expired: boolean;
  entity_type: string | null;
  entity_id: string | null;
  client_phone: string | null;
  used: boolean;
  used_by: bigint | null;
}

/** SQL: the links l of the presses $1, whose bots serve the portal that the links belong to. */
const OF_PRESSES = `FROM links l JOIN bots b ON b.id = l.bot_id AND b.portal_id = l.portal_id
  WHERE (l.bot_id, l.code) IN (SELECT bot_id, payload FROM jsonb_to_recordset($1::jsonb) AS r(bot_id bigint, payload text))`;

/** SQL: the message m is something that a client wrote, no press of Start. */
export const CLIENT_WORDS = `m.direction = 'inbound' AND m.kind <> 'start' AND NOT m.system_line AND m.state <> 'ignored'`;

/** Seconds until the portal is asked what has become of the dialog: the first words have to arrive there first. */
const FIRST_LOOK_SECONDS = 3;

/**
 * Anybody can write `/start` with whatever they like: of so many payloads of one chat that are no links of ours the portal
 * is told at a time.
 */
const FOREIGN_AT_ONCE = 5;

export const pressKey = ({ botId, payload }: Press): string => `${botId}/${payload}`;

/** The links of these presses that may still be used, by {@link pressKey}. Nothing is locked. */
export async function findLinks(connection: Queryable, presses: Press[]): Promise<Map<string, PressedLink>> {
  const { rows } = await connection.query<PressedLink & { bot_id: bigint; code: string; closed: boolean }>(
    `SELECT l.id, l.bot_id, l.code, l.name,
            CASE WHEN l.expires_at < now() OR (l.single_use AND l.used_at IS NOT NULL) THEN NULL ELSE l.welcome_text END
              AS "welcomeText"
       ${OF_PRESSES}`,
    [pressRows(presses)],
  );
  return new Map(
    rows.map(({ bot_id, code, id, name, welcomeText }) => [
      pressKey({ botId: bot_id, payload: code }),
      { id, name, welcomeText },
    ]),
  );
}

/**
 * Keeps who came by which link, and what the CRM is to be told of it. Whoever comes first by a link for one person uses
 * it up; whoever comes again has used it already. The number of an invitation is the first one's, too.
 * To be called in the transaction that keeps the presses, with the chats and lanes locked: links come after them.
 */
export async function keepArrivals(connection: Queryable, presses: KeptPress[]): Promise<void> {
  if (presses.length === 0) return;
  const links = await lockLinks(connection, presses);
  const usedBy = new Map<bigint, bigint>();
  const arrivals = presses.map((press) => {
    const link = links.get(pressKey(press));
    if (!link) return { ...press, link, obstacle: null, utm: { campaign: press.payload } };
    const { utm } = link;
    const user = usedBy.get(link.id) ?? link.used_by;
    const isTheirs = user === press.chatId || (!link.used && !usedBy.has(link.id));
    const obstacle: Obstacle | null = link.expired
      ? 'expired'
      : link.single_use && !isTheirs
        ? 'used'
        : link.entity_type !== null && !press.isPrivate
          ? 'group'
          : null;
    const isFirst = !usedBy.has(link.id) && (link.single_use || introduces(link));
    if (obstacle === null && isFirst) usedBy.set(link.id, press.chatId);
    return { ...press, link, obstacle, utm };
  });
  await useUp(connection, usedBy);
  await introduce(
    connection,
    arrivals.filter(({ obstacle, link, chatId }) => obstacle === null && link && usedBy.get(link.id) === chatId),
  );
  await connection.query(
    `INSERT INTO arrivals AS a (portal_id, chat_id, link_id, message_id, payload, utm, entity_type, entity_id, obstacle, wrote_at,
                                due_at)
     SELECT c.portal_id, c.id, r.link_id, r.message_id, r.payload, r.utm, r.entity_type, r.entity_id, r.obstacle,
            -- What came together with the press has its time, too.
            (SELECT m.created_at FROM messages m WHERE m.chat_id = c.id AND m.id > r.message_id AND ${CLIENT_WORDS}
              ORDER BY m.id LIMIT 1),
            CASE WHEN r.link_id IS NOT NULL OR o.due + r.place <= ${FOREIGN_AT_ONCE}
                 THEN now() + make_interval(secs => ${FIRST_LOOK_SECONDS}) END
       FROM (SELECT DISTINCT ON (chat_id, payload) *,
                    dense_rank() OVER (PARTITION BY chat_id, link_id IS NULL ORDER BY payload) AS place
               FROM jsonb_to_recordset($1::jsonb) AS r(ord int, chat_id bigint, link_id bigint, message_id bigint, payload text,
                    utm jsonb, entity_type text, entity_id text, obstacle text)
              ORDER BY chat_id, payload, ord DESC) r
       JOIN chat_links c ON c.id = r.chat_id
      CROSS JOIN LATERAL (SELECT count(*) AS due FROM arrivals d
                           WHERE d.chat_id = r.chat_id AND d.link_id IS NULL AND d.due_at IS NOT NULL
                             AND d.payload <> r.payload) o
      WHERE c.portal_id IS NOT NULL
      ORDER BY r.chat_id, r.payload
     ON CONFLICT (chat_id, payload) DO UPDATE
        SET presses = a.presses + 1, wrote_at = coalesce(a.wrote_at, excluded.wrote_at), pressed_at = now(), portal_id = excluded.portal_id, link_id = excluded.link_id,
            message_id = excluded.message_id, utm = excluded.utm, entity_type = excluded.entity_type,
            entity_id = excluded.entity_id, obstacle = excluded.obstacle, due_at = excluded.due_at, attempts = 0,
            outcome = NULL, detail = NULL`,
    [
      jsonb(
        arrivals.map(({ chatId, messageId, payload, link, utm, obstacle }, ord) => ({
          ord,
          chat_id: chatId,
          link_id: link?.id ?? null,
          message_id: messageId,
          payload,
          utm,
          entity_type: link?.entity_type ?? null,
          entity_id: link?.entity_id ?? null,
          obstacle,
        })),
      ),
    ],
  );
}

/** Whoever comes first by it is told to be who is invited; the others who may come by it are other people. */
const introduces = (link: LockedLink) => link.entity_type !== null && link.client_phone !== null;

/** Those of which one person has something alone are locked until the commit; the others may be used by many at once. */
async function lockLinks(connection: Queryable, presses: Press[]): Promise<Map<string, LockedLink>> {
  const columns = `l.id, l.bot_id, l.code, l.single_use, coalesce(l.expires_at < now(), false) AS expired, l.entity_type,
    l.entity_id, l.client_phone, l.used_at IS NOT NULL AS used, l.used_by,
    jsonb_strip_nulls(jsonb_build_object('source', l.utm_source, 'medium', l.utm_medium, 'campaign', l.utm_campaign,
      'content', l.utm_content, 'term', l.utm_term)) AS utm`;
  const { rows } = await connection.query<LockedLink>(`SELECT ${columns} ${OF_PRESSES}`, [pressRows(presses)]);
  const once = rows.filter((link) => link.single_use || introduces(link)).map(({ id }) => id);
  const { rows: locked } =
    once.length === 0
      ? { rows: [] }
      : await connection.query<LockedLink>(
          `SELECT ${columns} FROM links l WHERE l.id = ANY($1::bigint[]) ORDER BY l.id FOR UPDATE`,
          [once],
        );
  return new Map(
    [...rows, ...locked].map((link) => [pressKey({ botId: link.bot_id, payload: link.code }), link] as const),
  );
}

async function useUp(connection: Queryable, usedBy: Map<bigint, bigint>): Promise<void> {
  if (usedBy.size === 0) return;
  await connection.query(
    `UPDATE links l SET used_at = coalesce(l.used_at, now()), used_by = r.chat_id, client_phone = NULL
       FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, chat_id bigint) WHERE l.id = r.id`,
    [jsonb([...usedBy].map(([id, chatId]) => ({ id, chat_id: chatId })))],
  );
}

/** The portal is told the number that the CRM has of whom it invited: it finds them by that, and makes no second lead. */
async function introduce(
  connection: Queryable,
  arrivals: { chatId: bigint; link: LockedLink | undefined }[],
): Promise<void> {
  const known = arrivals.flatMap(({ chatId, link }) =>
    link?.client_phone ? [{ id: chatId, phone: link.client_phone }] : [],
  );
  if (known.length === 0) return;
  await connection.query(
    `UPDATE chat_links c SET invited_phone = r.phone
       FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, phone text) WHERE c.id = r.id`,
    [jsonb(known)],
  );
}

function pressRows(presses: Press[]): string {
  return jsonb(presses.map(({ botId, payload }) => ({ bot_id: botId, payload })));
}
