import type { IncomingMessage } from 'node:http';
import { BotApiError, badRequest } from './bot-api.error.js';

/** Largest upload of the cloud server: 50 MB of file and a little for the form around it. */
const BODY_LIMIT = 50 * 1024 * 1024 + 64 * 1024;

/**
 * The parameters of one call. The server reads them leniently, as Telegram's does: a number may come as a string, an
 * object as JSON text, a number that is out of range is moved into it.
 */
export class CallParams {
  constructor(
    readonly values: Readonly<Record<string, unknown>>,
    readonly files: ReadonlyMap<string, File> = new Map(),
  ) {}

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null && this.values[name] !== '';
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
 * Throws {@link BotApiError} 400 for a body that cannot be read, 413 for one over 50 MB.
 */
export async function readCallParams(request: IncomingMessage, query: string): Promise<CallParams> {
  const values: Record<string, unknown> = query === '' ? {} : Object.fromEntries(new URLSearchParams(query));
  const body = await readBody(request);
  if (body.length === 0) return new CallParams(values);

  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('application/json')) return new CallParams({ ...values, ...parseJsonBody(body) });
  if (type.startsWith('multipart/form-data')) return readForm(values, body, type);
  if (type.startsWith('application/x-www-form-urlencoded')) {
    return new CallParams({ ...values, ...Object.fromEntries(new URLSearchParams(body.toString('utf8'))) });
  }
  return new CallParams(values);
}

/** The body of a request; 413 when it is larger than the cloud server takes. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_LIMIT) throw new BotApiError(413, 'Request Entity Too Large');
    chunks.push(chunk);
  }
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

async function readForm(values: Record<string, unknown>, body: Buffer, type: string): Promise<CallParams> {
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } })
    .formData()
    .catch((error: unknown) => {
      throw badRequest(`can't parse multipart form: ${String(error)}`);
    });
  const files = new Map<string, File>();
  for (const [name, value] of form) {
    if (typeof value === 'string') values[name] = value;
    else files.set(name, value);
  }
  return new CallParams(values, files);
}
