import { IS_UNSUBSCRIBED } from '../work/advertising.js';

/** Which clients of a portal are to have a broadcast; what is left out does not count. */
export interface Audience {
  botId?: string;
  /** Of the bot. */
  lineId?: string;
  /** Payload of the first or the newest link by which they came. */
  source?: string;
  /** utm_campaign of a link by which they came. */
  campaign?: string;
  /** Of their apps, such as `ru`. */
  languages?: string[];
  /** They have one of these. */
  tags?: string[];
  /** ISO 8601: they wrote last at this time or later, */
  lastWordsFrom?: string;
  /** and before this one. */
  lastWordsTo?: string;
}

/**
 * SQL: the chats `c` with their bots `b` that an audience ($2: jsonb) of the portal $1 names. Only people who talk with the
 * bot itself: nobody in a group, or who writes to an account of Telegram Business, has started it.
 */
const OF_AUDIENCE = `c.portal_id = $1 AND b.portal_id = $1 AND c.type = 'private' AND c.business_connection IS NULL
  AND c.last_inbound_at IS NOT NULL AND c.banned_at IS NULL
  AND ($2::jsonb ->> 'botId' IS NULL OR b.id = ($2::jsonb ->> 'botId')::bigint)
  AND ($2::jsonb ->> 'lineId' IS NULL OR b.line_id = $2::jsonb ->> 'lineId')
  AND ($2::jsonb ->> 'source' IS NULL OR $2::jsonb ->> 'source' IN (c.source, c.last_source))
  AND ($2::jsonb ->> 'campaign' IS NULL OR EXISTS (
    SELECT FROM arrivals a WHERE a.chat_id = c.id AND a.utm ->> 'campaign' = $2::jsonb ->> 'campaign'))
  AND ($2::jsonb -> 'languages' IS NULL OR $2::jsonb -> 'languages' ? lower(split_part(c.language, '-', 1)))
  AND ($2::jsonb -> 'tags' IS NULL OR $2::jsonb -> 'tags' ?| c.tags)
  AND ($2::jsonb ->> 'lastWordsFrom' IS NULL OR c.last_inbound_at >= ($2::jsonb ->> 'lastWordsFrom')::timestamptz)
  AND ($2::jsonb ->> 'lastWordsTo' IS NULL OR c.last_inbound_at < ($2::jsonb ->> 'lastWordsTo')::timestamptz)`;

/** SQL: of those, the ones who can and want to have it. */
const CAN_HAVE_IT = `c.state = 'active' AND NOT ${IS_UNSUBSCRIBED}`;

/**
 * SQL: people whom an audience ($2: jsonb) of the portal $1 names, each once however many of its bots they know: in the chat
 * in which they wrote last of those where they `can` have it; where there is none, in the one in which they wrote last.
 */
export const PEOPLE = `SELECT DISTINCT ON (c.external_user_id)
    c.id AS chat_id, b.id AS bot_id, c.state, c.title, c.last_inbound_at, k.can
  FROM chat_links c JOIN bots b ON b.id = c.bot_id
 CROSS JOIN LATERAL (SELECT ${CAN_HAVE_IT} AS can) k
 WHERE ${OF_AUDIENCE}
 ORDER BY c.external_user_id, k.can DESC, c.last_inbound_at DESC, c.id DESC`;
