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
export const OF_AUDIENCE = `c.portal_id = $1 AND b.portal_id = $1 AND c.type = 'private' AND c.business_connection IS NULL
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
export const CAN_HAVE_IT = `c.state = 'active' AND NOT ${IS_UNSUBSCRIBED}`;
