/** A text, or a number as text; anything else is no value. Without U+0000, which PostgreSQL cannot keep or compare. */
export function scalar(value: unknown): string | undefined {
  if (typeof value === 'string') return value.replaceAll('\0', '');
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : undefined;
}

export function fieldsOf(value: unknown): Record<string, unknown> | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** A PHP list: an array, or an object when its numbering has gaps. */
export function elementsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : Object.values(fieldsOf(value) ?? {});
}

/** A language as Bitrix24 codes it (LANG, LANGUAGE_ID), lower case; undefined when it is none. */
export function languageCode(value: unknown): string | undefined {
  const code = scalar(value)?.trim().toLowerCase() ?? '';
  return /^[a-z]{2,3}$/.test(code) ? code : undefined;
}
