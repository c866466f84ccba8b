import type { Queryable } from '../postgres/database.service.js';

/** What clients do within so many days counts as an effect of it. */
const EFFECT_DAYS = 7;
/** An answer may be kept before the delivery of what it answers is. */
const EARLY = '1 hour';

/** SQL: people may still decide, or react to, what the broadcast `b` ($1: one of them, null: all) has sent. */
const IS_RECENT = `($1::bigint IS NULL OR b.id = $1) AND b.state <> 'draft'
  AND coalesce(b.finished_at, now()) > now() - interval '${EFFECT_DAYS + 1} days'`;

/**
 * Notes what clients have done since they had a broadcast, and what people have decided about messages of it that failed
 * or whose outcome was unknown; `id` null: of all to which anybody may still react.
 */
export async function noteEffects(db: Queryable, id: bigint | null): Promise<void> {
  await db.query(
    `UPDATE broadcast_recipients r SET state = e.state::"RecipientState", delivered_at = e.delivered_at
       FROM (SELECT r.id, m.state::text, m.delivered_at
               FROM broadcasts b JOIN broadcast_recipients r ON r.broadcast_id = b.id
               JOIN messages m ON m.id = r.message_id
              WHERE ${IS_RECENT} AND r.state IN ('failed', 'uncertain', 'blocked')
                AND m.state IN ('delivered', 'failed', 'uncertain') AND m.state::text <> r.state::text
                AND NOT (r.state = 'blocked' AND m.state = 'failed')
                FOR NO KEY UPDATE OF r SKIP LOCKED) e
      WHERE r.id = e.id`,
    [id],
  );
  await db.query(
    `UPDATE broadcast_recipients r
        SET pressed_at = coalesce(r.pressed_at, e.pressed_at), answered_at = coalesce(r.answered_at, e.answered_at),
            unsubscribed_at = coalesce(r.unsubscribed_at, e.unsubscribed_at)
       FROM (
         SELECT r.id,
                (SELECT now() FROM buttons k WHERE k.message_id = r.message_id AND k.pressed_by IS NOT NULL LIMIT 1)
                  AS pressed_at,
                (SELECT m.created_at FROM messages m
                  WHERE m.chat_id = r.chat_id AND m.id > r.message_id AND m.portal_id = b.portal_id AND m.direction = 'inbound'
                    AND NOT m.system_line AND m.state <> 'ignored' AND m.kind NOT IN ('start', 'vote', 'callback')
                    AND m.created_at < r.delivered_at + interval '${EFFECT_DAYS} days'
                  ORDER BY m.id LIMIT 1) AS answered_at,
                CASE WHEN c.unsubscribed_at >= r.delivered_at
                      AND c.unsubscribed_at < r.delivered_at + interval '${EFFECT_DAYS} days' THEN c.unsubscribed_at END
                  AS unsubscribed_at
           FROM broadcasts b JOIN broadcast_recipients r ON r.broadcast_id = b.id AND r.state = 'delivered'
           -- Most do nothing: their chats tell so at once.
           JOIN chat_links c ON c.id = r.chat_id AND (c.unsubscribed_at >= r.delivered_at
                                                   OR c.last_inbound_at >= r.delivered_at - interval '${EARLY}')
          WHERE ${IS_RECENT} AND r.delivered_at > now() - interval '${EFFECT_DAYS + 1} days'
            AND (r.pressed_at IS NULL OR r.answered_at IS NULL OR r.unsubscribed_at IS NULL)) e
      WHERE r.id = e.id AND (r.pressed_at IS NULL AND e.pressed_at IS NOT NULL
                          OR r.answered_at IS NULL AND e.answered_at IS NOT NULL
                          OR r.unsubscribed_at IS NULL AND e.unsubscribed_at IS NOT NULL)`,
    [id],
  );
}
