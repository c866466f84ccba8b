import type { Queryable } from '../postgres/database.service.js';
import { portalEndpoint } from '../work/endpoint-id.js';
import type { NewDelivery } from '../work/outbox.js';

/** The portal has had time to note the report before, and is not told more often. */
const AGAIN_MINUTES = 10;

/**
 * Delivery reports that the portal does not know of, although the client has these messages: it still shows them as
 * being sent. A report that waits, or was made a moment ago, is not doubled.
 */
export async function lostReports(
  connection: Queryable,
  messages: { portalId: bigint; bitrixMessageId: string }[],
): Promise<NewDelivery[]> {
  if (messages.length === 0) return [];
  const { rows } = await connection.query<{ id: bigint; chat_id: bigint }>(
    `SELECT m.id, m.chat_id FROM messages m JOIN chat_links c ON c.id = m.chat_id AND c.portal_id = m.portal_id
      WHERE m.portal_id = $1 AND m.bitrix_message_id = ANY($2::text[])
        AND m.direction = 'outbound' AND m.state = 'delivered' AND m.deleted_at IS NULL
        AND m.delivered_at < now() - make_interval(mins => $3)
        AND NOT EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id AND d.kind = 'status')
        AND NOT EXISTS (SELECT FROM attempts a WHERE a.message_id = m.id AND a.kind = 'status'
                           AND a.finished_at > now() - make_interval(mins => $3))
      ORDER BY c.bot_id, c.external_id FOR NO KEY UPDATE OF c`,
    [messages[0]!.portalId, messages.map(({ bitrixMessageId }) => bitrixMessageId), AGAIN_MINUTES],
  );
  const endpoint = portalEndpoint(messages[0]!.portalId);
  return rows.map((row) => ({ chatId: row.chat_id, channel: 'status', endpoint, messageId: row.id, kind: 'status' }));
}
