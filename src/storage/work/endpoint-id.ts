/** An endpoint is a bot or a portal: the unit that one replica drives at a time. */
export type EndpointId = `bot:${bigint}` | `portal:${bigint}`;
export const botEndpoint = (botId: bigint): EndpointId => `bot:${botId}`;
export const portalEndpoint = (portalId: bigint): EndpointId => `portal:${portalId}`;
export const isBot = (endpoint: string): boolean => endpoint.startsWith('bot:');
export const isPortal = (endpoint: string): boolean => endpoint.startsWith('portal:');
/** The bot's or the portal's id in an endpoint. */
export const idOf = (endpoint: string): bigint => BigInt(endpoint.slice(endpoint.indexOf(':') + 1));

/** SQL: the endpoint of a bot; `id` is an expression. */
export const botEndpointSql = (id: string) => `'bot:' || ${id}`;

/** What stands in the place of an endpoint while the chat's bot serves no line: nobody drives it. */
export const NOWHERE = '';

/**
 * Where a lane of a chat leads: operators' words to the chat's bot, everything else to the portal that the bot serves.
 * The portal must be read from the bot, or from a chat, whose bot was locked before; see lock-order.ts.
 */
export function endpointOf(
  channel: 'inbound' | 'outbound' | 'status' | 'reading',
  chat: { bot_id: bigint; portal_id: bigint | null },
): EndpointId | typeof NOWHERE {
  if (channel === 'outbound') return botEndpoint(chat.bot_id);
  return chat.portal_id === null ? NOWHERE : portalEndpoint(chat.portal_id);
}

/** SQL: {@link endpointOf} for every channel but `outbound`; `portal` is an expression, null where there is none. */
export const portalEndpointSql = (portal: string) => `coalesce('portal:' || ${portal}, '${NOWHERE}')`;

/** SQL: the id of the bot that is this endpoint; null: it is none. */
export const botOfSql = (endpoint: string) => `substring(${endpoint}::text FROM '^bot:([0-9]+)$')::bigint`;

/** SQL: this endpoint is a portal. */
export const isPortalSql = (endpoint: string) => `starts_with(${endpoint}, 'portal:')`;
