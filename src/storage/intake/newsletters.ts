import type { Queryable } from '../postgres/database.service.js';
import { IS_UNSUBSCRIBED, UNSUBSCRIBED } from '../work/advertising.js';
import type { OperatorMessageRow } from './intake.rows.js';

interface Reader {
  portal_id: bigint;
  external_id: string;
  unsubscribed: boolean;
}

/**
 * The rows with newsletters of CRM marketing kept from clients who want no advertising; of the others it is noted that they
 * had some. A text of author 0 is one where it names no session and none is open: while the client and operators talk, it
 * may be something that the line itself says, which must arrive. Asks nothing of the database where there is none.
 */
export async function heedNewsletters(
  connection: Queryable,
  rows: OperatorMessageRow[],
): Promise<OperatorMessageRow[]> {
  const suspected = rows.filter(({ belongsToNoSession, said }) => belongsToNoSession && !said.ignored);
  if (suspected.length === 0) return rows;
  const { rows: readers } = await connection.query<Reader>(
    `WITH asked AS (
       SELECT DISTINCT c.id, c.bot_id, c.portal_id, c.external_id, ${IS_UNSUBSCRIBED} AS unsubscribed
         FROM unnest($1::bigint[], $2::text[], $3::text[]) AS r(portal_id, external_id, line_id)
         JOIN chat_links c ON c.portal_id = r.portal_id AND c.external_id = r.external_id
         JOIN bots b ON b.id = c.bot_id AND b.line_id = r.line_id
        WHERE c.dialog_open IS NOT TRUE AND c.type = 'private'
     ), had AS (
       UPDATE chat_links SET advertised_at = now() WHERE id IN (
         SELECT c.id FROM asked a JOIN chat_links c ON c.id = a.id
          WHERE NOT a.unsubscribed AND c.advertised_at IS NULL ORDER BY c.bot_id, c.external_id FOR NO KEY UPDATE OF c)
     )
     SELECT portal_id, external_id, unsubscribed FROM asked`,
    [
      suspected.map(({ portalId }) => portalId),
      suspected.map(({ externalChatId }) => externalChatId),
      suspected.map(({ lineId }) => lineId),
    ],
  );
  const unwilling = new Set(
    readers
      .filter(({ unsubscribed }) => unsubscribed)
      .map(({ portal_id, external_id }) => `${portal_id}/${external_id}`),
  );
  return rows.map((row) => {
    const kept = suspected.includes(row) && unwilling.has(`${row.portalId}/${row.externalChatId}`);
    return kept ? { ...row, said: { ...row.said, ignored: UNSUBSCRIBED } } : row;
  });
}
