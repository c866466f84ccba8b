import { promisify } from 'node:util';
import { brotliDecompress, unzip } from 'node:zlib';
import type { Dispatcher } from 'undici';

/** One request whose answer is read whole. */
export interface HttpRequest {
  method: 'GET' | 'POST';
  url: URL;
  headers: Record<string, string>;
  /** What is read piece by piece names its length in the headers. */
  body?: string | AsyncIterable<Uint8Array>;
  /** For the whole exchange, the making of a connection included. */
  timeoutMs: number;
  /** Aborted: nobody waits for the answer any more. */
  signal?: AbortSignal;
  /** Looked at when a connection stands, right before the first byte: a request of whoever lost it does not leave. */
  lease?: Fence;
}

/** Whether the caller may still act; see HeldLease of the relay. */
export interface Fence {
  readonly held: boolean;
}

/** An answer of any status, its body as text. */
export interface HttpAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** How we name ourselves to every server. */
export const USER_AGENT = 'telegram-openlines';

/** Code of a request that did not leave, because its lease was over by then. */
export const LEASE_LOST = 'LEASE_LOST';
/** Code of an exchange that nobody waits for any more. */
const ABORTED = 'ABORT_ERR';
/** Code of an exchange that took too long, in whatever phase. */
export const TIMEOUT = 'TIMEOUT';

/** No (whole) answer came. Never carries the request, or its address: they hold secrets. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  constructor(
    /** Socket code such as ECONNREFUSED, or TIMEOUT, ABORT_ERR, ANSWER_TOO_LARGE, LEASE_LOST. */
    readonly code: string,
    /** False: not a byte of the request was written. True: the far side may have read all of it. */
    readonly written: boolean,
    detail = code,
  ) {
    super(detail);
  }
}

/** Largest answer that is read; the biggest of either network (100 updates, 50 records of a list) stay far below it. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/**
 * Makes one request by the connections of the dispatcher and answers whatever came back. Writes it once at most: follows
 * no redirect, and repeats nothing. Rejects with a {@link TransportError}.
 */
export function exchange(dispatcher: Dispatcher, request: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const handler = new Exchange(request, resolve, reject);
    const { method, url, headers, body } = request;
    // The deadline is ours, for all phases together.
    const timeouts = { headersTimeout: 0, bodyTimeout: 0 };
    const path = url.pathname + url.search;
    const named = { 'user-agent': USER_AGENT, ...headers };
    dispatcher.dispatch(
      { origin: url.origin, path, method, headers: named, body: body as string, ...timeouts },
      handler,
    );
  });
}

/** How the library calls an end of the connection before that of the answer. */
const ENDED_EARLY = new Set<unknown>([
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'HPE_INVALID_EOF_STATE',
]);

/** The code of what went wrong with a connection, in the words of the operating system. */
export function connectionCode(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (ENDED_EARLY.has(code)) return 'ECONNRESET';
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT') return TIMEOUT;
  if (name === 'AbortError' || name === 'TimeoutError') return ABORTED;
  return typeof code === 'string' ? code : 'CONNECTION_FAILED';
}

class Exchange implements Dispatcher.DispatchHandler {
  private readonly timer: NodeJS.Timeout;
  private readonly aborted = () => this.giveUp(ABORTED);
  /** Of the connection that the request was written to. */
  private controller: Dispatcher.DispatchController | undefined;
  private status = 0;
  private headers: HttpAnswer['headers'] = {};
  private readonly chunks: Buffer[] = [];
  private bytes = 0;
  private over = false;

  constructor(
    private readonly request: HttpRequest,
    private readonly resolve: (answer: HttpAnswer) => void,
    private readonly reject: (error: TransportError) => void,
  ) {
    this.timer = setTimeout(() => this.giveUp(TIMEOUT), request.timeoutMs);
    request.signal?.addEventListener('abort', this.aborted);
    if (request.signal?.aborted) this.aborted();
  }

  /** A connection stands, and the next thing is to write. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Once at most: should the library want to write it anew, nobody knows any more what became of it.
    if (this.controller) this.giveUp('ECONNRESET');
    else if (this.request.lease?.held === false) this.giveUp(LEASE_LOST);
    if (this.over) return controller.abort(new Error('not written'));
    this.controller = controller;
  }

  onResponseStart(_controller: unknown, status: number, headers: HttpAnswer['headers']): void {
    [this.status, this.headers] = [status, headers];
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes > MAX_ANSWER_BYTES) this.giveUp('ANSWER_TOO_LARGE');
    else this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (!this.end()) return;
    const { status, headers } = this;
    const body = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
    const encoding = headers['content-encoding'];
    if (encoding === undefined) return this.resolve({ status, headers, text: body.toString() });
    decoded(body, String(encoding)).then(
      (text) => this.resolve({ status, headers, text }),
      () => this.reject(new TransportError('ANSWER_UNREADABLE', true)),
    );
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.fail(connectionCode(error), error.message);
  }

  private giveUp(code: string): void {
    this.fail(code, code);
    this.controller?.abort(new Error(code));
  }

  private fail(code: string, detail: string): void {
    if (this.end()) this.reject(new TransportError(code, this.controller !== undefined, detail));
  }

  /** False: it had ended before. */
  private end(): boolean {
    if (this.over) return false;
    this.over = true;
    clearTimeout(this.timer);
    this.request.signal?.removeEventListener('abort', this.aborted);
    return true;
  }
}

/** We ask for no compression; some relays compress all the same. */
async function decoded(body: Buffer, encoding: string): Promise<string> {
  const limit = { maxOutputLength: MAX_ANSWER_BYTES };
  if (encoding === 'br') return (await promisify(brotliDecompress)(body, limit)).toString();
  if (['gzip', 'x-gzip', 'deflate'].includes(encoding)) return (await promisify(unzip)(body, limit)).toString();
  return body.toString();
}
