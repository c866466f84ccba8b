import { digest } from './event.digest.js';
import type { EventEnvelope } from './event.parser.js';
import { parseMessageReferences } from './message-changes.parser.js';

/**
 * What makes two posts the same event. Bitrix24 gives events no id, and posts the same one once per bound
 * handler: a deletion is told by the ids it names, anything else by its payload and second.
 */
export function eventKey(event: EventEnvelope): string {
  const identity =
    event.name === 'ONIMCONNECTORMESSAGEDELETE'
      ? parseMessageReferences(event.data)
      : [event.raw.data ?? null, event.raw.ts ?? null];
  return `${event.name}:${digest(identity)}`;
}
