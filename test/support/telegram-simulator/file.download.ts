import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StoredContent, FileStore } from './file.store.js';

/**
 * Something that goes wrong while a file is downloaded.
 * - `status`: this answer instead of the file
 * - `dropBefore`: the socket dies before the answer begins
 * - `delayMs`: the answer begins late
 * - `trickle`: so many bytes at a time, with a pause after each
 * - `cutAfter`: the socket dies after so many bytes of the file
 */
export type DownloadFault =
  { status: number; body?: unknown; headers?: Record<string, string> } | 'dropBefore' | TransferFault;

export type TransferFault =
  { delayMs: number } | { trickle: { bytes: number; everyMs: number } } | { cutAfter: number };

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Streams a file, or the range of it that was asked for, with what goes wrong on the way. */
export async function sendFile(
  response: ServerResponse,
  store: FileStore,
  content: StoredContent,
  { range, fault = { delayMs: 0 } }: { range: string | undefined; fault: TransferFault | undefined },
): Promise<void> {
  if ('delayMs' in fault) await sleep(fault.delayMs);
  const part = readRange(range, content.size);
  const { start, end } = part ?? { start: 0, end: content.size - 1 };
  response.writeHead(part ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': end - start + 1,
    ...(part && { 'content-range': `bytes ${start}-${end}/${content.size}` }),
  });
  if (content.size === 0) return void response.end();

  const bytes = store.read(content, { start, end });
  if ('trickle' in fault) {
    await pipeline(bytes, trickle(fault.trickle), response);
  } else if ('cutAfter' in fault) {
    for await (const chunk of cut(bytes, fault.cutAfter)) {
      await new Promise((written) => response.write(chunk, written));
    }
    response.destroy();
  } else {
    await pipeline(bytes, response);
  }
}

/** One range (RFC 9110, 14.1.2); `undefined` for none, for several and for what cannot be read: the whole file then. */
function readRange(header: string | undefined, size: number): Range | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (!first && !last) return undefined;
  const start = first ? Number(first) : Math.max(0, size - Number(last));
  const end = first && last ? Math.min(Number(last), size - 1) : size - 1;
  return start <= end ? { start, end } : undefined;
}

function trickle({ bytes, everyMs }: { bytes: number; everyMs: number }) {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; at += bytes) {
        yield chunk.subarray(at, at + bytes);
        await sleep(everyMs);
      }
    }
  };
}

async function* cut(source: AsyncIterable<Buffer>, length: number): AsyncGenerator<Buffer> {
  let left = length;
  for await (const chunk of source) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
