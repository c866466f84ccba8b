import { Injectable } from '@nestjs/common';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { IS_ADVERTISING, IS_UNSUBSCRIBED, MAY_BE_NEWSLETTER } from './advertising.js';
import { reportDelivered } from './delivery-reports.js';
import { endpointOf } from './endpoint-id.js';
import { lockChatsOf } from './lock-order.js';
import { appendDeliveries, type NewDelivery } from './outbox.js';

/** What people decide about messages that failed or whose outcome is unknown. */
@Injectable()
export class DecisionsRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Appends failed or uncertain messages to their lanes again, unless their authors took them back, or they are
   * advertising, or may be, for somebody who has unsubscribed. Returns the endpoints with new work and the number of messages.
   */
  retry(messageIds: bigint[]): Promise<{ retried: number; endpoints: string[] }> {
    return this.db.transaction(async (connection) => {
      await lockChatsOf(connection, messageIds);
      const { rows } = await connection.query<{
        id: bigint;
        chat_id: bigint;
        bot_id: bigint;
        portal_id: bigint | null;
        direction: 'inbound' | 'outbound';
      }>(
        `UPDATE messages m SET state = 'queued', error_code = NULL, error_detail = NULL
           FROM chat_links c
          WHERE m.id = ANY($1::bigint[]) AND m.state IN ('failed', 'uncertain') AND m.deleted_at IS NULL AND c.id = m.chat_id
            AND NOT ((${IS_ADVERTISING} OR ${MAY_BE_NEWSLETTER}) AND ${IS_UNSUBSCRIBED})
          RETURNING m.id, c.id AS chat_id, c.bot_id, c.portal_id, m.direction`,
        [messageIds],
      );
      const work = rows
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .map((row): NewDelivery => ({
          chatId: row.chat_id,
          channel: row.direction,
          endpoint: endpointOf(row.direction, row),
          messageId: row.id,
          kind: 'message',
        }));
      await appendDeliveries(connection, work);
      return { retried: rows.length, endpoints: [...new Set(work.map((item) => item.endpoint).filter(Boolean))] };
    });
  }

  /**
   * Records what a person knows about a message whose outcome is unknown; null when it is not `uncertain` (any more).
   * Returns the endpoints with new work: the portal hears of a delivery as far as Telegram's ids are known, because
   * a report without them means nothing to it.
   */
  resolve(messageId: bigint, outcome: 'delivered' | 'failed'): Promise<string[] | null> {
    return this.db.transaction(async (connection) => {
      await lockChatsOf(connection, [messageId]);
      const { rows } = await connection.query<{ known: boolean }>(
        `UPDATE messages m
            SET state = $2::"MessageState",
                delivered_at = CASE WHEN $2 = 'delivered' THEN now() END,
                error_code = CASE WHEN $2 = 'failed' THEN m.error_code END,
                error_detail = CASE WHEN $2 = 'failed' THEN m.error_detail END
           FROM chat_links c
          WHERE m.id = $1 AND m.state = 'uncertain' AND c.id = m.chat_id
          RETURNING m.direction = 'outbound' AND m.bitrix_message_id IS NOT NULL AND EXISTS (
            SELECT FROM message_links l WHERE l.message_id = m.id) AS known`,
        [messageId, outcome],
      );
      const [row] = rows;
      if (!row) return null;
      await recordDecision(connection, [messageId], 'resolved', outcome);
      if (outcome === 'failed' || !row.known) return [];
      return reportDelivered(connection, messageId);
    });
  }

  /** Marks failed and uncertain messages so that they can never be sent again; returns how many. */
  discard(messageIds: bigint[]): Promise<number> {
    return this.db.transaction(async (connection) => {
      const { rows } = await connection.query<{ id: bigint }>(
        `UPDATE messages m
            SET state = 'ignored', error_code = 'discarded',
                error_detail = concat_ws(': ', 'Discarded by a person; it was ' || m.state, m.error_code, m.error_detail)
          WHERE m.id = ANY($1::bigint[]) AND m.state IN ('failed', 'uncertain') RETURNING m.id`,
        [messageIds],
      );
      const discarded = rows.map(({ id }) => id);
      await recordDecision(connection, discarded, 'discarded', null);
      return discarded.length;
    });
  }
}

/** A person's decision is kept among the attempts, so that it cannot be taken for the program's. */
async function recordDecision(
  connection: Queryable,
  messageIds: bigint[],
  decision: 'resolved' | 'discarded',
  detail: string | null,
): Promise<void> {
  await connection.query(
    `INSERT INTO attempts (message_id, kind, number, started_at, outcome, detail, instance)
     SELECT id, 'message', attempts, now(), $2, $3, 'admin' FROM messages WHERE id = ANY($1::bigint[])`,
    [messageIds, decision, detail],
  );
}
