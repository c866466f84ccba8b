/** Which bytes of a file a request means. */
export type ByteRange =
  | { kind: 'whole' }
  /** Both ends are included, counted from 0. */
  | { kind: 'part'; first: number; last: number }
  /** The file is shorter than that. */
  | { kind: 'unsatisfiable' };

const WHOLE: ByteRange = { kind: 'whole' };

/**
 * Reads a Range header (RFC 9110, 14.1.2) of one part. Several parts would come as one multipart body, which is nothing
 * to hand on: then the whole file is meant, as with anything that cannot be read. By hand: the package range-parser
 * refuses `bytes=-500` of a shorter file, which means all of it.
 */
export function readRange(header: string | undefined, size: number): ByteRange {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (!from && !to) return WHOLE;
  if (from && to && Number(to) < Number(from)) return WHOLE;
  const first = from ? Number(from) : Math.max(0, size - Number(to));
  const last = from && to ? Math.min(Number(to), size - 1) : size - 1;
  return first <= last ? { kind: 'part', first, last } : { kind: 'unsatisfiable' };
}
