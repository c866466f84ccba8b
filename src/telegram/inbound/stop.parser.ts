import { asText, type JsonObject } from '../../common/json-fields.js';
import type { TelegramChat } from '../../relay/message.js';

/** Whole messages by which people leave broadcasts; anything longer is words to an operator. */
const STOP_WORDS: ReadonlySet<string> = new Set(['/stop', 'stop', 'unsubscribe', 'стоп', 'отписаться']);

/** What people put around a word that means no more with it: quotation marks, the end of a sentence. */
const AROUND = /^[\s"'«“„]+|[\s"'»”.!…]+$/gu;
/** A command may name the bot that it is for (core.telegram.org/bots/features#commands). */
const FOR_BOT = /^(\/\w+)@\w+$/;

/**
 * Whether the message is nothing but the wish for no more advertising. Whether the client gets any, the storage knows.
 *
 * @param message as it came first: an edit takes nothing back
 */
export function asksToStop(message: JsonObject, { type }: TelegramChat): boolean {
  if (type !== 'private' || message.forward_origin !== undefined || message.forward_date !== undefined) return false;
  return STOP_WORDS.has(asText(message.text).replace(AROUND, '').replace(FOR_BOT, '$1').toLowerCase());
}
