import type { Queryable } from '../postgres/database.service.js';
import { jsonb, storableText } from '../postgres/json.js';
import type { OwnWords } from '../work/own-words.js';

/** Who asks: a robot, the message service, a broadcast, a CRM card, a ready answer beside a dialog, a key of the admin API. */
export type SendSource = Exclude<OwnWords, 'welcome' | 'unsubscribed'>;

/** What a request is known by: the second one with the same key is the first one. */
export interface RequestKey {
  portalId: bigint;
  source: SendSource;
  key: string;
}

/** A request whose message is about to be kept. `id`: it was received before; else it is new, unless its key is known. */
export interface BegunRequest extends RequestKey {
  id?: bigint;
  chatId: bigint;
  /** Where its source reports the outcome; null: nowhere. */
  report: unknown;
}

/**
 * The requests that begin here, by their place; the others were begun before. Of one that begins the key is locked until
 * the commit.
 */
export async function beginRequests(connection: Queryable, requests: BegunRequest[]): Promise<Map<number, bigint>> {
  const { rows } = await connection.query<{ ord: number; id: bigint }>(
    `WITH asked AS MATERIALIZED (
       SELECT * FROM jsonb_to_recordset($1::jsonb)
         AS r(ord int, id bigint, portal_id bigint, source text, key text, chat_id bigint, report jsonb)
     ), begun AS (
       INSERT INTO send_requests (portal_id, source, key, state, chat_id, report, done_at)
       SELECT DISTINCT ON (portal_id, source, key) portal_id, source, key,
              CASE WHEN report IS NULL THEN 'done' ELSE 'sending' END::"SendRequestState", chat_id, report,
              CASE WHEN report IS NULL THEN now() END
         FROM asked WHERE id IS NULL ORDER BY portal_id, source, key, ord
       ON CONFLICT (portal_id, source, key) DO NOTHING RETURNING id, portal_id, source, key
     ), gone_on AS (
       UPDATE send_requests r
          SET state = 'sending', chat_id = a.chat_id, payload = '{}', attempts = 0, due_at = now(), step_at = now()
         FROM asked a WHERE r.id = a.id AND r.state = 'received' RETURNING a.ord, r.id
     )
     SELECT min(a.ord) AS ord, b.id FROM begun b JOIN asked a USING (portal_id, source, key) WHERE a.id IS NULL GROUP BY b.id
      UNION ALL SELECT ord, id FROM gone_on`,
    [
      jsonb(
        requests.map(({ id, portalId, source, key, chatId, report }, ord) => ({
          ord,
          id: id ?? null,
          portal_id: portalId,
          source,
          key,
          chat_id: chatId,
          report: report ?? null,
        })),
      ),
    ],
  );
  return new Map(rows.map(({ ord, id }) => [ord, id]));
}

/** By which messages they are done. */
export async function nameMessages(
  connection: Queryable,
  requests: { id: bigint; messageId: bigint }[],
): Promise<void> {
  if (requests.length === 0) return;
  await connection.query(
    `UPDATE send_requests r SET message_id = m.message_id
       FROM unnest($1::bigint[], $2::bigint[]) AS m(id, message_id) WHERE r.id = m.id`,
    [requests.map(({ id }) => id), requests.map(({ messageId }) => messageId)],
  );
}

/** The request with this key, and what it says; null: there is none. */
export interface KnownRequest {
  id: bigint;
  chatId: bigint | null;
  messageId: bigint | null;
  text: string | null;
  /** Where its files are, in their order. */
  files: string[];
}

/** Whether a request with this key says something else than is asked for now; of one that was erased nobody knows. */
export function saysOther(
  known: KnownRequest,
  asked: { chatId: bigint; text: string; files?: readonly string[] },
): boolean {
  if (known.chatId !== null && known.chatId !== asked.chatId) return true;
  if (known.text === null) return false;
  const { files = [] } = asked;
  const isOfOthers = known.files.length !== files.length || known.files.some((file, at) => file !== files[at]);
  return isOfOthers || storableText(known.text) !== storableText(asked.text);
}

export async function findRequest(
  connection: Queryable,
  { portalId, source, key }: RequestKey,
): Promise<KnownRequest | null> {
  const { rows } = await connection.query<KnownRequest>(
    `SELECT r.id, r.chat_id AS "chatId", r.message_id AS "messageId", m.text,
            ARRAY(SELECT a.url FROM attachments a WHERE a.message_id = m.id ORDER BY a.ordinal) AS files
       FROM send_requests r LEFT JOIN messages m ON m.id = r.message_id
      WHERE r.portal_id = $1 AND r.source = $2 AND r.key = $3`,
    [portalId, source, key],
  );
  return rows[0] ?? null;
}
