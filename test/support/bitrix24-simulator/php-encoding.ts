/** A decoded JSON or form body: what PHP would hold as an array. */
export type Params = Record<string, unknown>;

const ESCAPES: Record<string, string> = {
  '/': '\\/',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  "'": '\\u0027',
  '\\"': '\\u0022',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** JSON as PHP writes it with HEX_TAG, HEX_AMP, HEX_APOS, HEX_QUOT and UNESCAPED_UNICODE: `/` becomes `\/`, Cyrillic stays raw. */
export function phpJson(value: unknown): string {
  return JSON.stringify(value).replace(/\\.|[/<>&'\u2028\u2029]/g, (found) => ESCAPES[found] ?? found);
}

/** A PHP array as JSON shows it: a list when the keys are 0, 1, 2…, `[]` when empty, else an object. */
export function phpArray(entries: Iterable<readonly [string, unknown]>): unknown[] | Params {
  const all = [...entries];
  return all.every(([key], index) => key === String(index)) ? all.map(([, value]) => value) : Object.fromEntries(all);
}

/** PHP's `empty()`: `0`, `"0"`, `""`, `false`, `null` and an empty array are empty; `"N"` and `"false"` are not. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '' || value === '0') {
    return true;
  }
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** True for an object or a list: whatever PHP calls an array. */
export function isArray(value: unknown): value is Params {
  return typeof value === 'object' && value !== null;
}

/** The value as PHP casts it to string; arrays and null give ''. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  return value === true ? '1' : '';
}

/** `true`, `1`, `"1"`, `"true"`, `"Y"` and their opposites, as `imconnector.register` reads its switches. */
export function flag(value: unknown, whenAbsent: boolean): boolean {
  if (value === undefined || value === null || value === '') return whenAbsent;
  return value === true || value === 1 || ['1', 'true', 'Y'].includes(text(value));
}

/** Upper-cases the keys of one level (`array_change_key_case`). */
export function upperKeys(params: Params): Params {
  return Object.fromEntries(Object.entries(params).map(([key, value]) => [key.toUpperCase(), value]));
}

/** Lower-cases the keys of every level. */
export function lowerKeysDeep(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowerKeysDeep);
  if (!isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toLowerCase(), lowerKeysDeep(inner)]));
}

/**
 * PHP's `http_build_query`: nested keys in percent-encoded brackets, spaces as `+`, booleans as 1 and 0;
 * nulls and empty arrays vanish, empty strings stay.
 */
export function httpBuildQuery(data: Params): string {
  const pairs: string[] = [];
  append(pairs, '', data);
  return pairs.join('&');
}

function append(pairs: string[], prefix: string, value: unknown): void {
  if (value === null || value === undefined) return;
  if (isArray(value)) {
    for (const [key, inner] of Object.entries(value)) append(pairs, prefix === '' ? key : `${prefix}[${key}]`, inner);
    return;
  }
  pairs.push(`${urlencode(prefix)}=${urlencode(value === false ? '0' : text(value))}`);
}

function urlencode(value: string): string {
  // Through a buffer: a lone surrogate would make encodeURIComponent throw.
  return encodeURIComponent(Buffer.from(value).toString())
    .replace(/[!'()*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

const MOSCOW_OFFSET_MS = 3 * 3600 * 1000;

/** `2026-03-11T13:53:13+03:00`: the portals of this simulator live in UTC+3. */
export function portalDate(ms: number): string {
  return new Date(ms + MOSCOW_OFFSET_MS).toISOString().slice(0, 19) + '+03:00';
}
