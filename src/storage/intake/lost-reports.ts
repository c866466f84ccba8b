import type { Queryable } from '../postgres/database.service.js';
import { reportDelivery } from '../work/delivery-reports.js';
import { SOON_MINUTES } from '../work/delivery-reports.repository.js';

/** The portal has had this long to note an earlier report; it is not told more often. */
const AGAIN_MINUTES = 2 * SOON_MINUTES;

/**
 * Has the delivery of these messages of one portal reported once more, as far as the client has them: the portal still
 * shows them as being sent. A report that waits, or was made a moment ago, is not doubled: one that left no attempt was
 * made at the delivery. To be called with the portal locked.
 */
export async function reportAgain(
  connection: Queryable,
  messages: { portalId: bigint; bitrixMessageId: string }[],
): Promise<void> {
  if (messages.length === 0) return;
  await connection.query(
    `WITH lost AS MATERIALIZED (
       SELECT m.* FROM messages m
        WHERE m.portal_id = $1 AND m.bitrix_message_id = ANY($2::text[])
          AND m.direction = 'outbound' AND m.state = 'delivered' AND m.deleted_at IS NULL
          AND m.delivered_at < now() - make_interval(mins => $3)
          AND NOT EXISTS (SELECT FROM dialog_reports r WHERE r.message_id = m.id AND r.kind = 'status')
          AND NOT EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id AND d.kind = 'status')
          AND NOT EXISTS (SELECT FROM attempts a WHERE a.message_id = m.id AND a.kind = 'status'
                             AND a.finished_at > now() - make_interval(mins => $3))
        ORDER BY m.id FOR NO KEY UPDATE OF m
     )
     ${reportDelivery('lost m')}`,
    [messages[0]!.portalId, messages.map(({ bitrixMessageId }) => bitrixMessageId), AGAIN_MINUTES],
  );
}
