import type { Queryable } from '../postgres/database.service.js';
import { portalEndpoint, type EndpointId } from './endpoint-id.js';

/**
 * SQL: has the portal told that the client got these messages; `messages` names rows of `messages` in the order in which
 * that became known. A row tells what its message tells: which bot brought it, and where that bot is by now, does not
 * matter. Whoever says so holds the messages, and before them their portals (see lock-order.ts).
 */
export const reportDelivery = (messages: string) => `
  INSERT INTO dialog_reports (portal_id, message_id, kind, line_id, bitrix_chat_id, external_chat_id)
  SELECT m.portal_id, m.id, 'status', m.bitrix_line_id, coalesce(m.bitrix_chat_id, ''), coalesce(m.external_chat_id, '')
    FROM ${messages} WHERE m.portal_id IS NOT NULL`;

/** The same for one message that a person knows to be delivered. Returns the endpoints that have work by it. */
export async function reportDelivered(connection: Queryable, messageId: bigint): Promise<EndpointId[]> {
  const { rows } = await connection.query<{ portal_id: bigint }>(
    `${reportDelivery('messages m')} AND m.id = $1 RETURNING portal_id`,
    [messageId],
  );
  return rows.map((row) => portalEndpoint(row.portal_id));
}
