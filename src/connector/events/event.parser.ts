import { fieldsOf, scalar } from '../../bitrix/php-values.reader.js';
import { type EventAuth, parseAuth } from '../install/event-auth.js';
import { withoutCredentials } from './event.digest.js';

/**
 * Reads what Bitrix24 posts to the event handler (apidocs.bitrix24.com, "Events: how they work"). Bitrix24 sends
 * PHP's `http_build_query`: every value a string, empty arrays and nulls missing; JSON with the same keys is read
 * too. Nothing here trusts anything: who sent the event is decided by the caller.
 */

export interface EventEnvelope {
  /** Upper case, as Bitrix24 sends it: `ONIMCONNECTORMESSAGEADD`. */
  name: string;
  data: unknown;
  /** `ts`: when the portal raised the event, to the second. */
  raisedAt?: Date;
  /** null: the event came without an auth block. */
  auth: EventAuth | null;
  /** The event as it came, without its credentials. */
  raw: Record<string, unknown>;
}

/** The body is no event; `message` says why. */
export class MalformedEvent extends Error {
  override readonly name = 'MalformedEvent';
}

const LONGEST_EVENT_NAME = 200;

/** The outer part of every event. Throws {@link MalformedEvent} when the body has no event name. */
export function parseEvent(body: unknown): EventEnvelope {
  const fields = fieldsOf(body);
  if (!fields) throw new MalformedEvent('The body must be an event: form fields or a JSON object.');
  const name = scalar(fields.event)?.trim().toUpperCase();
  if (!name || name.length > LONGEST_EVENT_NAME) throw new MalformedEvent('The field `event` must name the event.');
  const raisedAt = parseTimestamp(fields.ts);
  return {
    name,
    data: fields.data,
    ...(raisedAt && { raisedAt }),
    auth: parseAuth(fields.auth),
    raw: withoutCredentials(fields) as Record<string, unknown>,
  };
}

function parseTimestamp(value: unknown): Date | undefined {
  const seconds = Number(scalar(value));
  return Number.isInteger(seconds) && seconds > 0 && seconds < 1e11 ? new Date(seconds * 1000) : undefined;
}
