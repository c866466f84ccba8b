import type { LinkedChat } from './chat-linking.js';
import type { Queryable } from '../postgres/database.service.js';
import { endpointOf } from '../work/endpoint-id.js';
import { insertMessages } from './message-rows.js';
import type { NewDelivery } from '../work/outbox.js';
import { WELCOME } from '../work/own-words.js';

interface Greeting {
  id: bigint;
  text: string;
  first_name: string | null;
  title: string;
}

/**
 * Inserts the bot's answers to clients who pressed Start, one for each time a chat is named, where their line is on
 * and has a welcome text. Asks nothing of the database when nobody did. To be called in the transaction that keeps the
 * updates, so that an update which comes again brings no second answer.
 */
export async function welcome(connection: Queryable, chats: LinkedChat[]): Promise<NewDelivery[]> {
  if (chats.length === 0) return [];
  const { rows } = await connection.query<Greeting>(
    `SELECT c.id, l.welcome_text AS text, c.first_name, c.title
       FROM chat_links c JOIN bots b ON b.id = c.bot_id
       JOIN lines l ON l.portal_id = b.portal_id AND l.line_id = b.line_id
      WHERE c.id = ANY($1::bigint[]) AND l.state = 'active' AND l.welcome_text IS NOT NULL`,
    [chats.map(({ id }) => id)],
  );
  const greetings = new Map(rows.map((row) => [row.id, row]));
  const work = await insertMessages(
    connection,
    chats.flatMap((chat) => {
      const greeting = greetings.get(chat.id);
      if (!greeting) return [];
      return {
        portalId: chat.portal_id,
        botId: chat.bot_id,
        chatId: chat.id,
        direction: 'outbound' as const,
        said: { kind: WELCOME, text: fill(greeting), marks: [], raw: {} },
        externalChatId: chat.external_id,
        endpoint: endpointOf('outbound', chat),
      };
    }),
  );
  return work.filter((delivery) => delivery !== null);
}

/** Filled with the client's name as they gave it; without a first name, with what there is. */
function fill({ text, first_name: firstName, title }: Greeting): string {
  const values: Record<string, string> = { first_name: firstName ?? title, name: title };
  return text.replace(/\{(first_name|name)\}/g, (_, key: string) => values[key]!);
}
