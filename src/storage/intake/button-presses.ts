import type { Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import type { ButtonKind } from '../prisma/client.js';
import { closeKeyboards } from '../work/buttons.js';
import { BEHIND, type NewDelivery } from '../work/outbox.js';
import { newerSession } from '../work/sessions.js';
import type { LinkedChat } from './chat-linking.js';
import type { ClientUpdateRow, StoredChat } from './intake.rows.js';

/** Kind of the messages that are the press of a rating: the portal takes them for one where nothing else is said. */
export const VOTE = 'vote';

/** Payload of the delivery of such a message: after that it is no rating any more. */
export interface RatingLimits {
  sessionId: string;
  /** ISO 8601 */
  expiresAt: string | null;
}

/** What follows from a press beside its words. */
export interface Heeded {
  /** Takes keyboards away. */
  closing: NewDelivery[];
  rating?: RatingLimits;
  /** The button, unless it is one of a rating. */
  pressed?: { text: string; value: string };
}

/** Why a press is kept for the record and says nothing. */
const TOO_LATE = {
  code: 'late_press',
  detail: 'The button was used before, replaced, of another portal, or its time was over.',
};

interface Pressed {
  message_id: bigint;
  kind: ButtonKind;
  text: string;
  value: string;
  session_id: string | null;
  expires_at: Date | null;
  counts: boolean;
}

/** A chat as its row has it, and the button by which it was found. */
type PlaceOfButton = Omit<StoredChat, 'telegramChatId'> & { button_id: string };

/**
 * The updates, with presses under messages that Telegram has no longer where their buttons stand: it names the chat of
 * such a message, but neither its topic nor the account of Telegram Business (core.telegram.org/bots/api#inaccessiblemessage).
 * Asks nothing of the database when there are none.
 */
export async function placePresses(connection: Queryable, updates: ClientUpdateRow[]): Promise<ClientUpdateRow[]> {
  const lost = updates.filter(({ press, chat }) => press?.placeless && chat);
  if (lost.length === 0) return updates;
  const { rows } = await connection.query<PlaceOfButton>(
    `SELECT b.id AS button_id, c.external_id AS "externalId", c.external_user_id AS "externalUserId",
            c.thread_id AS "threadId", c.business_connection AS "businessConnection", c.type, c.title,
            c.first_name AS "firstName", c.last_name AS "lastName", c.username
       FROM jsonb_to_recordset($1::jsonb) AS r(button_id text, bot_id bigint, telegram_chat_id bigint)
       JOIN buttons b ON b.id = r.button_id
       JOIN chat_links c ON c.id = b.chat_id AND c.bot_id = r.bot_id AND c.telegram_chat_id = r.telegram_chat_id`,
    [
      jsonb(
        lost.map(({ press, botId, chat }) => ({
          button_id: press!.buttonId,
          bot_id: botId,
          telegram_chat_id: chat!.telegramChatId,
        })),
      ),
    ],
  );
  const places = new Map(rows.map(({ button_id, ...place }) => [button_id, place]));
  return updates.map((update) => {
    const place = lost.includes(update) ? places.get(update.press!.buttonId) : undefined;
    if (!place) return update;
    const known = Object.fromEntries(Object.entries(place).filter(([, value]) => value !== null));
    return { ...update, chat: { ...update.chat!, ...known } };
  });
}

/**
 * Gives presses of our buttons their words, in the order of the updates: each keyboard is used by one press, all others
 * come too late. Returns what takes the used keyboards away, by the update that used them. To be called with the chats
 * and their lanes locked. Asks nothing of the database when nobody pressed.
 */
export async function heedPresses(
  connection: Queryable,
  updates: ClientUpdateRow[],
  chatOf: (update: ClientUpdateRow) => LinkedChat | null,
): Promise<Map<ClientUpdateRow, Heeded>> {
  const heeded = new Map<ClientUpdateRow, Heeded>();
  /** Chats in which the client said something before, in these updates. */
  const spoke = new Set<bigint>();
  for (const update of updates) {
    const chat = chatOf(update);
    if (update.press && update.said && chat) heeded.set(update, await heed(connection, update, chat, spoke));
    if (chat && update.said && !update.said.ignored && !update.said.systemLine) spoke.add(chat.id);
  }
  return heeded;
}

async function heed(
  connection: Queryable,
  update: ClientUpdateRow,
  chat: LinkedChat,
  spoke: ReadonlySet<bigint>,
): Promise<Heeded> {
  const { press } = update;
  const { ignored, ...said } = update.said!;
  // The transaction may be run again.
  if ((ignored && ignored !== TOO_LATE) || chat.banned) return { closing: [] };
  const button = await find(connection, press!.buttonId, chat);
  const pressedUnder = update.replyTo?.telegramMessageId;
  const counts = button?.counts === true && !(button.kind === 'vote' && spoke.has(chat.id));
  if (!counts) {
    update.said = { ...said, ignored: TOO_LATE };
    // What cannot be pressed any more need not stand there.
    return { closing: button ? await closeKeyboards(connection, [button.message_id], pressedUnder) : [] };
  }
  update.said = { ...said, ...wordsOf(button, press!.before) };
  await connection.query(`UPDATE buttons SET pressed_by = $2 WHERE id = $1`, [press!.buttonId, press!.pressId]);
  const { kind, text, value, session_id: sessionId, expires_at } = button;
  return {
    closing: await closeKeyboards(connection, [button.message_id], pressedUnder),
    ...(kind === 'vote'
      ? { rating: { sessionId: sessionId!, expiresAt: expires_at?.toISOString() ?? null } }
      : { pressed: { text, value } }),
  };
}

/** A rating is its value alone; every other press names the button, and what it means where that is something else. */
function wordsOf({ kind, text, value }: Pressed, before: string): Partial<NonNullable<ClientUpdateRow['said']>> {
  if (kind === 'vote') return { kind: VOTE, text: value, marks: [] };
  return { text: `${before} ${value === text ? text : `${text} (${value})`}` };
}

/**
 * A rating counts once in a session, and only while the portal waits for it: any other value that comes later would be
 * the client's words, which open a session or wake one (imopenlines/lib/connector.php, addMessage).
 */
async function find(connection: Queryable, buttonId: string, chat: LinkedChat): Promise<Pressed | undefined> {
  const { rows } = await connection.query<Pressed>(
    `SELECT b.message_id, b.kind, b.text, b.value, b.session_id, b.expires_at,
            b.closed_at IS NULL AND b.kind <> 'phone' AND coalesce(b.expires_at > now(), true)
            -- What one portal has asked, another one is not told.
            AND m.portal_id IS NOT DISTINCT FROM c.portal_id
            AND (b.kind <> 'vote' OR (
              NOT (c.bitrix_session_id IS NOT NULL AND ${newerSession('c.bitrix_session_id', 'b.session_id')})
              AND NOT EXISTS (SELECT FROM buttons o WHERE o.chat_id = b.chat_id AND o.session_id = b.session_id
                                 AND o.pressed_by IS NOT NULL)
              -- Words that are still on their way arrive before it.
              AND NOT EXISTS (SELECT FROM lanes l JOIN deliveries d ON d.lane_id = l.id
                               WHERE l.chat_id = b.chat_id AND l.channel = 'inbound' AND d.kind = 'message'
                                 AND d.seq < ${BEHIND})
              AND NOT EXISTS (SELECT FROM messages w
                               WHERE w.chat_id = b.chat_id AND w.id > b.message_id AND w.direction = 'inbound'
                                 AND w.state <> 'ignored' AND NOT w.system_line AND NOT w.can_wait))) AS counts
       FROM buttons b JOIN messages m ON m.id = b.message_id JOIN chat_links c ON c.id = b.chat_id
      WHERE b.id = $1 AND b.chat_id = $2`,
    [buttonId, chat.id],
  );
  return rows[0];
}
