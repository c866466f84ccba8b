import { badRequest } from './bot-api.error.js';
import type { StoredContent } from './file.store.js';

/** A file in a form, as it was named there. */
export interface UploadedFile {
  readonly content: StoredContent;
  readonly fileName: string;
}

export interface MultipartForm {
  readonly values: Record<string, string>;
  readonly files: Map<string, UploadedFile>;
}

/** A value in a form that is no file ends up in memory: the server takes no more of them than this. */
const VALUE_BYTES = 1 << 22;

/**
 * Reads a `multipart/form-data` body (RFC 7578) part by part; files go through `receive` as they come and are never
 * whole in memory. Throws 400 for a body that does not follow its boundary.
 */
export async function readMultipart(
  chunks: AsyncIterable<Uint8Array>,
  contentType: string,
  receive: (chunks: AsyncIterable<Uint8Array>) => Promise<StoredContent>,
): Promise<MultipartForm> {
  const boundary = /boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType);
  if (!boundary) throw badRequest('boundary is not specified in the multipart form');
  const delimiter = `\r\n--${boundary[1] ?? boundary[2]}`;
  const source = new DelimitedStream(chunks);
  const form: MultipartForm = { values: {}, files: new Map() };

  try {
    await source.textUntil(delimiter);
    while ((await source.take(2)) !== '--') {
      const { name, fileName } = readHeaders(await source.textUntil('\r\n\r\n'));
      const body = source.until(delimiter);
      if (fileName === undefined) form.values[name] = await text(body);
      else form.files.set(name, { content: await receive(body), fileName });
    }
    await source.drain();
    return form;
  } finally {
    await source.close();
  }
}

function readHeaders(headers: string): { name: string; fileName: string | undefined } {
  const disposition = /^content-disposition:(.*)$/im.exec(headers)?.[1] ?? '';
  const name = readAttribute(disposition, 'name');
  if (name === undefined) throw badRequest('a part of the multipart form has no name');
  const encoded = /[;\s]filename\*=utf-8''([^;\s]+)/i.exec(disposition)?.[1];
  return { name, fileName: encoded ? decodeURIComponent(encoded) : readAttribute(disposition, 'filename') };
}

/** In quotes, where clients write a quote as \" or %22, or up to the next semicolon. */
function readAttribute(disposition: string, attribute: string): string | undefined {
  const pattern = new RegExp(`[;\\s]${attribute}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;]*))`, 'i');
  const [, quoted, bare] = pattern.exec(disposition) ?? [];
  return quoted === undefined ? bare?.trim() : quoted.replaceAll(/\\(.)/g, '$1').replaceAll('%22', '"');
}

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > VALUE_BYTES) throw badRequest('a value in the multipart form is too long');
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** A stream that is read up to one delimiter after another. */
class DelimitedStream {
  private readonly source: AsyncIterator<Uint8Array>;
  /** A form may begin with its boundary, without the line break that stands before the others. */
  private held = Buffer.from('\r\n');

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.source = chunks[Symbol.asyncIterator]();
  }

  /** What comes before the delimiter, which is consumed. */
  async *until(delimiter: string): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.held.indexOf(delimiter);
      if (at >= 0) {
        const last = this.held.subarray(0, at);
        this.held = this.held.subarray(at + delimiter.length);
        if (last.length > 0) yield last;
        return;
      }
      const safe = this.held.length - delimiter.length;
      if (safe > 0) {
        const ready = this.held.subarray(0, safe);
        this.held = this.held.subarray(safe);
        yield ready;
      }
      await this.fill();
    }
  }

  textUntil(delimiter: string): Promise<string> {
    return text(this.until(delimiter));
  }

  async take(count: number): Promise<string> {
    while (this.held.length < count) await this.fill();
    const taken = this.held.toString('latin1', 0, count);
    this.held = this.held.subarray(count);
    return taken;
  }

  /** Reads what follows the last boundary, so that what is wrong with the whole body is still found. */
  async drain(): Promise<void> {
    while (!(await this.source.next()).done);
  }

  async close(): Promise<void> {
    await this.source.return?.();
  }

  private async fill(): Promise<void> {
    const { done, value } = await this.source.next();
    if (done) throw badRequest("can't parse multipart form: unexpected end");
    this.held = Buffer.concat([this.held, value]);
  }
}
