import { Injectable } from '@nestjs/common';
import { STATE_REASONS } from '../../common/state-reasons.js';
import { insertAuditEntry, PROGRAM } from '../postgres/audit-entries.js';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { LOWER_PENDING } from '../work/dropped-work.js';

/** `state_reason` of a portal whose data are being erased: a start finishes what a stop interrupted. */
export const ERASING = STATE_REASONS.erasing.en;
/** `state_reason` of a portal that is not there for us any more. */
export const ERASED = STATE_REASONS.erased.en;

/**
 * Erases what clients and operators of one portal said and what is known of them, and the portal's tokens; its row and
 * its bots stay.
 */
@Injectable()
export class PortalErasureRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Drops everything that waits to be sent and erases up to `batch` messages, with all that hangs on them; when none
   * are left, the chats, events and tokens, and what its bots remember of files and of Business accounts. True:
   * nothing is left to be erased, or the portal is no longer marked {@link ERASING}: an installation came, and what it
   * brought is wanted. May be interrupted and called again at any time.
   */
  async eraseSome(portalId: bigint, batch = 5_000): Promise<boolean> {
    // What hangs on the portal and is about to be committed is there when this is answered, to be erased with the rest.
    await this.db.query(`SELECT FROM portals WHERE id = $1 FOR UPDATE`, [portalId]);
    return this.db.transaction(async (connection) => {
      // Keeps an installation from storing its tokens while they are being erased, but waits for no intake: one that has
      // locked its chats may have to lock the portal, for an event of its triggers.
      const { rowCount: marked } = await connection.query(
        `SELECT FROM portals WHERE id = $1 AND state = 'uninstalled' AND state_reason = $2 FOR NO KEY UPDATE`,
        [portalId, ERASING],
      );
      if (!marked) return true;
      await lockChatsWithLanes(connection, portalId);
      await eraseOutbox(connection, portalId);
      const { rowCount } = await connection.query(
        `DELETE FROM messages WHERE id IN (
           (SELECT id FROM messages WHERE portal_id = $1 LIMIT $2)
           UNION ALL
           (SELECT m.id FROM messages m JOIN chat_links c ON c.id = m.chat_id WHERE c.portal_id = $1 LIMIT $2))`,
        [portalId, batch],
      );
      if ((rowCount ?? 0) > 0) return false;
      // The intake locks connections before chats, too.
      for (const table of ['business_connections', 'uploads']) {
        await connection.query(`DELETE FROM ${table} WHERE bot_id IN (SELECT id FROM bots WHERE portal_id = $1)`, [
          portalId,
        ]);
      }
      await connection.query(`DELETE FROM chat_links WHERE portal_id = $1`, [portalId]);
      // Also in chats that have moved to another portal since.
      await connection.query(`DELETE FROM chat_reads WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM arrivals WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM links WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM answer_files WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM ready_answers WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM portal_features WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM trigger_events WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM broadcasts WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM left_dialogs WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM send_requests WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM bot_requests WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM events WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM rest_requests WHERE portal_id = $1`, [portalId]);
      await connection.query(`DELETE FROM tokens WHERE portal_id = $1`, [portalId]);
      await connection.query(`UPDATE portals SET state_reason = $2, updated_at = now() WHERE id = $1`, [
        portalId,
        ERASED,
      ]);
      const subject = `portal:${portalId}`;
      await insertAuditEntry(connection, { actor: PROGRAM, action: 'portal.erase', subject, portalId, detail: {} });
      return true;
    });
  }
}

/** As an intake locks them, see lock-order.ts; few after the first pass. */
async function lockChatsWithLanes(connection: Queryable, portalId: bigint): Promise<void> {
  await connection.query(
    `SELECT FROM chat_links c WHERE portal_id = $1 AND EXISTS (SELECT FROM lanes l WHERE l.chat_id = c.id)
      ORDER BY bot_id, external_id FOR UPDATE`,
    [portalId],
  );
}

async function eraseOutbox(connection: Queryable, portalId: bigint): Promise<void> {
  await connection.query(
    `WITH gone AS (
       DELETE FROM lanes USING chat_links c WHERE c.id = lanes.chat_id AND c.portal_id = $1 RETURNING lanes.id)
     DELETE FROM deliveries WHERE lane_id IN (SELECT id FROM gone)`,
    [portalId],
  );
  // What waits in chats of bots that have moved to another portal since: no lane may hold work without its message.
  await connection.query(
    `WITH theirs AS MATERIALIZED (
       SELECT id FROM lanes
        WHERE id IN (SELECT d.lane_id FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE m.portal_id = $1)
        ORDER BY chat_id, channel FOR UPDATE
     ), gone AS (
       DELETE FROM deliveries d USING theirs t, messages m
        WHERE d.lane_id = t.id AND m.id = d.message_id AND m.portal_id = $1 RETURNING d.lane_id
     ), ${LOWER_PENDING}
     SELECT`,
    [portalId],
  );
  await connection.query(`DELETE FROM dialog_reports WHERE portal_id = $1`, [portalId]);
}
