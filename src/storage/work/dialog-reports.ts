import { lockChatsOf } from './lock-order.js';
import type { Queryable } from '../postgres/database.service.js';
import { endpointOf, portalEndpoint } from './endpoint-id.js';
import { jsonb } from '../postgres/json.js';
import { LOWER_PENDING } from './dropped-work.js';
import { appendDeliveries, BEHIND, type NewDelivery } from './outbox.js';
import { isOwnWordsSql } from './own-words.js';

/** A note into the dialog of a message; see delivery-reports.ts for what tells that it was delivered. */
export interface Report {
  messageId: bigint;
  /** What it says. */
  payload: unknown;
}

/** How reports leave: on lanes, which the caller appends to, or as rows that wait for these endpoints. */
export interface RoutedReports {
  deliveries: NewDelivery[];
  endpoints: string[];
}

interface Route {
  message_id: bigint;
  portal_id: bigint | null;
  chat_id: bigint;
  chat_portal_id: bigint | null;
  present: boolean;
  known: boolean;
  dialog: boolean;
  nobodys: boolean;
  advertising: boolean;
}

/**
 * Gives each report its way into the dialog of its message. A chat's lanes lead to the dialog of the line that its bot
 * serves now. Any other dialog — of a line or a portal that the bot left, or of a message that no chat could be found
 * for — is told by a row of `dialog_reports`, and so is a note to a chat of which nobody knows more than its id: only
 * a message that brings the client's whole name may go through the connector. What the bot's new portal must not learn
 * of, and what says where it was written, is told nobody. A message that nobody wrote (author 0) gets no note, unless it
 * is the program's own: then the dialog does not have it. Of advertising nobody needs to read before the client answers:
 * thousands had it at once, so what was last sent waits for their next words, whether a session is open or not.
 */
export async function routeReports(connection: Queryable, reports: Report[]): Promise<RoutedReports> {
  if (reports.length === 0) return { deliveries: [], endpoints: [] };
  await lockChatsOf(
    connection,
    reports.map(({ messageId }) => messageId),
  );
  return routeFromLocked(connection, reports);
}

/** The same for messages whose chats are locked already, see {@link lockChatsOf}. */
export async function routeFromLocked(connection: Queryable, reports: Report[]): Promise<RoutedReports> {
  if (reports.length === 0) return { deliveries: [], endpoints: [] };
  const ids = reports.map(({ messageId }) => messageId);
  const { rows } = await connection.query<Route>(
    `SELECT m.id AS message_id, m.portal_id, c.id AS chat_id, c.portal_id AS chat_portal_id,
            c.portal_id IS NULL OR (c.portal_id = m.portal_id AND (m.bitrix_line_id IS NULL OR m.bitrix_line_id = b.line_id))
              AS present,
            c.title <> c.external_id AS known, m.portal_id IS NOT NULL AND m.bitrix_chat_id IS NOT NULL AS dialog,
            m.direction = 'outbound' AND m.author_id = '0' AND NOT ${isOwnWordsSql('m.kind')} AS nobodys,
            m.direction = 'outbound' AND m.author_id = '0' AND ${isOwnWordsSql('m.kind')} AS advertising
       FROM messages m JOIN chat_links c ON c.id = m.chat_id JOIN bots b ON b.id = c.bot_id
      WHERE m.id = ANY($1::bigint[])`,
    [ids],
  );
  const routes = new Map(rows.map((row) => [row.message_id, row]));
  const wanted = reports.filter(({ messageId }) => !routes.get(messageId)?.nobodys);
  const [deliveries, rest]: [NewDelivery[], Report[]] = [[], []];
  for (const report of wanted) {
    const route = routes.get(report.messageId);
    const unbound = route?.chat_portal_id === null && route.dialog;
    const faceless = route?.known === false && route.dialog;
    if (!route?.present || unbound || faceless) rest.push(report);
    else deliveries.push(onLane(route, report));
  }
  await forgetWaitingAdvertising(
    connection,
    deliveries.flatMap(({ waits, chatId }) => (waits ? chatId : [])),
  );
  return { deliveries, endpoints: await keepReports(connection, rest) };
}

/** What the client had before and nobody was told of: of several mailings the newest one is told. */
async function forgetWaitingAdvertising(connection: Queryable, chatIds: bigint[]): Promise<void> {
  if (chatIds.length === 0) return;
  await connection.query(
    `WITH waiting AS MATERIALIZED (
       SELECT id FROM lanes WHERE chat_id = ANY($1::bigint[]) AND channel = 'inbound' AND pending > 0
        ORDER BY chat_id FOR UPDATE
     ), gone AS (
       DELETE FROM deliveries d USING waiting l, messages m
        WHERE d.lane_id = l.id AND d.seq >= ${BEHIND} AND d.kind = 'note' AND d.state = 'queued'
          AND m.id = d.message_id AND m.author_id = '0' AND d.payload ->> 'code' = m.kind
        RETURNING d.lane_id
     ), ${LOWER_PENDING}
     SELECT`,
    [chatIds],
  );
}

/** Appends reports to their lanes; returns the endpoints that get work by it. */
export async function appendReports(
  connection: Queryable,
  { deliveries, endpoints }: RoutedReports,
): Promise<string[]> {
  await appendDeliveries(connection, deliveries);
  return [...deliveries.map(({ endpoint }) => endpoint), ...endpoints].filter(Boolean);
}

function onLane(
  { chat_id: chatId, chat_portal_id: portalId, advertising }: Route,
  { messageId, payload }: Report,
): NewDelivery {
  return {
    chatId,
    channel: 'inbound',
    endpoint: endpointOf('inbound', { bot_id: 0n, portal_id: portalId }),
    messageId,
    kind: 'note',
    payload,
    ...(advertising ? { waits: true } : {}),
  };
}

/** Only for messages that name the dialog they were written in. */
async function keepReports(connection: Queryable, reports: Report[]): Promise<string[]> {
  if (reports.length === 0) return [];
  const { rows } = await connection.query<{ portal_id: bigint }>(
    `WITH there AS MATERIALIZED (
       SELECT id, portal_id, bitrix_line_id, bitrix_chat_id, external_chat_id, author_id FROM messages
        WHERE id IN (SELECT message_id FROM jsonb_to_recordset($1::jsonb) AS r(message_id bigint)) FOR KEY SHARE
     )
     INSERT INTO dialog_reports (portal_id, message_id, kind, line_id, bitrix_chat_id, external_chat_id, payload)
     SELECT m.portal_id, m.id, 'note', m.bitrix_line_id, m.bitrix_chat_id, coalesce(m.external_chat_id, ''), r.payload
       FROM jsonb_to_recordset($1::jsonb) AS r(ord int, message_id bigint, payload jsonb)
       JOIN there m ON m.id = r.message_id
      WHERE m.portal_id IS NOT NULL AND m.bitrix_chat_id IS NOT NULL
        AND m.author_id IS DISTINCT FROM '0'
      ORDER BY r.ord
     RETURNING portal_id`,
    [jsonb(reports.map(({ messageId, payload }, ord) => ({ ord, message_id: messageId, payload })))],
  );
  return [...new Set(rows.map((row) => portalEndpoint(row.portal_id)))];
}

/**
 * SQL: takes notes and reports out of the lanes l of chats c where they belong to another dialog than the lanes lead to
 * (p: portal_id and line_id that the lanes lead to), and keeps those whose dialog is known for it. `strays`: whatever is
 * about another portal's message goes as well, dialog or not; the bot's new portal must not learn of it.
 */
const leaveBehind = (lanes: string, { strays }: { strays: boolean }) => `
  WITH left_behind AS MATERIALIZED (
    SELECT d.lane_id, d.seq, d.kind, d.payload, m.id AS message_id, m.portal_id, m.bitrix_line_id, m.bitrix_chat_id,
           c.external_id, k.known
      FROM ${lanes} JOIN deliveries d ON d.lane_id = l.id JOIN messages m ON m.id = d.message_id
      CROSS JOIN LATERAL (
        SELECT m.portal_id IS NOT NULL AND m.bitrix_chat_id IS NOT NULL AND (d.kind = 'note' OR m.bitrix_line_id IS NOT NULL)
            AND d.kind IN ('note', 'status') AS known) k
     WHERE l.channel <> 'outbound' AND d.state = 'queued' AND d.kind IN ('note', 'status', 'reading')
       AND (m.portal_id IS DISTINCT FROM p.portal_id OR m.bitrix_line_id <> coalesce(p.line_id, ''))
       AND (k.known ${strays ? 'OR m.portal_id <> p.portal_id' : ''})
  ), gone AS (
    DELETE FROM deliveries d USING left_behind r WHERE d.lane_id = r.lane_id AND d.seq = r.seq AND d.state = 'queued'
    RETURNING r.*
  ), ${LOWER_PENDING}
  INSERT INTO dialog_reports (portal_id, message_id, kind, line_id, bitrix_chat_id, external_chat_id, payload)
  SELECT portal_id, message_id, kind, bitrix_line_id, bitrix_chat_id, external_id, payload FROM gone
   WHERE known ORDER BY lane_id, seq RETURNING portal_id`;

/** The bot has left a line: what waits on its lanes for a dialog there is told there. */
export async function leaveReports(
  connection: Queryable,
  botId: bigint,
  line: { portalId: bigint; lineId: string } | null,
): Promise<void> {
  const lanes = `(SELECT $2::bigint AS portal_id, $3::text AS line_id) p JOIN chat_links c ON c.bot_id = $1
      JOIN lanes l ON l.chat_id = c.id`;
  await connection.query(leaveBehind(lanes, { strays: false }), [botId, line?.portalId ?? null, line?.lineId ?? null]);
}

/**
 * What comes back to these lanes after their bot went to another line or portal is told where it belongs, or nobody.
 * To be called with the chats locked. Returns the endpoints that have work by it.
 */
export async function leaveStrayReports(connection: Queryable, laneIds: bigint[]): Promise<string[]> {
  if (laneIds.length === 0) return [];
  const lanes = `lanes l JOIN chat_links c ON c.id = l.chat_id JOIN bots p ON p.id = c.bot_id AND l.id = ANY($1::bigint[])`;
  const { rows } = await connection.query<{ portal_id: bigint }>(leaveBehind(lanes, { strays: true }), [laneIds]);
  return [...new Set(rows.map((row) => portalEndpoint(row.portal_id)))];
}

/** Code of the note on answers that waited for a bot when it was removed. */
export const BOT_REMOVED = 'bot_removed_here';

/**
 * The bot is being removed with its chats: each dialog in which an answer still waits is told, and the notes that wait
 * outlive the messages that they are about.
 */
export async function reportRemoval(connection: Queryable, botId: bigint): Promise<void> {
  await leaveReports(connection, botId, null);
  await connection.query(
    `UPDATE dialog_reports SET message_id = NULL
      WHERE kind = 'note' AND message_id IN (
        SELECT m.id FROM messages m JOIN chat_links c ON c.id = m.chat_id WHERE c.bot_id = $1)`,
    [botId],
  );
  await connection.query(
    `INSERT INTO dialog_reports (portal_id, kind, line_id, bitrix_chat_id, external_chat_id, payload)
     SELECT m.portal_id, 'note', m.bitrix_line_id, m.bitrix_chat_id, coalesce(max(m.external_chat_id), ''), $2::jsonb
       FROM messages m JOIN chat_links c ON c.id = m.chat_id
      WHERE c.bot_id = $1 AND m.direction = 'outbound' AND m.state = 'queued' AND m.author_id IS DISTINCT FROM '0'
        AND m.portal_id IS NOT NULL AND m.bitrix_chat_id IS NOT NULL
      GROUP BY m.portal_id, m.bitrix_line_id, m.bitrix_chat_id`,
    [botId, jsonb({ code: BOT_REMOVED, detail: '', about: 'message' })],
  );
}
