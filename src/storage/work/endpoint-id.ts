/** An endpoint is a bot or a portal: the unit that one replica drives at a time. */
export type EndpointId = `bot:${bigint}` | `portal:${bigint}`;
export const botEndpoint = (botId: bigint): EndpointId => `bot:${botId}`;
export const portalEndpoint = (portalId: bigint): EndpointId => `portal:${portalId}`;

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

/** SQL: {@link endpointOf} for every channel but `outbound`; `portal` is an expression. */
export const portalEndpointSql = (portal: string) => `coalesce('portal:' || ${portal}, '${NOWHERE}')`;
