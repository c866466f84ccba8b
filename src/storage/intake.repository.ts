import { Injectable } from '@nestjs/common';
import { DatabaseService, type Queryable } from './database.service.js';
import { assertLease } from './endpoints.repository.js';
import { jsonb, storableText } from './json.js';
import type { Lease } from './lease.js';
import { wordsVector } from './message-words.repository.js';
import { appendDeliveries, type NewDelivery } from './outbox.js';
import type { Direction } from './prisma/client.js';
import { searchableWords } from './text-search.js';

/** What was said, ready to be kept. */
export interface StoredWords {
  kind: string;
  text: string;
  marks: unknown;
  authorId?: string;
  authorName?: string;
  /** By the clock of the network it came from. */
  saidAt?: Date;
  /** What came, without credentials. */
  raw: unknown;
  /** Set: kept for the record, never relayed. */
  ignored?: { code: string; detail: string };
}

/** A chat as an update shows it; see the columns of `chat_links`. */
export interface StoredChat {
  externalId: string;
  externalUserId: string;
  telegramChatId: bigint;
  threadId?: bigint;
  businessConnection?: string;
  type: string;
  title: string;
  firstName?: string;
  lastName?: string;
  username?: string;
  language?: string;
}

export interface ClientUpdateRow {
  botId: bigint;
  updateId: number;
  chat: StoredChat | null;
  said: StoredWords | null;
  /** Telegram's message id, when what was said is a message. */
  telegramMessageId?: bigint;
  /** The client blocked (or unblocked) the bot. */
  blocked?: boolean;
  /** Proof that the client looked at the chat: he wrote, pressed or reacted. */
  sawChat: boolean;
}

export interface OperatorMessageRow {
  portalId: bigint;
  connector: string;
  /** null: not named by the event (the short test form); the newest chat with that id is meant. */
  lineId: string | null;
  externalChatId: string;
  /** im.message_id: unique in the portal. */
  bitrixMessageId: string;
  bitrixChatId: string | null;
  said: StoredWords;
  unsigned: boolean;
}

export interface EventRow {
  source: string;
  key: string;
}

/** What an intake did: endpoints that have new work, and how many messages are new. */
export interface Intake {
  endpoints: string[];
  accepted: number;
  duplicates: number;
}

interface NewMessage {
  portalId: bigint | null;
  botId: bigint | null;
  chatId: bigint | null;
  direction: Direction;
  said: StoredWords;
  telegramMessageId?: bigint;
  externalChatId: string | null;
  bitrixMessageId?: string;
  bitrixChatId?: string | null;
  unsigned?: boolean;
  /** Endpoint that will send it; null: nobody will (ignored). */
  endpoint: string | null;
}

interface LinkedChat {
  id: bigint;
  bot_id: bigint;
  external_id: string;
  portal_id: bigint | null;
  bitrix_chat_id: string | null;
  unseen_message_id: bigint | null;
}

/** A network waits for the answer, and must hear soon that nothing was kept; milliseconds. */
const PATIENCE = { limitMs: 5_000 };

const NOTHING: Intake = { endpoints: [], accepted: 0, duplicates: 0 };

/**
 * The way in: everything that one network said becomes rows in one transaction — dedupe, chat link, message,
 * delivery — and nothing is acknowledged before its commit. Each method takes many at once: a poll's batch, or
 * the requests that arrived together.
 */
@Injectable()
export class IntakeRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Keeps Telegram updates, in the order given; those that were kept before are skipped. With `poll`, the offset
   * moves in the same transaction and only while the lease holds (throws LeaseLostError otherwise).
   */
  acceptClientUpdates(
    updates: ClientUpdateRow[],
    poll?: { lease: Lease; botId: bigint; nextOffset: bigint },
  ): Promise<Intake> {
    return this.db.transaction(async (connection) => {
      if (poll) {
        await assertLease(connection, poll.lease);
        await connection.query(`UPDATE bots SET next_offset = $2 WHERE id = $1`, [poll.botId, poll.nextOffset]);
      }
      return acceptUpdates(connection, updates);
    }, PATIENCE);
  }

  /** Keeps operators' messages, in the order given; those that were kept before are skipped. */
  acceptOperatorMessages(rows: OperatorMessageRow[]): Promise<Intake> {
    return this.db.transaction((connection) => acceptMessages(connection, rows), PATIENCE);
  }

  /** Keeps an event that is no message; false when it was kept before. */
  acceptEvent(event: EventRow & { portalId: bigint; name: string; raw: unknown }): Promise<boolean> {
    return this.db.transaction(async (connection) => {
      if ((await firstSeen(connection, [event])).length === 0) return false;
      await connection.query(`INSERT INTO events (portal_id, name, raw) VALUES ($1, $2, $3::jsonb)`, [
        event.portalId,
        event.name,
        jsonb(event.raw),
      ]);
      return true;
    }, PATIENCE);
  }

  /** Forgets keys older than `days`; a batch at a time so that nobody waits for it. Returns how many. */
  async purgeProcessed(days: number, batch = 10_000): Promise<number> {
    const { rowCount } = await this.db.query(
      `DELETE FROM processed_events WHERE (source, key) IN (
         SELECT source, key FROM processed_events WHERE received_at < now() - make_interval(days => $1) LIMIT $2)`,
      [days, batch],
    );
    return rowCount ?? 0;
  }
}

async function acceptUpdates(connection: Queryable, updates: ClientUpdateRow[]): Promise<Intake> {
  const keyed = updates.map((update) => ({
    update,
    source: `telegram:${update.botId}`,
    key: String(update.updateId),
  }));
  const fresh = await firstSeen(connection, keyed);
  if (fresh.length === 0) return { ...NOTHING, duplicates: updates.length };
  const accepted = fresh.map(({ update }) => update);
  const chats = await linkChats(connection, accepted);
  const chatOf = (update: ClientUpdateRow) =>
    update.chat ? (chats.get(`${update.botId}/${update.chat.externalId}`) ?? null) : null;

  const messages = accepted.flatMap((update): NewMessage[] => {
    if (!update.said) return [];
    const chat = chatOf(update);
    return [
      {
        portalId: chat?.portal_id ?? null,
        botId: update.botId,
        chatId: chat?.id ?? null,
        direction: 'inbound',
        said: update.said,
        telegramMessageId: update.telegramMessageId,
        externalChatId: update.chat?.externalId ?? null,
        endpoint: chat && !update.said.ignored ? portalEndpoint(chat.portal_id) : null,
      },
    ];
  });
  const work = await insertMessages(connection, messages);

  const seen = new Map<bigint, NewDelivery>();
  for (const update of accepted) {
    const chat = chatOf(update);
    if (!update.sawChat || !chat?.unseen_message_id) continue;
    seen.set(chat.id, {
      chatId: chat.id,
      channel: 'reading',
      endpoint: portalEndpoint(chat.portal_id),
      messageId: chat.unseen_message_id,
      kind: 'reading',
    });
  }
  if (seen.size > 0) {
    await connection.query(`UPDATE chat_links SET unseen_message_id = NULL WHERE id = ANY($1::bigint[])`, [
      [...seen.keys()],
    ]);
  }
  return finish(connection, [...work, ...seen.values()], messages.length, updates.length - fresh.length);
}

async function acceptMessages(connection: Queryable, rows: OperatorMessageRow[]): Promise<Intake> {
  const fresh = await firstSeen(
    connection,
    rows.map((row) => ({ row, source: `bitrix24:${row.portalId}`, key: `${row.connector}:${row.bitrixMessageId}` })),
  );
  if (fresh.length === 0) return { ...NOTHING, duplicates: rows.length };
  const accepted = fresh.map(({ row }) => row);
  const { rows: found } = await connection.query<LinkedChat & { ord: number }>(
    `SELECT DISTINCT ON (r.ord) r.ord, c.id, c.bot_id, c.external_id, c.portal_id, c.bitrix_chat_id, c.unseen_message_id
       FROM jsonb_to_recordset($1::jsonb) AS r(ord int, portal_id bigint, line_id text, external_id text)
       JOIN chat_links c ON c.portal_id = r.portal_id AND c.external_id = r.external_id
       JOIN bots b ON b.id = c.bot_id AND (r.line_id IS NULL OR b.line_id = r.line_id)
      ORDER BY r.ord, c.last_inbound_at DESC NULLS LAST`,
    [
      jsonb(
        accepted.map((row, ord) => ({
          ord,
          portal_id: row.portalId,
          line_id: row.lineId,
          external_id: row.externalChatId,
        })),
      ),
    ],
  );
  const chats = new Map(found.map((chat) => [chat.ord, chat]));
  const learned = accepted.flatMap((row, ord) => {
    const chat = chats.get(ord);
    return chat && row.bitrixChatId && row.bitrixChatId !== chat.bitrix_chat_id
      ? [{ id: chat.id, bitrix_chat_id: row.bitrixChatId }]
      : [];
  });
  if (learned.length > 0) {
    await connection.query(
      `UPDATE chat_links c SET bitrix_chat_id = r.bitrix_chat_id
         FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, bitrix_chat_id text) WHERE c.id = r.id`,
      [jsonb(learned)],
    );
  }
  const work = await insertMessages(
    connection,
    accepted.map((row, ord): NewMessage => {
      const chat = chats.get(ord) ?? null;
      const ignored =
        row.said.ignored ??
        (chat
          ? undefined
          : {
              code: 'unknown_chat',
              detail: `No Telegram chat is known as ${row.externalChatId} on line ${row.lineId ?? '(not named)'}.`,
            });
      return {
        portalId: row.portalId,
        botId: chat?.bot_id ?? null,
        chatId: chat?.id ?? null,
        direction: 'outbound',
        said: { ...row.said, ignored },
        externalChatId: row.externalChatId,
        bitrixMessageId: row.bitrixMessageId,
        bitrixChatId: row.bitrixChatId,
        unsigned: row.unsigned,
        endpoint: chat && !ignored ? `bot:${chat.bot_id}` : null,
      };
    }),
  );
  return finish(connection, work, accepted.length, rows.length - fresh.length);
}

async function finish(
  connection: Queryable,
  work: NewDelivery[],
  accepted: number,
  duplicates: number,
): Promise<Intake> {
  await appendDeliveries(connection, work);
  return { endpoints: [...new Set(work.map((delivery) => delivery.endpoint).filter(Boolean))], accepted, duplicates };
}

function portalEndpoint(portalId: bigint | null): string {
  return portalId === null ? '' : `portal:${portalId}`;
}

/** Remembers the keys and returns the items whose key was not there yet, in their order, each key once. */
async function firstSeen<Item extends EventRow>(connection: Queryable, items: Item[]): Promise<Item[]> {
  const { rows } = await connection.query<{ source: string; key: string }>(
    `INSERT INTO processed_events (source, key)
     SELECT DISTINCT source, key FROM jsonb_to_recordset($1::jsonb) AS r(source text, key text) ORDER BY source, key
     ON CONFLICT DO NOTHING RETURNING source, key`,
    [jsonb(items.map(({ source, key }) => ({ source, key })))],
  );
  const fresh = new Set(rows.map((row) => `${row.source}/${row.key}`));
  return items.filter((item) => fresh.delete(`${storableText(item.source)}/${storableText(item.key)}`));
}

/** Creates or refreshes the links of all chats that the updates mention; keyed by `<bot id>/<external id>`. */
async function linkChats(connection: Queryable, updates: ClientUpdateRow[]): Promise<Map<string, LinkedChat>> {
  const shown = new Map<string, Record<string, unknown>>();
  for (const { botId, chat, said, blocked } of updates) {
    if (!chat) continue;
    const key = `${botId}/${chat.externalId}`;
    const before = shown.get(key);
    shown.set(key, {
      bot_id: botId,
      external_id: chat.externalId,
      external_user_id: chat.externalUserId,
      telegram_chat_id: chat.telegramChatId,
      thread_id: chat.threadId ?? null,
      business_connection: chat.businessConnection ?? null,
      type: chat.type,
      title: chat.title,
      first_name: chat.firstName ?? null,
      last_name: chat.lastName ?? null,
      username: chat.username ?? null,
      language: chat.language ?? null,
      wrote: before?.wrote === true || said !== null,
      // A client who writes can be written to, whatever was known before.
      blocked: blocked ?? (said ? false : (before?.blocked ?? null)),
    });
  }
  if (shown.size === 0) return new Map();
  const { rows } = await connection.query<LinkedChat>(
    `INSERT INTO chat_links AS c (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, thread_id,
                                  business_connection, type, title, first_name, last_name, username, language,
                                  state, state_reason, last_inbound_at)
     SELECT r.bot_id, b.portal_id, r.external_id, r.external_user_id, r.telegram_chat_id, r.thread_id,
            r.business_connection, r.type, r.title, r.first_name, r.last_name, r.username, r.language,
            CASE WHEN r.blocked THEN 'blocked'::"ChatState" ELSE 'active' END,
            CASE WHEN r.blocked THEN 'The client blocked the bot' END,
            CASE WHEN r.wrote THEN now() END
       FROM jsonb_to_recordset($1::jsonb) AS r(bot_id bigint, external_id text, external_user_id text,
              telegram_chat_id bigint, thread_id bigint, business_connection text, type text, title text,
              first_name text, last_name text, username text, language text, wrote boolean, blocked boolean)
       JOIN bots b ON b.id = r.bot_id
      ORDER BY r.bot_id, r.external_id
     ON CONFLICT (bot_id, external_id) DO UPDATE
        SET telegram_chat_id = excluded.telegram_chat_id,
            type = excluded.type,
            title = excluded.title,
            first_name = excluded.first_name,
            last_name = excluded.last_name,
            username = excluded.username,
            language = coalesce(excluded.language, c.language),
            portal_id = excluded.portal_id,
            state = excluded.state,
            state_reason = excluded.state_reason,
            last_inbound_at = coalesce(excluded.last_inbound_at, c.last_inbound_at),
            updated_at = now()
     RETURNING id, bot_id, external_id, portal_id, bitrix_chat_id, unseen_message_id`,
    [jsonb([...shown.values()])],
  );
  return new Map(rows.map((row) => [`${row.bot_id}/${row.external_id}`, row]));
}

/** Inserts the messages in their order and returns the deliveries that those to be relayed need. */
async function insertMessages(connection: Queryable, messages: NewMessage[]): Promise<NewDelivery[]> {
  if (messages.length === 0) return [];
  const { rows: ids } = await connection.query<{ id: bigint }>(
    `SELECT nextval(pg_get_serial_sequence('messages', 'id')) AS id FROM generate_series(1, $1::int)`,
    [messages.length],
  );
  const numbered = messages.map((message, index) => ({ ...message, id: ids[index]!.id }));
  await connection.query(
    `WITH r AS (
       SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, portal_id bigint, bot_id bigint, chat_id bigint,
              direction text, state text, kind text, text text, words text, marks jsonb, author_id text, author_name text,
              external_chat_id text, bitrix_message_id text, bitrix_chat_id text, unsigned boolean, raw jsonb,
              error_code text, error_detail text, said_at timestamptz)
     ), kept AS (
       INSERT INTO messages (id, portal_id, bot_id, chat_id, direction, state, kind, text, marks, author_id, author_name,
                             external_chat_id, bitrix_message_id, bitrix_chat_id, unsigned, raw, error_code, error_detail, said_at)
       SELECT id, portal_id, bot_id, chat_id, direction::"Direction", state::"MessageState", kind, text, marks, author_id, author_name,
              external_chat_id, bitrix_message_id, bitrix_chat_id, unsigned, raw, error_code, error_detail, said_at
         FROM r
     )
     INSERT INTO message_words (message_id, words) SELECT id, ${wordsVector('words')} FROM r WHERE words <> ''`,
    [
      jsonb(
        numbered.map((message) => ({
          id: message.id,
          portal_id: message.portalId,
          bot_id: message.botId,
          chat_id: message.chatId,
          direction: message.direction,
          state: message.endpoint === null ? 'ignored' : 'queued',
          kind: message.said.kind,
          text: message.said.text,
          words: searchableWords(message.said.text),
          marks: message.said.marks,
          author_id: message.said.authorId ?? null,
          author_name: message.said.authorName ?? null,
          external_chat_id: message.externalChatId,
          bitrix_message_id: message.bitrixMessageId ?? null,
          bitrix_chat_id: message.bitrixChatId ?? null,
          unsigned: message.unsigned ?? false,
          raw: message.said.raw ?? {},
          error_code: message.said.ignored?.code ?? null,
          error_detail: message.said.ignored?.detail ?? null,
          said_at: message.said.saidAt ?? null,
        })),
      ),
    ],
  );
  const links = numbered.filter((message) => message.telegramMessageId !== undefined && message.chatId !== null);
  if (links.length > 0) {
    await connection.query(
      `INSERT INTO message_links (message_id, part, chat_id, telegram_message_id)
       SELECT message_id, 0, chat_id, telegram_message_id
         FROM jsonb_to_recordset($1::jsonb) AS r(message_id bigint, chat_id bigint, telegram_message_id bigint)`,
      [
        jsonb(
          links.map((message) => ({
            message_id: message.id,
            chat_id: message.chatId,
            telegram_message_id: message.telegramMessageId,
          })),
        ),
      ],
    );
  }
  return numbered.flatMap((message): NewDelivery[] =>
    message.endpoint === null || message.chatId === null
      ? []
      : [
          {
            chatId: message.chatId,
            channel: message.direction,
            endpoint: message.endpoint,
            messageId: message.id,
            kind: 'message',
          },
        ],
  );
}
