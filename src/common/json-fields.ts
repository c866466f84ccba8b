/**
 * Reads JSON that another server sent. Its documentation promises shapes that a newer or foreign server may not keep;
 * these readers answer with nothing instead of throwing.
 */

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether the value is an object: neither a list nor null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value when it is an object, else an empty one. */
export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** The object that the text is; undefined when it is none: a page, another value, an empty or a cut body. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** The value when it is a list, else an empty one. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value when it is text, else ''. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The value when it is a finite number. */
export function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** A number, or text, as text: identifiers come as either. */
export function asId(value: unknown): string {
  return asText(value) || (asNumber(value)?.toString() ?? '');
}

/** `Integer` of the Bot API (at most 52 significant bits); undefined for anything else. */
export function asBigInt(value: unknown): bigint | undefined {
  return Number.isSafeInteger(value) ? BigInt(value as number) : undefined;
}

/** The number of a message or a topic. 0 stands for what has none of its own (Bot API, Message.message_id). */
export function asOrdinal(value: unknown): bigint | undefined {
  const number = asBigInt(value);
  return number !== undefined && number > 0n ? number : undefined;
}
