import type { Update } from '@grammyjs/types';
import { asObject } from '../../common/json-fields.js';
import type { Language } from '../../common/language.js';
import type { ClientUpdate, Ignored } from '../../relay/message.js';
import { readConnection, readDeletion } from './business.parser.js';
import { readCallbackQuery, readMembership, readReaction } from './chat-event.parser.js';
import { record, type Reader } from './client-update.js';
import { readEdit, readMessage } from './message.parser.js';

/**
 * Asked for explicitly, because Telegram remembers the last list and leaves reactions out of its default. Not among
 * them: posts of channels (published, not addressed to operators), answers to polls (told only of polls that the
 * bot sent, and no operator can send one) and what only the owner of a chat can act on.
 */
export const ALLOWED_UPDATES = [
  'message',
  'edited_message',
  'callback_query',
  'my_chat_member',
  'message_reaction',
  'business_connection',
  'business_message',
  'edited_business_message',
  'deleted_business_messages',
] as const satisfies (keyof Update)[];

const READERS: Readonly<Record<string, Reader>> = {
  message: readMessage,
  business_message: readMessage,
  edited_message: readEdit,
  edited_business_message: readEdit,
  callback_query: readCallbackQuery,
  message_reaction: readReaction,
  my_chat_member: readMembership,
  business_connection: readConnection,
  deleted_business_messages: readDeletion,
};

/**
 * What a Telegram update holds for the relay. Never throws and never drops: what cannot be relayed comes back with
 * `said.ignored`, so that it is kept for the record together with the raw update.
 */
export function parseUpdate(update: Update, botId: bigint, language: Language): ClientUpdate {
  const context = { base: { botId, updateId: update.update_id }, update, language };
  const json = asObject(update);
  const type = Object.keys(READERS).find((field) => json[field] !== undefined);
  return type ? READERS[type]!(asObject(json[type]), context) : record(context, null, notRelayed(update));
}

function notRelayed(update: Update): Ignored {
  // The one field besides update_id; its name is the type.
  const type = Object.keys(update).find((field) => field !== 'update_id') ?? 'empty';
  return { code: 'not_a_message', detail: `An update of type ${type.slice(0, 100)} holds nothing that is relayed.` };
}
