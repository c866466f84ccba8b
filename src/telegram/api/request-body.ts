import { randomBytes } from 'node:crypto';

/** A file that goes along with a call, in the place of its id. */
export class Upload {
  constructor(
    /** Read once. */
    readonly content: () => AsyncIterable<Uint8Array>,
    /** Bytes of the content. */
    readonly size: number,
    /** For people; without line breaks, quotation marks and backslashes. */
    readonly name: string,
  ) {}
}

/** The body of a call of the Bot API and the headers that describe it. */
export interface RequestBody {
  headers: Record<string, string>;
  body: string | AsyncIterable<Uint8Array>;
}

/**
 * Parameters as the Bot API takes them (core.telegram.org/bots/api#making-requests): JSON, or with files
 * multipart/form-data of a length that is known beforehand, each file read while it is sent. What is null is left out.
 */
export function requestBody(params: object): RequestBody {
  const uploads: Upload[] = [];
  const attached = (_key: string, value: unknown) =>
    value instanceof Upload ? `attach://${uploads.push(value) - 1}` : (value ?? undefined);
  const json = JSON.stringify(params, attached);
  if (uploads.length === 0) return { headers: { 'content-type': 'application/json' }, body: json };
  const fields = Object.entries(JSON.parse(json) as Record<string, unknown>);
  return multipart(fields, uploads);
}

function multipart(fields: [string, unknown][], uploads: Upload[]): RequestBody {
  const boundary = `openlines-${randomBytes(16).toString('hex')}`;
  const section = (disposition: string) => `--${boundary}\r\nContent-Disposition: form-data; ${disposition}`;
  const parts: (Buffer | Upload)[] = fields.map(([name, value]) =>
    Buffer.from(`${section(`name="${name}"`)}\r\n\r\n${typeof value === 'string' ? value : JSON.stringify(value)}\r\n`),
  );
  for (const [index, upload] of uploads.entries()) {
    const head = section(`name="${index}"; filename="${upload.name}"`);
    parts.push(Buffer.from(`${head}\r\nContent-Type: application/octet-stream\r\n\r\n`), upload, Buffer.from('\r\n'));
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  const length = parts.reduce((sum, part) => sum + (part instanceof Upload ? part.size : part.length), 0);
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': String(length) },
    body: written(parts),
  };
}

async function* written(parts: (Buffer | Upload)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Upload) yield* part.content();
    else yield part;
  }
}
