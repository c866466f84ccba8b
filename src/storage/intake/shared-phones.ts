import type { Queryable } from '../postgres/database.service.js';
import { endpointOf } from '../work/endpoint-id.js';
import type { NewDelivery } from '../work/outbox.js';
import type { LinkedChat } from './chat-linking.js';
import { insertMessages } from './message-rows.js';

/** Kind of the messages by which a bot thanks for a phone number; nobody in Bitrix24 wrote them. */
export const PHONE_THANKS = 'phone_thanks';

/** A client shared the own number; `thanks` is what they read unless whoever asked for it has chosen other words. */
export interface SharedPhone {
  chat: LinkedChat;
  thanks: string;
}

/**
 * Answers clients who shared their number where that was asked for, once for each time that it was: the button goes with
 * the thanks. To be called with the lanes of the chats locked.
 */
export async function thankForPhones(connection: Queryable, shared: SharedPhone[]): Promise<NewDelivery[]> {
  if (shared.length === 0) return [];
  const { rows } = await connection.query<{ chat_id: bigint; value: string }>(
    `UPDATE buttons SET closed_at = now(), pressed_by = ''
      WHERE chat_id = ANY($1::bigint[]) AND kind = 'phone' AND closed_at IS NULL RETURNING chat_id, value`,
    [shared.map(({ chat }) => chat.id)],
  );
  const asked = new Map(rows.map(({ chat_id, value }) => [chat_id, value]));
  const first = new Map(shared.toReversed().map((one) => [one.chat.id, one]));
  const work = await insertMessages(
    connection,
    [...first.values()].flatMap(({ chat, thanks }) => {
      const words = asked.get(chat.id);
      if (words === undefined) return [];
      return {
        portalId: chat.portal_id,
        botId: chat.bot_id,
        chatId: chat.id,
        direction: 'outbound' as const,
        said: { kind: PHONE_THANKS, text: words || thanks, marks: [], raw: {}, keyboard: { type: 'none' as const } },
        externalChatId: chat.external_id,
        endpoint: endpointOf('outbound', chat),
      };
    }),
  );
  return work.filter((delivery) => delivery !== null);
}
