import type { ChatState } from '../prisma/client.js';
import { unsubscribedSince } from '../work/advertising.js';
import { Conditions } from './message-filter.js';
import { substringPattern } from './text-search.js';

export interface ChatRow {
  id: bigint;
  botId: bigint;
  portalId: bigint | null;
  externalId: string;
  telegramChatId: bigint;
  threadId: bigint | null;
  type: string;
  title: string;
  username: string | null;
  language: string | null;
  phone: string | null;
  /** Where the client came from: payload of a `/start`, the first and the newest. */
  source: string | null;
  lastSource: string | null;
  avatarUniqueId: string | null;
  bannedAt: Date | null;
  /** The client wants no advertising since then. */
  unsubscribedAt: Date | null;
  tags: string[];
  state: ChatState;
  stateReason: string | null;
  bitrixChatId: string | null;
  bitrixSessionId: string | null;
  lastInboundAt: Date | null;
  lastOutboundAt: Date | null;
  /** When somebody last wrote, or when it began. */
  activeAt: Date;
  createdAt: Date;
}

export interface ChatFilter {
  /** Substring of title, user name or external id, in either case. */
  words?: string;
  /** The first or the newest, as it stands. */
  source?: string;
  portalId?: bigint;
  botId?: bigint;
  state?: ChatState;
  tag?: string;
  before?: bigint;
}

/** Where a list of chats by activity goes on: after this one. */
export interface ChatPlace {
  activeAt: Date;
  id: bigint;
}

/** SQL: when somebody last wrote in a chat, or when it began. */
export const ACTIVE_AT = `coalesce(greatest(last_inbound_at, last_outbound_at), created_at)`;

/** SQL: a {@link ChatRow} of `chat_links`. */
export const CHAT_COLUMNS = `
  id, bot_id AS "botId", portal_id AS "portalId", external_id AS "externalId", telegram_chat_id AS "telegramChatId",
  thread_id AS "threadId", type, title, username, language, phone, source,
  coalesce(last_source, source) AS "lastSource", avatar_unique_id AS "avatarUniqueId",
  banned_at AS "bannedAt", ${unsubscribedSince('chat_links')} AS "unsubscribedAt", coalesce(tags, '{}') AS tags, state, state_reason AS "stateReason",
  bitrix_chat_id AS "bitrixChatId", bitrix_session_id AS "bitrixSessionId", last_inbound_at AS "lastInboundAt",
  last_outbound_at AS "lastOutboundAt", ${ACTIVE_AT} AS "activeAt", created_at AS "createdAt"`;

export function chatConditions(filter: ChatFilter): Conditions {
  const conditions = new Conditions();
  conditions.add(filter.portalId, (place) => `portal_id = ${place}`);
  conditions.add(filter.botId, (place) => `bot_id = ${place}`);
  conditions.add(filter.state, (place) => `state = ${place}::"ChatState"`);
  conditions.add(filter.tag, (place) => `${place} = ANY(tags)`);
  conditions.add(filter.before, (place) => `id < ${place}`);
  conditions.add(filter.source, (place) => `(source = ${place} OR last_source = ${place})`);
  conditions.add(
    filter.words && substringPattern(filter.words),
    (place) => `(title ~ ${place} OR username ~ ${place} OR external_id ~ ${place})`,
  );
  return conditions;
}
