import { asText, type JsonObject } from '../../common/json-fields.js';
import type { TelegramChat } from '../../relay/message.js';

/** Whole messages by which people leave broadcasts; anything longer is words to an operator. */
const STOP_WORDS: ReadonlySet<string> = new Set(['/stop', 'stop', 'unsubscribe', 'стоп', 'отписаться']);

/**
 * Whether the message is nothing but the wish for no more advertising. Whether the client gets any, the storage knows.
 *
 * @param message as it came first: an edit takes nothing back
 */
export function asksToStop(message: JsonObject, { type }: TelegramChat): boolean {
  if (type !== 'private' || message.forward_origin !== undefined || message.forward_date !== undefined) return false;
  return STOP_WORDS.has(asText(message.text).trim().toLowerCase());
}
