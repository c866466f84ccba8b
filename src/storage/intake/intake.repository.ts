import { Injectable } from '@nestjs/common';
import { pauseAnswers } from '../work/answer-pauses.js';
import { acceptUpdates } from './client-updates.js';
import { DatabaseService, isRepeatable, type Queryable } from '../postgres/database.service.js';
import { HOT_LIMIT_MS } from '../postgres/session-limits.js';
import { heldLeases } from '../work/endpoints.repository.js';
import { insertEvent } from './event-records.js';
import { NOTHING, sumOf, type Intake } from './intake.js';
import type { ClientUpdateRow, EventRow, OperatorChangeRow, OperatorMessageRow } from './intake.rows.js';
import { LeaseLostError } from '../work/lease.js';
import { heedNewsletters } from './newsletters.js';
import { lockBots, lockChats, lockLanes } from '../work/lock-order.js';
import { acceptChanges, acceptFound } from './operator-changes.js';
import { acceptMessages } from './operator-messages.js';
import { acceptSendRequests, type SendAnswer, type SendRequest } from './own-messages.js';
import { acceptPlainAnswers, ChatErasedError, isPlainAnswer } from './plain-answers.js';
import { acceptPlain, isPlain } from './plain-updates.js';
import { firstSeen } from './processed-events.js';
import { noteSessions, type SessionNews } from '../work/sessions.js';
import { subscribe, unsubscribe } from './unsubscribing.js';
import type { Poll, UpdateBatch } from './update-batch.js';

/** A network waits for the answer and must learn soon that nothing was stored; milliseconds. */
const PATIENCE = { limitMs: 5_000, prepared: true };

/** A poller keeps nobody waiting: what is cut off is just asked for again. */
const patienceFor = (batches: UpdateBatch[]) =>
  batches.every(({ poll }) => poll !== undefined) ? { ...PATIENCE, limitMs: HOT_LIMIT_MS } : PATIENCE;

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
  async acceptClientUpdates(updates: ClientUpdateRow[], poll?: Poll): Promise<Intake> {
    const { lost, ...intake } = await this.acceptUpdates([{ updates, poll }]);
    if (poll && lost.length > 0) throw new LeaseLostError(poll.lease);
    return intake;
  }

  /**
   * The same for batches that came together; those whose lease is lost are returned as `lost`, and nothing of them was
   * kept. All pushed, or all polled: two commits may keep them, each batch in one of them.
   */
  async acceptUpdates(batches: UpdateBatch[]): Promise<Intake & { lost: UpdateBatch[] }> {
    const { plain, other } = sortBatches(batches);
    const intakes: (Intake & { lost: UpdateBatch[] })[] = [];
    if (plain.length > 0) intakes.push(await this.acceptPlainBatches(plain));
    if (other.length > 0) {
      intakes.push(await this.db.transaction((connection) => acceptBatches(connection, other), patienceFor(other)));
    }
    return { ...sumOf(intakes), lost: intakes.flatMap(({ lost }) => lost) };
  }

  private async acceptPlainBatches(batches: UpdateBatch[]): Promise<Intake & { lost: UpdateBatch[] }> {
    try {
      return await acceptPlain(this.db, batches);
    } catch (error) {
      if (!isRepeatable(error)) throw error;
      return this.db.transaction((connection) => acceptPlain(connection, batches), patienceFor(batches));
    }
  }

  /**
   * Keeps operators' messages; those that were kept before are skipped. What nobody has begun to send goes out in the
   * order in which it was written. `suspects`: portals of which earlier messages may be missing; their answers are
   * paused from the first commit on. Two commits may keep them, those of one dialog in one of them.
   */
  async acceptOperatorMessages(rows: OperatorMessageRow[], suspects: bigint[] = []): Promise<Intake> {
    const intakes: Intake[] = [];
    const keep = async <Kept extends Intake>(accept: (connection: Queryable) => Promise<Kept>): Promise<Kept> => {
      const intake = await this.db.transaction(async (connection) => {
        if (suspects.length > 0 && intakes.length === 0) await pauseAnswers(connection, suspects);
        return accept(connection);
      }, PATIENCE);
      intakes.push(intake);
      return intake;
    };
    const { plain, other } = sortAnswers(await heedNewsletters(this.db, rows));
    // These first: later ones, in the next commit, may be plain and must not overtake them.
    if (other.length > 0) await keep((connection) => acceptMessages(connection, other));
    if (plain.length > 0) {
      const { elsewhere } = await keep((connection) => acceptPlainAnswers(connection, plain)).catch(
        (error: unknown) => {
          if (error instanceof ChatErasedError) return { elsewhere: plain };
          throw error;
        },
      );
      if (elsewhere.length > 0) await keep((connection) => acceptMessages(connection, elsewhere));
    }
    return sumOf(intakes);
  }

  /** Pauses the answers of these portals, or of all, as far as they are active; returns the portals. */
  pauseAnswers(portalIds: bigint[] | 'all'): Promise<bigint[]> {
    return pauseAnswers(this.db, portalIds);
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
    return this.db.transaction((connection) => acceptFound(connection, { messages, changes }, asOf), PATIENCE);
  }

  /**
   * Keeps what the program is to say on its own account, in the order given; what is known by its key is answered as it
   * was kept.
   */
  acceptSendRequests(requests: SendRequest[]): Promise<{ answers: SendAnswer[]; intake: Intake }> {
    return this.db.transaction((connection) => acceptSendRequests(connection, requests), PATIENCE);
  }

  /** What an administrator says the client wishes: advertising, or none. */
  setSubscribed(chatId: bigint, subscribed: boolean): Promise<void> {
    return this.db.transaction(async (connection) => {
      await lockChats(connection, [chatId]);
      await lockLanes(connection, [chatId]);
      if (subscribed) await subscribe(connection, [chatId]);
      else await unsubscribe(connection, chatId);
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

  /** Deletes keys older than `days`, one batch per call so that nobody waits for it; returns how many. */
  async purgeProcessed(days: number, batch = 10_000): Promise<number> {
    const { rowCount } = await this.db.query(
      `DELETE FROM processed_events WHERE (source, key) IN (
         SELECT source, key FROM processed_events WHERE received_at < now() - make_interval(days => $1) LIMIT $2)`,
      [days, batch],
    );
    return rowCount ?? 0;
  }
}

/**
 * Those that one statement can keep, and the others: a batch that holds anything else, and whatever else comes from the
 * chats of such a batch, because the order within a chat stays.
 */
function sortBatches(batches: UpdateBatch[]): { plain: UpdateBatch[]; other: UpdateBatch[] } {
  const chatsOf = ({ updates }: UpdateBatch) =>
    updates.flatMap(({ botId, chat }) => (chat ? `${botId}/${chat.externalId}` : []));
  const isOther = new Set(batches.filter(({ updates }) => updates.length === 0 || !updates.every(isPlain)));
  const taken = new Set([...isOther].flatMap(chatsOf));
  for (let before = -1; before !== isOther.size;) {
    before = isOther.size;
    for (const batch of batches) {
      const chats = chatsOf(batch);
      if (isOther.has(batch) || !chats.some((chat) => taken.has(chat))) continue;
      isOther.add(batch);
      for (const chat of chats) taken.add(chat);
    }
  }
  return {
    plain: batches.filter((batch) => !isOther.has(batch)),
    other: batches.filter((batch) => isOther.has(batch)),
  };
}

/** Those that one statement can keep, and the others, with whatever else is written in the dialogs of those. */
function sortAnswers(rows: OperatorMessageRow[]) {
  const dialogOf = ({ portalId, externalChatId }: OperatorMessageRow) => `${portalId}/${externalChatId}`;
  const taken = new Set(rows.filter((row) => !isPlainAnswer(row)).map(dialogOf));
  const isAlone = (row: OperatorMessageRow) => !taken.has(dialogOf(row));
  return { plain: rows.filter(isPlainAnswer).filter(isAlone), other: rows.filter((row) => !isAlone(row)) };
}

async function acceptBatches(connection: Queryable, batches: UpdateBatch[]): Promise<Intake & { lost: UpdateBatch[] }> {
  const polls = batches.flatMap(({ poll }) => poll ?? []);
  await lockBots(connection, [
    ...batches.flatMap(({ updates }) => updates.map(({ botId }) => botId)),
    ...polls.map(({ botId }) => botId),
  ]);
  const held = await heldLeases(
    connection,
    polls.map(({ lease }) => lease),
  );
  const lost = batches.filter(({ poll }) => poll && !held.has(poll.lease));
  const kept = batches.filter((batch) => !lost.includes(batch));
  await moveOffsets(
    connection,
    kept.flatMap(({ poll }) => poll ?? []),
  );
  const intake = await acceptUpdates(
    connection,
    kept.flatMap(({ updates }) => updates),
  );
  return { ...intake, lost };
}

async function moveOffsets(connection: Queryable, polls: Poll[]): Promise<void> {
  if (polls.length === 0) return;
  await connection.query(
    `UPDATE bots SET next_offset = r.next_offset
       FROM unnest($1::bigint[], $2::bigint[]) AS r(bot_id, next_offset) WHERE bots.id = r.bot_id`,
    [polls.map(({ botId }) => botId), polls.map(({ nextOffset }) => nextOffset)],
  );
}
