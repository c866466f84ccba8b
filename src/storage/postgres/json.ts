/** Real updates are some twenty levels deep; PostgreSQL reads a few thousand before its stack is full. */
const DEEPEST = 200;

/**
 * A value as PostgreSQL can keep it in `jsonb`: without U+0000 and lone surrogates (both are legal JSON, neither
 * is storable), bigints as strings, dates as ISO text, nothing below {@link DEEPEST} levels.
 */
function storable(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return storableText(value);
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (value === null || typeof value !== 'object') return value;
  if (depth === DEEPEST) return null;
  if (Array.isArray(value)) return value.map((inner) => storable(inner, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [storableText(key), storable(inner, depth + 1)]),
  );
}

/** A text as PostgreSQL can keep it; see {@link jsonb}. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}

/** The parameter of a set-based statement: rows as one JSON text for `jsonb_to_recordset`. */
export function jsonb(value: unknown): string {
  return JSON.stringify(storable(value));
}
