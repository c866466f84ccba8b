import { asBigInt, asList, asObject, asOrdinal, asText, type JsonObject } from '../../common/json-fields.js';
import type { ClientUpdate, Ignored } from '../../relay/message.js';
import { parseChat } from './chat.parser.js';
import { authorOf, dateOf, record, type UpdateContext } from './client-update.js';

const DELETION: Ignored = { code: 'deletion', detail: 'The client or the owner of the account took messages back.' };

export function readConnection(connection: JsonObject, context: UpdateContext): ClientUpdate {
  const id = asText(connection.id);
  const ownerId = asBigInt(asObject(connection.user).id);
  const enabled = connection.is_enabled === true;
  const name = authorOf({ from: connection.user });
  const ignored = {
    code: 'business_connection',
    detail: `The Telegram Business account is ${enabled ? 'connected' : 'disconnected'}.`,
  };
  const recorded = record(context, null, ignored, { ...name, saidAt: dateOf(connection.date) });
  if (id === '' || ownerId === undefined) return recorded;
  // Servers before Bot API 9.0 say it without a list of rights.
  const canReply = (connection.rights === undefined ? connection : asObject(connection.rights)).can_reply === true;
  return { ...recorded, connection: { id, ownerId, enabled, canReply } };
}

export function readDeletion(deletion: JsonObject, context: UpdateContext): ClientUpdate {
  const chat = parseChat(deletion, {});
  const deletes = asList(deletion.message_ids).flatMap((id) => asOrdinal(id) ?? []);
  return { ...record(context, chat, DELETION), ...(chat && deletes.length > 0 ? { deletes } : {}) };
}
