import { mediaTypeOf } from '../../common/media-types.js';

const UNKNOWN = 'application/octet-stream';

/** What a browser would run. */
const ACTIVE = /html|xml(?!formats)|svg|script|^multipart\/|^message\//;

/** The type of a client's file, as Telegram or the name says; never one that a browser would run. */
export function contentType(mime: string | null, name: string): string {
  const type = (mime ?? '').trim().toLowerCase();
  const known = /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : mediaTypeOf(name);
  return known === undefined || ACTIVE.test(known) ? UNKNOWN : known;
}

/**
 * The name as RFC 6266 has it: for everybody in `filename*`, as ASCII for whoever reads only that. By hand: the package
 * content-disposition throws on lone surrogates, leaves paths in the name, and needs Node.js 22.
 */
export function contentDisposition(name: string): string {
  const clean = name.toWellFormed().replace(/[\p{Cc}/\\]/gu, '_') || 'file';
  const plain = clean.replace(/[^\x20-\x7e]/gu, '_').replace(/["%;]/g, '_');
  const encoded = encodeURIComponent(clean).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
