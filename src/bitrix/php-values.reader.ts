import { isObject, parseObject } from '../common/json-fields.js';

/**
 * Reads what PHP made of its values, as JSON of the REST API or as form fields of an event. Every number may be a text,
 * an empty map is a list, and a list whose numbering has gaps is a map. Nothing here throws.
 */

/** A text, or a number as text; anything else is no value. Without U+0000, which PostgreSQL cannot keep or compare. */
export function scalar(value: unknown): string | undefined {
  if (typeof value === 'string') return value.replaceAll('\0', '');
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : undefined;
}

/** The same without white space at its ends; undefined also when nothing is left. */
export function word(value: unknown): string | undefined {
  return scalar(value)?.trim() || undefined;
}

/** Ids are positive numbers, often as text; 0 and '' mean none. */
export function idOf(value: unknown): string | undefined {
  const id = scalar(value) ?? '';
  return /^[1-9]\d*$/.test(id) ? id : undefined;
}

/** The fields of a map; undefined for anything else. */
export function fieldsOf(value: unknown): Record<string, unknown> | undefined {
  return isObject(value) ? value : undefined;
}

/** The fields of a map that came as JSON in a text, as a placement's options and cards do. */
export function fieldsOfText(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'string' ? parseObject(value) : fieldsOf(value);
}

/** The elements of a list, in order. */
export function elementsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : Object.values(fieldsOf(value) ?? {});
}

/** A flag: PHP and its JSON have several ways to say yes. */
export function isYes(value: unknown): boolean {
  return value === true || ['Y', 'y', '1', 'true'].includes(scalar(value) ?? '');
}

/** A language as Bitrix24 codes it (LANG, LANGUAGE_ID), lower case; undefined when it is none. */
export function languageCode(value: unknown): string | undefined {
  const code = scalar(value)?.trim().toLowerCase() ?? '';
  return /^[a-z]{2,3}$/.test(code) ? code : undefined;
}
