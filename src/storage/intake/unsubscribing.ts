import type { Queryable } from '../postgres/database.service.js';
import { withholdAdvertising } from '../work/advertising.js';
import { endpointOf } from '../work/endpoint-id.js';
import type { NewDelivery } from '../work/outbox.js';
import { UNSUBSCRIBED_WORDS } from '../work/own-words.js';
import type { LinkedChat } from './chat-linking.js';
import type { ClientUpdateRow } from './intake.rows.js';
import { insertMessages } from './message-rows.js';

/** Why a press is kept for the record and says nothing. */
const KNOWN = { code: 'unsubscribed_before', detail: 'The client had unsubscribed before.' };

/**
 * Keeps which clients want no advertising, in the order of the updates: the button for it always counts, a bare "stop"
 * where the client has had some, and Start takes it back. Returns what the bot answers to the words, by the update. To be
 * called with the chats and their lanes locked. Asks nothing of the database when nobody wishes anything.
 */
export async function heedWishes(
  connection: Queryable,
  updates: ClientUpdateRow[],
  chatOf: (update: ClientUpdateRow) => LinkedChat | null,
): Promise<Map<ClientUpdateRow, NewDelivery>> {
  const answers = new Map<ClientUpdateRow, NewDelivery>();
  for (const update of updates) {
    const chat = chatOf(update);
    if (!chat) continue;
    if (update.starts) await subscribe(connection, [chat.id]);
    if (!update.unsubscribes) continue;
    const isNew = await unsubscribe(connection, chat.id, { always: update.unsubscribes === 'button' });
    if (update.unsubscribes === 'button') {
      // The transaction may be run again.
      const { ignored, ...said } = update.said!;
      if (ignored && ignored !== KNOWN) continue;
      update.said = isNew ? said : { ...said, ignored: KNOWN };
    } else if (isNew && !chat.banned) {
      const answer = await answerTo(connection, chat, update.unsubscribed!);
      if (answer) answers.set(update, answer);
    }
  }
  return answers;
}

/** False: the client had unsubscribed before, or (without `always`) has had no advertising. Chats and lanes are locked. */
export async function unsubscribe(connection: Queryable, chatId: bigint, { always = true } = {}): Promise<boolean> {
  const { rowCount } = await connection.query(
    `UPDATE chat_links SET unsubscribed_at = now()
      WHERE id = $1 AND unsubscribed_at IS NULL AND ($2 OR advertised_at IS NOT NULL)`,
    [chatId, always],
  );
  if (!rowCount) return false;
  await withholdAdvertising(connection, [chatId]);
  return true;
}

/** Takes the wish back. */
export async function subscribe(connection: Queryable, chatIds: bigint[]): Promise<void> {
  await connection.query(
    `UPDATE chat_links SET unsubscribed_at = NULL WHERE id = ANY($1::bigint[]) AND unsubscribed_at IS NOT NULL`,
    [chatIds],
  );
  await connection.query(
    `DELETE FROM forgotten_wishes w USING chat_links c, bots b
      WHERE c.id = ANY($1::bigint[]) AND b.id = c.bot_id AND w.bot_telegram_id = b.telegram_id
        AND w.client = forgotten_client(c.external_user_id)`,
    [chatIds],
  );
}

async function answerTo(connection: Queryable, chat: LinkedChat, text: string): Promise<NewDelivery | null> {
  const [delivery] = await insertMessages(connection, [
    {
      portalId: chat.portal_id,
      botId: chat.bot_id,
      chatId: chat.id,
      direction: 'outbound',
      said: { kind: UNSUBSCRIBED_WORDS, text, marks: [], raw: {} },
      externalChatId: chat.external_id,
      endpoint: endpointOf('outbound', chat),
    },
  ]);
  return delivery ?? null;
}
