import { Injectable } from '@nestjs/common';
import { findAddressees } from './addressees.js';
import { linkChats, type LinkedChat } from './chat-linking.js';
import { DatabaseService, type Queryable } from './database.service.js';
import { routeReports, type RoutedReports } from './dialog-reports.js';
import { assertLease } from './endpoints.repository.js';
import {
  FOREIGN_CONNECTOR,
  type ClientUpdateRow,
  type EventRow,
  type OperatorChangeRow,
  type OperatorMessageRow,
  type StoredWords,
} from './intake.rows.js';
import { jsonb, storableText } from './json.js';
import type { Lease } from './lease.js';
import { lostReports } from './lost-reports.js';
import { growAlbums, insertMessages, mergeWords, type NewMessage } from './message-rows.js';
import { appendDeliveries, orderByMessageId, type NewDelivery } from './outbox.js';
import { HOLD_SECONDS } from './portals.repository.js';
import { findQuoted } from './quotes.js';
import { markSeen } from './seen.js';
import { heedStarts } from './start-press.js';
import { tellOfWaits } from './settlement.js';
import { noteSessions, type SessionNews } from './sessions.js';
import { welcome } from './welcome.js';
import {
  changedByOperator,
  deleteByClient,
  quoteReplaced,
  reviseByClient,
  reviseByFoundChanges,
  reviseByOperator,
  sortEdits,
  type ClientEdit,
} from './revisions.js';

/** What an intake did: endpoints that have new work, and how many messages are new. */
export interface Intake {
  endpoints: string[];
  accepted: number;
  duplicates: number;
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

  /**
   * Keeps operators' messages; those that were kept before are skipped. What nobody has begun to send goes out in the
   * order in which it was written. `suspects`: portals of which earlier messages may be missing; their answers are
   * held from this commit on.
   */
  acceptOperatorMessages(rows: OperatorMessageRow[], suspects: bigint[] = []): Promise<Intake> {
    return this.db.transaction(async (connection) => {
      // First, as an erasure does: portals are locked before lanes.
      if (suspects.length > 0) await holdAnswers(connection, suspects);
      return acceptMessages(connection, rows);
    }, PATIENCE);
  }

  /** Holds the answers of every portal from now on; returns the portals. */
  holdAnswers(): Promise<bigint[]> {
    return holdAnswers(this.db, null);
  }

  /**
   * Keeps operators' edits and deletions of messages, in the order given; those that were kept before are skipped, and
   * those of messages that are not ours are kept as events.
   */
  acceptOperatorChanges(changes: OperatorChangeRow[]): Promise<Intake> {
    return this.db.transaction((connection) => acceptChanges(connection, changes), PATIENCE);
  }

  /**
   * Keeps changes of operators' messages that were found in the dialogs, as they were after `asOf`, and has the delivery
   * of messages reported again that the portal still shows as being sent. What is known already changes nothing.
   */
  acceptFound(
    { messages, changes }: { messages: OperatorMessageRow[]; changes: OperatorChangeRow[] },
    asOf: Date,
  ): Promise<Intake> {
    return this.db.transaction(async (connection) => {
      const work = [
        ...(await reviseByFoundChanges(connection, changes, asOf)),
        ...(await lostReports(connection, messages)),
      ];
      await appendDeliveries(connection, work);
      return intakeOf(work, 0, 0);
    }, PATIENCE);
  }

  /** Keeps an event that is no message; false when it was kept before. */
  acceptEvent(event: EventRow & { portalId: bigint; name: string; raw: unknown }): Promise<boolean> {
    return this.db.transaction(async (connection) => {
      if ((await firstSeen(connection, [event])).length === 0) return false;
      await insertEvent(connection, event);
      return true;
    }, PATIENCE);
  }

  /**
   * Keeps an event that tells where sessions began or ended, and what it tells; false `isNew`: it was kept before. An
   * older session says nothing about a newer one, whatever the order of the events. What waited for a session is due.
   */
  acceptSessionEvent(
    event: EventRow & { portalId: bigint; name: string; raw: unknown },
    told: SessionNews[],
  ): Promise<Intake> {
    return this.db.transaction(async (connection) => {
      if ((await firstSeen(connection, [event])).length === 0) return { ...NOTHING, duplicates: 1 };
      await insertEvent(connection, event);
      return { endpoints: await noteSessions(connection, event.portalId, told), accepted: 0, duplicates: 0 };
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
  const unseen = (await firstSeen(connection, keyed)).map(({ update }) => update);
  if (unseen.length === 0) return { ...NOTHING, duplicates: updates.length };
  const fresh = await heedStarts(connection, unseen);
  const chatOf = await linkChats(connection, fresh);
  const place = new Map(fresh.map((update, index) => [update, index]));
  const work: { at: number; delivery: NewDelivery }[] = [];

  let accepted = 0;
  const keep = async (said: ClientUpdateRow[]): Promise<void> => {
    accepted += said.length;
    const { albums, single } = await gatherAlbums(connection, said, chatOf);
    const messages = [...albums, ...single].sort((a, b) => place.get(a.update)! - place.get(b.update)!);
    const deliveries = await insertMessages(
      connection,
      messages.map(({ message }) => message),
    );
    deliveries.forEach((delivery, index) => {
      if (!delivery) return;
      const { update } = messages[index]!;
      const waits = delivery.canWait === true && isKnownClosed(chatOf(update));
      work.push({ at: place.get(update)!, delivery: { ...delivery, waits } });
    });
  };

  let edits = fresh.flatMap((update) => editOf(update, chatOf(update)));
  const changing = new Set<ClientUpdateRow>(edits.map(({ update }) => update));
  await keep(fresh.filter((update) => update.said !== null && !changing.has(update)));
  while (edits.length > 0) {
    const { known, news } = await sortEdits(connection, edits);
    for (const edit of known) {
      for (const delivery of await reviseByClient(connection, edit)) {
        work.push({ at: place.get(edit.update)!, delivery });
      }
    }
    // The first is a message of its own, the ones after it are edits of that.
    const first = new Map(
      news.map((edit) => [`${edit.chat.id}/${edit.update.telegramMessageId}`, edit] as const).toReversed(),
    );
    const kept = new Set(first.values());
    for (const edit of kept) quoteReplaced(edit);
    await keep([...kept].map(({ update }) => update));
    edits = news.filter((edit) => !kept.has(edit));
  }
  for (const update of fresh) {
    const chat = chatOf(update);
    if (!update.deletes || !chat) continue;
    const deletion = { chat, telegramMessageIds: update.deletes, raw: update.said?.raw ?? {} };
    for (const delivery of await deleteByClient(connection, [deletion])) {
      work.push({ at: place.get(update)!, delivery });
    }
  }

  await markSeen(
    connection,
    fresh.flatMap((update) => (update.sawChat ? (chatOf(update) ?? []) : [])),
  );
  const ordered = work.sort((a, b) => a.at - b.at).map(({ delivery }) => delivery);
  const greetings = await welcome(
    connection,
    fresh.flatMap((update) => {
      const chat = update.starts && !update.said?.ignored ? chatOf(update) : null;
      return chat && !chat.banned ? [chat] : [];
    }),
  );
  const deliveries = [...ordered, ...greetings];
  await appendDeliveries(connection, deliveries);
  return intakeOf(deliveries, accepted, updates.length - fresh.length);
}

/** No session of its dialog is open, as far as anybody told; a chat that has no dialog yet has no session. */
function isKnownClosed(chat: LinkedChat | null): boolean {
  return chat !== null && (chat.dialog_open === false || (chat.dialog_open === null && chat.bitrix_chat_id === null));
}

type Heard = { update: ClientUpdateRow; message: NewMessage };

function editOf(update: ClientUpdateRow, chat: LinkedChat | null) {
  const { edits, said, telegramMessageId } = update;
  if (!edits || !said || said.ignored || telegramMessageId === undefined || !chat) return [];
  // The same object: its place among the updates is looked up by it.
  return [{ update: update as ClientEdit['update'], chat }];
}

/** The messages that the updates bring; parts of one album become one, or join the one that waits already. */
async function gatherAlbums(
  connection: Queryable,
  updates: ClientUpdateRow[],
  chatOf: (update: ClientUpdateRow) => LinkedChat | null,
): Promise<{ albums: Heard[]; single: Heard[] }> {
  const single: Heard[] = [];
  const parts: { chatId: bigint; albumId: string; telegramMessageId: bigint; said: StoredWords; heard: Heard }[] = [];
  for (const update of updates) {
    const heard = { update, message: heardFrom(update, chatOf(update)) };
    const { albumId, telegramMessageId } = update;
    const { chatId, said, endpoint } = heard.message;
    if (albumId && chatId !== null && endpoint !== null && telegramMessageId !== undefined) {
      parts.push({ chatId, albumId, telegramMessageId, said, heard });
    } else single.push(heard);
  }
  const albums = new Map<string, Heard>();
  for (const { heard, chatId, albumId, telegramMessageId, said } of await growAlbums(connection, parts)) {
    const begun = albums.get(`${chatId}/${albumId}`)?.message;
    if (!begun) {
      albums.set(`${chatId}/${albumId}`, heard);
      continue;
    }
    begun.said = {
      ...begun.said,
      ...mergeWords(begun.said, said),
      notOwnWords: begun.said.notOwnWords && said.notOwnWords,
      attachments: [...(begun.said.attachments ?? []), ...(said.attachments ?? [])],
      raw: [begun.said.raw, said.raw].flat(),
    };
    begun.telegramMessageIds!.push(telegramMessageId);
  }
  return { albums: [...albums.values()], single };
}

const BANNED = { code: 'banned', detail: 'The chat is on the ban list.' };

function heardFrom(update: ClientUpdateRow, chat: LinkedChat | null): NewMessage {
  const ignored = update.said!.ignored ?? (chat?.banned ? BANNED : undefined);
  return {
    portalId: chat?.portal_id ?? null,
    botId: update.botId,
    chatId: chat?.id ?? null,
    direction: 'inbound',
    said: { ...update.said!, ignored },
    telegramMessageIds: update.telegramMessageId === undefined ? [] : [update.telegramMessageId],
    albumId: update.albumId,
    replyTo: update.replyTo,
    externalChatId: chat?.external_id ?? update.chat?.externalId ?? null,
    endpoint: chat && !ignored ? portalEndpoint(chat.portal_id) : null,
  };
}

async function acceptMessages(connection: Queryable, rows: OperatorMessageRow[]): Promise<Intake> {
  const fresh = await firstSeen(
    connection,
    rows.map((row) => ({ row, source: `bitrix24:${row.portalId}`, key: `${row.connector}:${row.bitrixMessageId}` })),
  );
  if (fresh.length === 0) return { ...NOTHING, duplicates: rows.length };
  const accepted = fresh.map(({ row }) => row);
  const addressees = await findAddressees(connection, accepted);
  const chats = addressees.map((found) => ('chat' in found ? found.chat : null));
  const ignored = accepted.map(
    ({ said }, ord) => said.ignored ?? ('chat' in addressees[ord]! ? undefined : addressees[ord]),
  );
  const learned = accepted.flatMap((row, ord) => {
    const found = addressees[ord]!;
    if (!('chat' in found) || !found.present) return [];
    const { chat } = found;
    const moved = row.bitrixChatId && row.bitrixChatId !== chat.bitrix_chat_id;
    // Whoever writes has a session, unless the event was late: only a look can tell.
    const doubt = chat.dialog_open === false && row.said.authorId !== undefined && row.said.authorId !== '0';
    return moved || doubt ? [{ id: chat.id, bitrix_chat_id: moved ? row.bitrixChatId : null, doubt }] : [];
  });
  if (learned.length > 0) {
    await connection.query(
      `UPDATE chat_links c SET bitrix_chat_id = coalesce(r.bitrix_chat_id, c.bitrix_chat_id),
              dialog_open = CASE WHEN r.doubt AND NOT c.dialog_open THEN NULL ELSE c.dialog_open END
         FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, bitrix_chat_id text, doubt boolean) WHERE c.id = r.id`,
      [jsonb(learned)],
    );
  }
  const answered: Awaited<ReturnType<typeof findQuoted>>[] = [];
  for (const [ord, row] of accepted.entries()) {
    const chat = row.quoted && chats[ord];
    answered.push(chat ? await findQuoted(connection, chat.id, row) : null);
  }
  const work = await insertMessages(
    connection,
    accepted.map((row, ord): NewMessage => {
      const chat = chats[ord] ?? null;
      const answer = answered[ord];
      return {
        portalId: row.portalId,
        botId: chat?.bot_id ?? null,
        chatId: chat?.id ?? null,
        direction: 'outbound',
        said: { ...row.said, ...(answer ? row.quoted!.rest : {}), ignored: ignored[ord] },
        ...(answer ? { replyToId: answer.id, replyQuote: answer.quote } : {}),
        externalChatId: row.externalChatId,
        bitrixMessageId: row.bitrixMessageId,
        bitrixChatId: row.bitrixChatId,
        bitrixLineId: row.lineId,
        unsigned: row.unsigned,
        endpoint: chat && !ignored[ord] ? `bot:${chat.bot_id}` : null,
      };
    }),
  );
  const { deliveries: notes, endpoints } = await tellWhyIgnored(
    connection,
    accepted.filter((_, ord) => ignored[ord] && ignored[ord].code !== FOREIGN_CONNECTOR),
  );
  const deliveries = [...work.filter((delivery) => delivery !== null), ...notes];
  const crowded = await appendDeliveries(connection, deliveries);
  await orderByMessageId(connection, crowded);
  const told = await tellOfWaits(connection, crowded);
  const intake = intakeOf(deliveries, accepted.length, rows.length - fresh.length);
  return { ...intake, endpoints: [...new Set([...intake.endpoints, ...endpoints, ...told])] };
}

/** What was kept and goes nowhere is told where it was written. */
async function tellWhyIgnored(connection: Queryable, ignored: OperatorMessageRow[]): Promise<RoutedReports> {
  if (ignored.length === 0) return { deliveries: [], endpoints: [] };
  const { rows } = await connection.query<{ id: bigint; error_code: string; error_detail: string }>(
    `SELECT m.id, m.error_code, m.error_detail
       FROM jsonb_to_recordset($1::jsonb) AS r(ord int, portal_id bigint, bitrix_message_id text)
       JOIN messages m ON m.portal_id = r.portal_id AND m.bitrix_message_id = r.bitrix_message_id
      WHERE m.direction = 'outbound' AND m.state = 'ignored' ORDER BY r.ord`,
    [jsonb(ignored.map((row, ord) => ({ ord, portal_id: row.portalId, bitrix_message_id: row.bitrixMessageId })))],
  );
  return routeReports(
    connection,
    rows.map(({ id, error_code: code, error_detail: detail }) => ({
      messageId: id,
      kind: 'note',
      payload: { code, detail, about: 'message' },
    })),
  );
}

/** Of these portals, or of all. */
async function holdAnswers(connection: Queryable, portalIds: bigint[] | null): Promise<bigint[]> {
  const { rows } = await connection.query<{ id: bigint }>(
    `UPDATE portals SET hold_outbound_until = now() + make_interval(secs => $2)
      WHERE state = 'active' AND id IN (
        SELECT id FROM portals WHERE $1::bigint[] IS NULL OR id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE)
      RETURNING id`,
    [portalIds, HOLD_SECONDS],
  );
  return rows.map(({ id }) => id);
}

async function acceptChanges(connection: Queryable, changes: OperatorChangeRow[]): Promise<Intake> {
  const fresh = await firstSeen(connection, changes);
  const work: NewDelivery[] = [];
  for (const change of fresh) {
    const message = await changedByOperator(connection, change);
    if (message) work.push(...(await reviseByOperator(connection, message, change)));
    else await insertEvent(connection, change);
  }
  await appendDeliveries(connection, work);
  return intakeOf(work, 0, changes.length - fresh.length);
}

async function insertEvent(
  connection: Queryable,
  event: { portalId: bigint; name: string; raw: unknown },
): Promise<void> {
  await connection.query(`INSERT INTO events (portal_id, name, raw) VALUES ($1, $2, $3::jsonb)`, [
    event.portalId,
    event.name,
    jsonb(event.raw),
  ]);
}

function intakeOf(work: NewDelivery[], accepted: number, duplicates: number): Intake {
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
