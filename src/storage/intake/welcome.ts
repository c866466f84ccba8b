import type { LinkedChat } from './chat-linking.js';
import { fillPlaceholders } from './client-placeholders.js';
import type { Queryable } from '../postgres/database.service.js';
import { endpointOf } from '../work/endpoint-id.js';
import { insertMessages } from './message-rows.js';
import type { NewDelivery } from '../work/outbox.js';
import { WELCOME } from '../work/own-words.js';

/** Who pressed Start. `text`: what they are to read in place of their line's welcome. */
export interface Starter {
  chat: LinkedChat;
  text?: string;
}

interface Greeting {
  id: bigint;
  text: string | null;
  first_name: string | null;
  title: string;
  /** The line wants the client's number, and nobody knows it yet. */
  asks_phone: boolean;
}

/**
 * Inserts the bot's answers to clients who pressed Start, one for each time a chat is named, where their line is on
 * and has a welcome text, or the link by which they came has one. Asks nothing of the database when nobody did. To be
 * called in the transaction that keeps the updates, so that an update which comes again brings no second answer.
 */
export async function welcome(connection: Queryable, starters: Starter[]): Promise<NewDelivery[]> {
  if (starters.length === 0) return [];
  const { rows } = await connection.query<Greeting>(
    `SELECT c.id, l.welcome_text AS text, c.first_name, c.title,
            l.welcome_asks_phone AND c.phone IS NULL AS asks_phone
       FROM chat_links c JOIN bots b ON b.id = c.bot_id
       JOIN lines l ON l.portal_id = b.portal_id AND l.line_id = b.line_id
      WHERE c.id = ANY($1::bigint[]) AND l.state = 'active'`,
    [starters.map(({ chat }) => chat.id)],
  );
  const greetings = new Map(rows.map((row) => [row.id, row]));
  const work = await insertMessages(
    connection,
    starters.flatMap(({ chat, text }) => {
      const greeting = greetings.get(chat.id);
      const words = greeting && (text ?? greeting.text);
      if (!words) return [];
      return {
        portalId: chat.portal_id,
        botId: chat.bot_id,
        chatId: chat.id,
        direction: 'outbound' as const,
        said: {
          kind: WELCOME,
          text: fillPlaceholders(words, { firstName: greeting.first_name, title: greeting.title }),
          marks: [],
          raw: {},
          ...(greeting.asks_phone ? { keyboard: { type: 'phone' as const } } : {}),
        },
        externalChatId: chat.external_id,
        endpoint: endpointOf('outbound', chat),
      };
    }),
  );
  return work.filter((delivery) => delivery !== null);
}
