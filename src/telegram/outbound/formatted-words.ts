import type { ReplyMarkup } from '../markup/reply-markup.js';
import type { RichText } from '../../relay/rich-text.js';
import type { ChatTarget } from './chat-target.js';
import { TELEGRAM_TEXT_LIMIT, toEntities, withoutEntities, type FormattedWords } from '../markup/telegram-markup.js';
import { isRefusal } from '../api/telegram-problems.js';
import type { BotApi } from '../api/telegram.client.js';

/** Sends a message without files, with what stands under it, and answers its id. */
export async function sendText(
  api: BotApi,
  target: ChatTarget,
  words: RichText,
  markup: ReplyMarkup | null = null,
): Promise<bigint> {
  const message = await sendFormatted(words, TELEGRAM_TEXT_LIMIT, (formatted) =>
    target.send((params) => api.calls.sendMessage({ ...params, ...formatted, ...underneath(markup) })),
  );
  return BigInt(message.message_id);
}

/** The parameter of a call that shows a keyboard. */
export function underneath<Markup extends ReplyMarkup>(markup: Markup | null): { reply_markup?: Markup } {
  return markup === null ? {} : { reply_markup: markup };
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
