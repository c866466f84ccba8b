import type { IncomingMessage } from 'node:http';
import { BotApiError, badRequest } from './bot-api.error.js';
import type { FileStore } from './file.store.js';
import { readMultipart, type UploadedFile } from './multipart.form.js';

/** Largest upload of the cloud and of a local server; a little is added for the form around it. */
const CLOUD_UPLOAD = 50 << 20;
const LOCAL_UPLOAD = 2000 * (1 << 20);
const FORM_FRAME = 64 << 10;

/** Where uploads go, and how large they may be. */
export interface Uploads {
  readonly store: FileStore;
  readonly local: boolean;
}

/**
 * The parameters of one call. The server reads them leniently, as Telegram's does: a number may come as a string, an
 * object as JSON text, a number that is out of range is moved into it.
 */
export class CallParams {
  constructor(
    readonly values: Readonly<Record<string, unknown>>,
    readonly files: ReadonlyMap<string, UploadedFile> = new Map(),
  ) {}

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null && this.values[name] !== '';
  }

  /** The same call as if this parameter had not been given. */
  without(name: string): CallParams {
    const { [name]: _left, ...values } = this.values;
    return new CallParams(values, this.files);
  }

  /** The value as text; `''` when it is missing, JSON text when it is an object. */
  text(name: string): string {
    const value = this.values[name];
    if (value === undefined || value === null) return '';
    return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
  }

  /** An integer moved into [min, max]; what is no integer counts as absent. */
  integer(name: string, absent: number, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): number {
    const text = this.text(name).trim();
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : absent;
    return Math.min(Math.max(value, min), max);
  }

  flag(name: string): boolean {
    return ['true', 'yes', '1'].includes(this.text(name).toLowerCase());
  }

  /** The value of a structured parameter, `undefined` when it is missing. `what` names it in the error. */
  json(name: string, what: string): unknown {
    const value = this.values[name];
    if (!this.has(name)) return undefined;
    if (typeof value !== 'string') return value;
    try {
      return JSON.parse(value);
    } catch {
      throw badRequest(`can't parse ${what} JSON object`);
    }
  }
}

/**
 * Reads the query string and a JSON, urlencoded or multipart body into one set of parameters; the body wins.
 * Throws {@link BotApiError} 400 for a body that cannot be read, 413 for one that is too large.
 */
export async function readCallParams(request: IncomingMessage, query: string, uploads: Uploads): Promise<CallParams> {
  const values: Record<string, unknown> = query === '' ? {} : Object.fromEntries(new URLSearchParams(query));
  const type = request.headers['content-type'] ?? '';
  const chunks = limited(request, (uploads.local ? LOCAL_UPLOAD : CLOUD_UPLOAD) + FORM_FRAME);
  if (type.startsWith('multipart/form-data')) {
    const form = await readMultipart(chunks, type, (file) => uploads.store.receive(file));
    return new CallParams({ ...values, ...form.values }, form.files);
  }

  const body = await joined(chunks);
  if (body.length === 0) return new CallParams(values);
  if (type.startsWith('application/json')) return new CallParams({ ...values, ...parseJsonBody(body) });
  if (type.startsWith('application/x-www-form-urlencoded')) {
    return new CallParams({ ...values, ...Object.fromEntries(new URLSearchParams(body.toString('utf8'))) });
  }
  return new CallParams(values);
}

/** The body of a request; 413 when it is larger than the cloud server takes. */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  return joined(limited(request, CLOUD_UPLOAD));
}

/** What is too much is read and dropped before it is refused, so that the client is there to hear it. */
async function* limited(request: IncomingMessage, limit: number): AsyncGenerator<Buffer> {
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= limit) yield chunk;
  }
  if (length > limit) throw new BotApiError(413, 'Request Entity Too Large');
}

async function joined(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

function parseJsonBody(body: Buffer): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    throw badRequest("can't parse JSON object");
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw badRequest('expected an Object in the request body');
  }
  return parsed as Record<string, unknown>;
}
