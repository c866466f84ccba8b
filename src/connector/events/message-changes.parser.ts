import { parseReportedId } from '../../common/external-ids.js';
import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';
import type { OperatorChange } from '../../relay/message.js';
import { eventSource } from '../../storage/intake/processed-events.js';
import { digest } from './event.digest.js';
import type { EventEnvelope } from './event.parser.js';
import { readOperatorWords } from './operator-words.parser.js';

/** A message of ours that an operator edited or deleted. */
export interface MessageReference {
  /** `im.message_id`. */
  bitrixMessageId?: string;
  externalChatId?: string;
  /** The ids that imconnector.send.status.delivery reported for it. */
  externalIds: string[];
}

/**
 * The changes in ONIMCONNECTORMESSAGEUPDATE and ONIMCONNECTORMESSAGEDELETE, one for each message: a deletion names
 * every part of a message on its own. Elements without an `im.message_id` are left out.
 */
export function parseOperatorChanges(event: EventEnvelope, portalId: bigint): OperatorChange[] {
  const taken = event.name === 'ONIMCONNECTORMESSAGEDELETE';
  const elements = elementsOf(fieldsOf(event.data)?.MESSAGES);
  const changes = new Map<string, OperatorChange>();
  parseMessageReferences(event.data).forEach(({ bitrixMessageId, externalIds }, index) => {
    if (!bitrixMessageId) return;
    const element = fieldsOf(elements[index]) ?? {};
    const before = taken ? changes.get(bitrixMessageId) : undefined;
    const ids = taken ? externalIds.flatMap((id) => parseReportedId(id) ?? []) : [];
    const said = taken ? undefined : readOperatorWords(scalar(fieldsOf(element.message)?.text) ?? '');
    const rich = said?.words ?? null;
    const rest = said?.quoted?.rest;
    const telegramMessageIds = [...(before?.telegramMessageIds ?? []), ...ids];
    changes.set(taken ? bitrixMessageId : `${bitrixMessageId}/${index}`, {
      portalId,
      bitrixMessageId,
      words: rich && { text: rich.text, marks: rich.marks },
      ...(rest && { rest }),
      ...(said?.keyboard && { keyboard: said.keyboard }),
      telegramMessageIds,
      ...(event.raisedAt && { saidAt: event.raisedAt }),
      raw: event.raw,
      name: event.name,
      source: eventSource(portalId),
      key: `${event.name}:${digest([bitrixMessageId, taken ? telegramMessageIds.map(String) : [rich, ...(said?.keyboard ? [said.keyboard] : []), event.raw.ts ?? null]])}`,
    });
  });
  return [...changes.values()];
}

/** The elements of ONIMCONNECTORMESSAGEUPDATE and …DELETE; `message.id` comes as a list or as one value. */
export function parseMessageReferences(data: unknown): MessageReference[] {
  return elementsOf(fieldsOf(data)?.MESSAGES).map((element) => {
    const fields = fieldsOf(element) ?? {};
    const bitrixMessageId = scalar(fieldsOf(fields.im)?.message_id);
    const externalChatId = scalar(fieldsOf(fields.chat)?.id);
    const id = fieldsOf(fields.message)?.id;
    const externalIds = (typeof id === 'object' ? elementsOf(id) : [id]).map(scalar).filter((id) => id !== undefined);
    return { ...(bitrixMessageId && { bitrixMessageId }), ...(externalChatId && { externalChatId }), externalIds };
  });
}
