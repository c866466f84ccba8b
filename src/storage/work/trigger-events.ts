import { createHash } from 'node:crypto';
import type { Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { LaneSettlement } from './settlement.js';
import { doneIn } from './settlement.js';
import { isOwnWords, UNSUBSCRIBED_WORDS, WELCOME } from './own-words.js';

/**
 * What the CRM of a portal can be told of a client: they wrote, for the first time, pressed a button, blocked the bot, a
 * message reached them, they came by a link.
 */
export const TRIGGER_EVENTS = ['wrote', 'wrote_first', 'pressed', 'blocked', 'delivered', 'came'] as const;
export type TriggerEvent = (typeof TRIGGER_EVENTS)[number];

/** Something that triggers may wait for. */
export interface NewTriggerEvent {
  portalId: bigint;
  chatId: bigint;
  event: TriggerEvent;
  /** See the table; absent: ''. */
  subject?: string;
}

/** Seconds until the CRM is told: what the client said has to arrive in the dialog first, and may make a lead. */
const FIRST_TRY_SECONDS = 3;

/** SQL: the portal wants triggers. */
export const wantsTriggers = (portalId: string) =>
  `EXISTS (SELECT FROM portal_features f WHERE f.portal_id = ${portalId} AND f.feature = 'triggers' AND f.wanted)`;

/** SQL: the message m is what a client wrote: no press, vote, line of the system, or anything that is not relayed. */
const IS_WORDS = `m.direction = 'inbound' AND NOT m.system_line AND m.state <> 'ignored'
  AND m.kind NOT IN ('start', 'vote', 'callback')`;

/**
 * SQL: what was written in the chat `chat` of the portal with the message `message` is the first. Where old messages are
 * erased after some time, a client of before that time is known by the dialog.
 */
const isFirst = (chat: string, portal: string, message: string) => `
  NOT EXISTS (SELECT FROM messages m WHERE m.chat_id = ${chat} AND m.id < ${message} AND m.portal_id = ${portal} AND ${IS_WORDS})
  AND NOT EXISTS (SELECT FROM chat_links c JOIN portals p ON p.id = c.portal_id
                   WHERE c.id = ${chat} AND c.bitrix_chat_id IS NOT NULL
                     AND c.created_at < now() - make_interval(days => p.retention_days))`;

/** SQL: the rows `from` (chat_id, event, subject, portal_id, times), one for each key, become events. Locks in order. */
const into = (from: string) => `
  INSERT INTO trigger_events AS t (chat_id, event, subject, portal_id, times, due_at)
  SELECT chat_id, event, subject, portal_id, times, now() + make_interval(secs => ${FIRST_TRY_SECONDS}) FROM ${from}
   ORDER BY chat_id, event, subject
  ON CONFLICT (chat_id, event, subject) DO UPDATE
     SET times = t.times + excluded.times, portal_id = excluded.portal_id, happened_at = now(),
         -- What is being executed is recorded by whoever does it.
         due_at = CASE WHEN t.started_at IS NULL THEN least(t.due_at, excluded.due_at) ELSE t.due_at END`;

/**
 * SQL: the clients' words among `said` (id, chat_id, portal_id), of portals that want triggers, become events: for a
 * statement that keeps them. `wanted`: which of them are meant.
 */
export const wroteSteps = (said: string, wanted: string) => `heard AS MATERIALIZED (
  SELECT o.chat_id, o.portal_id, min(o.id) AS id, count(*)::int AS times FROM ${said} o
   WHERE ${wanted} AND ${wantsTriggers('o.portal_id')} GROUP BY o.chat_id, o.portal_id
), wrote AS (
  SELECT chat_id, 'wrote' AS event, '' AS subject, portal_id, times FROM heard
  UNION ALL SELECT chat_id, 'wrote_first', '', portal_id, 1 FROM heard h WHERE ${isFirst('h.chat_id', 'h.portal_id', 'h.id')}
), told_triggers AS (${into('wrote')})`;

/** Keeps events of portals that want them. To be called with the chats locked. */
export async function noteTriggerEvents(connection: Queryable, events: NewTriggerEvent[]): Promise<void> {
  if (events.length === 0) return;
  await connection.query(
    `WITH happened AS (
       SELECT chat_id, event, subject, portal_id, count(*)::int AS times
         FROM jsonb_to_recordset($1::jsonb) AS r(chat_id bigint, event text, subject text, portal_id bigint)
        GROUP BY chat_id, event, subject, portal_id
     ) ${into('happened')}`,
    [
      jsonb(
        events.map(({ chatId, portalId, event, subject = '' }) => ({
          chat_id: chatId,
          portal_id: portalId,
          event,
          subject,
        })),
      ),
    ],
  );
}

/** Keeps that clients wrote these messages, which are kept already. To be called with the chats locked. */
export async function noteClientWords(
  connection: Queryable,
  words: { messageId: bigint; chatId: bigint; portalId: bigint }[],
): Promise<void> {
  if (words.length === 0) return;
  await connection.query(
    `WITH said AS MATERIALIZED (
       SELECT id, chat_id, portal_id FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, chat_id bigint, portal_id bigint)
     ), ${wroteSteps('said', 'true')} SELECT`,
    [jsonb(words.map(({ messageId, chatId, portalId }) => ({ id: messageId, chat_id: chatId, portal_id: portalId })))],
  );
}

/** What these outcomes mean to triggers: what people and robots wrote has reached the client, or they are gone. */
export function eventsOf(settlement: LaneSettlement): NewTriggerEvent[] {
  const { lane, chat: learned } = settlement;
  const { id: chatId, portalId, listens, state, type } = lane.chat;
  if (!listens || portalId === null || lane.channel !== 'outbound') return [];
  const reached = doneIn(settlement).filter(
    ({ delivery: { kind, message }, settlement: { outcome } }) =>
      kind === 'message' && outcome === 'delivered' && message.authorId !== '0' && isAddressed(message),
  );
  return [
    ...reached.map(() => ({ portalId, chatId, event: 'delivered' as const })),
    ...(learned?.blockedReason && state === 'active' && type === 'private'
      ? [{ portalId, chatId, event: 'blocked' as const }]
      : []),
  ];
}

/** Somebody meant this client: not the bot that answers what they did. */
function isAddressed({ bitrixMessageId, kind }: { bitrixMessageId: string | null; kind: string }): boolean {
  return bitrixMessageId !== null || (isOwnWords(kind) && kind !== WELCOME && kind !== UNSUBSCRIBED_WORDS);
}

/** What a button says or means, as a subject: case and spaces around do not count. */
export function buttonSubject(words: string): string {
  return createHash('sha256').update(words.trim().toLowerCase()).digest('hex').slice(0, 16);
}
