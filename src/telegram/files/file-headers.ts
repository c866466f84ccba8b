import { extname } from 'node:path';

const UNKNOWN = 'application/octet-stream';

/** Types of what people send most, for files of which Telegram does not say what they are. */
const TYPE_OF_EXTENSION: ReadonlyMap<string, string> = new Map([
  ['.csv', 'text/csv'],
  ['.doc', 'application/msword'],
  ['.docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
  ['.gif', 'image/gif'],
  ['.jpeg', 'image/jpeg'],
  ['.jpg', 'image/jpeg'],
  ['.m4a', 'audio/mp4'],
  ['.mov', 'video/quicktime'],
  ['.mp3', 'audio/mpeg'],
  ['.mp4', 'video/mp4'],
  ['.oga', 'audio/ogg'],
  ['.ogg', 'audio/ogg'],
  ['.opus', 'audio/ogg'],
  ['.pdf', 'application/pdf'],
  ['.png', 'image/png'],
  ['.txt', 'text/plain'],
  ['.webm', 'video/webm'],
  ['.webp', 'image/webp'],
  ['.xls', 'application/vnd.ms-excel'],
  ['.xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
  ['.zip', 'application/zip'],
]);

/** What a browser would run. */
const ACTIVE = /html|xml(?!formats)|svg|script|^multipart\/|^message\//;

/** The type of a client's file, as he or its name says; never one that a browser would run. */
export function contentType(mime: string | null, name: string): string {
  const type = (mime ?? '').trim().toLowerCase();
  const known = /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : TYPE_OF_EXTENSION.get(extname(name).toLowerCase());
  return known === undefined || ACTIVE.test(known) ? UNKNOWN : known;
}

/** The name as RFC 6266 has it: for everybody in `filename*`, as ASCII for whoever reads only that. */
export function contentDisposition(name: string): string {
  const clean = name.toWellFormed().replace(/[\p{Cc}/\\]/gu, '_') || 'file';
  const plain = clean.replace(/[^\x20-\x7e]/gu, '_').replace(/["%;]/g, '_');
  const encoded = encodeURIComponent(clean).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** The bytes that a Range header means (RFC 9110, 14.1.2); null for all of them, as for what cannot be read. */
export function partOf(range: string | undefined, size: number): { first: number; last: number } | 'outside' | null {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? [];
  if (!from && !to) return null;
  const first = from ? Number(from) : Math.max(0, size - Number(to));
  const last = from && to ? Math.min(Number(to), size - 1) : size - 1;
  if (from && to && Number(to) < first) return null;
  return first <= last ? { first, last } : 'outside';
}
