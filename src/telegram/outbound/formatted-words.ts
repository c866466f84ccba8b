import type { RichText } from '../../relay/rich-text.js';
import type { ChatTarget } from './chat-target.js';
import { TELEGRAM_TEXT_LIMIT, toEntities, withoutEntities, type FormattedWords } from '../markup/telegram-markup.js';
import { isRefusal } from '../api/telegram-problems.js';
import type { BotApi } from '../api/telegram.client.js';

/** Sends a message without files and answers its id. */
export async function sendText(api: BotApi, target: ChatTarget, words: RichText): Promise<bigint> {
  const message = await sendFormatted(words, TELEGRAM_TEXT_LIMIT, (formatted) =>
    target.send((params) => api.calls.sendMessage({ ...params, ...formatted })),
  );
  return BigInt(message.message_id);
}

/**
 * Sends words with their formatting. When Telegram does not take the entities they go once more without: that was a
 * clear refusal, so nothing is sent twice.
 *
 * @param limit room for the words, in UTF-16 units
 */
export async function sendFormatted<Answer>(
  words: RichText,
  limit: number,
  send: (words: FormattedWords) => Promise<Answer>,
): Promise<Answer> {
  const formatted = toEntities(words);
  try {
    return await send(formatted);
  } catch (error) {
    if (!isRefusal(error, 'entities_refused') || formatted.entities.length === 0) throw error;
    return send(withoutEntities(words, limit));
  }
}
