import { Injectable } from '@nestjs/common';
import { addToAuditEntry } from '../postgres/audit-entries.js';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { lockChats } from '../work/lock-order.js';
import { BEHIND } from '../work/outbox.js';
import { LOWER_PENDING } from '../work/dropped-work.js';

/** How far the messages of a portal were looked through, and what was erased of them. */
export interface Expiry {
  erased: number;
  /** Id to go on after; null: what follows is not old enough. */
  next: bigint | null;
}

/** How the audit names it. */
const EXPIRE = 'portal.expire';

/**
 * Erases messages by age, as each portal wishes (`portals.retention_days`), and records how many in the audit. Chats stay:
 * they are the dialogs.
 */
@Injectable()
export class MessageRetentionRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Portals that keep their messages for a number of days. */
  async portals(): Promise<bigint[]> {
    const { rows } = await this.db.query<{ id: bigint }>(
      `SELECT id FROM portals WHERE retention_days IS NOT NULL ORDER BY id`,
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Looks at up to `batch` messages of the portal above `after`, oldest first, and erases those that are too old, with
   * all that hangs on them; one that something still waits to be sent of stays until it is, unless that waits for the
   * client's next words, which may never come. `ofNone`: messages that
   * came while their bot served no portal, in chats that are the portal's now. May be done by several replicas.
   */
  expireMessages(portalId: bigint, after: bigint, batch: number, { ofNone = false } = {}): Promise<Expiry> {
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{ id: bigint; old: boolean; ours: boolean }>(
        `SELECT m.id, m.created_at < now() - make_interval(days => p.retention_days) AS old,
                ${ofNone ? 'EXISTS (SELECT FROM chat_links c WHERE c.id = m.chat_id AND c.portal_id = $1)' : 'true'} AS ours
           FROM portals p CROSS JOIN LATERAL (
             SELECT id, created_at, chat_id FROM messages
              WHERE portal_id ${ofNone ? 'IS NULL' : '= p.id'} AND id > $2 ORDER BY id LIMIT $3) m
          WHERE p.id = $1 AND p.retention_days IS NOT NULL ORDER BY m.id`,
        [portalId, after, batch],
      );
      const old = rows.filter((row) => row.old && row.ours).map(({ id }) => id);
      // Ids and times go together, but for the length of an intake.
      const next = rows.length === batch && rows.some((row) => row.old) ? rows.at(-1)!.id : null;
      const erased = await eraseIdle(connection, old);
      if (erased > 0) await addToAuditEntry(connection, { action: EXPIRE, portalId }, { messages: erased });
      return { erased, next };
    });
  }

  /** The same for events that are no messages. */
  expireEvents(portalId: bigint, after: bigint, batch: number): Promise<Expiry> {
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{ id: bigint; old: boolean }>(
        `WITH looked AS MATERIALIZED (
         SELECT e.id, e.received_at < now() - make_interval(days => p.retention_days) AS old
           FROM portals p CROSS JOIN LATERAL (
             SELECT id, received_at FROM events WHERE portal_id = p.id AND id > $2 ORDER BY id LIMIT $3) e
          WHERE p.id = $1 AND p.retention_days IS NOT NULL
       ), gone AS (
         DELETE FROM events WHERE id IN (SELECT id FROM looked WHERE old)
       )
       SELECT id, old FROM looked ORDER BY id`,
        [portalId, after, batch],
      );
      const erased = rows.filter(({ old }) => old).length;
      if (erased > 0) await addToAuditEntry(connection, { action: EXPIRE, portalId }, { events: erased });
      return { erased, next: rows.length === batch && erased > 0 ? rows.at(-1)!.id : null };
    });
  }
}

/**
 * Whoever appends work for a message locks its row first, or for a read report that of its chat. So once both are
 * locked here, work that is not there does not come any more.
 */
async function eraseIdle(connection: Queryable, ids: bigint[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { rows: chats } = await connection.query<{ chat_id: bigint }>(
    `SELECT DISTINCT chat_id FROM messages WHERE id = ANY($1::bigint[]) AND chat_id IS NOT NULL`,
    [ids],
  );
  await lockChats(
    connection,
    chats.map(({ chat_id }) => chat_id),
  );
  await connection.query(
    `SELECT FROM lanes WHERE id IN (SELECT lane_id FROM deliveries WHERE message_id = ANY($1::bigint[]) AND seq >= ${BEHIND})
      ORDER BY chat_id, channel FOR UPDATE`,
    [ids],
  );
  const { rows } = await connection.query<{ id: bigint }>(
    `SELECT id FROM messages WHERE id = ANY($1::bigint[]) AND (state <> 'queued' OR can_wait) ORDER BY id
        FOR UPDATE SKIP LOCKED`,
    [ids],
  );
  const locked = rows.map(({ id }) => id);
  await connection.query(
    `UPDATE chat_links c SET unseen_message_id = NULL
       FROM (SELECT m.id, m.chat_id FROM messages m WHERE m.id = ANY($1::bigint[])) m
      WHERE c.id = m.chat_id AND c.unseen_message_id = m.id`,
    [locked],
  );
  await dropWaiting(connection, locked);
  const { rowCount } = await connection.query(
    `DELETE FROM messages m
      WHERE m.id = ANY($1::bigint[]) AND NOT EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id)
        AND NOT EXISTS (SELECT FROM dialog_reports r WHERE r.message_id = m.id AND r.kind = 'status')`,
    [locked],
  );
  return rowCount ?? 0;
}

/** Takes out of the lanes what waits behind everything, for words that nobody may ever say. */
async function dropWaiting(connection: Queryable, messageIds: bigint[]): Promise<void> {
  const { rows } = await connection.query<{ lane_id: bigint }>(
    `SELECT DISTINCT lane_id FROM deliveries WHERE message_id = ANY($1::bigint[]) AND seq >= ${BEHIND}`,
    [messageIds],
  );
  if (rows.length === 0) return;
  await connection.query(
    `WITH idle AS MATERIALIZED (
       SELECT id FROM lanes WHERE id = ANY($2::bigint[]) AND busy_fence IS NULL ORDER BY chat_id, channel FOR UPDATE
     ), gone AS (
       DELETE FROM deliveries d USING idle
        WHERE d.lane_id = idle.id AND d.message_id = ANY($1::bigint[]) AND d.seq >= ${BEHIND} RETURNING d.lane_id
     ), ${LOWER_PENDING}
     SELECT`,
    [messageIds, rows.map(({ lane_id }) => lane_id)],
  );
}
