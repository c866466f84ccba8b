import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { limitStream, StreamLimitError } from '../../common/limited-stream.js';
import { mediaTypeOf } from '../../common/media-types.js';
import { Problem } from '../../common/problem.js';
import { Semaphore, type Release } from '../../common/semaphore.js';

/** Each keeps a part of a file in memory, and a connection of the database now and then. */
const UPLOADS_AT_ONCE = 32;
/** Slow ones of one portal leave room for those of others. */
const OF_ONE_PORTAL = 8;
const PACE = { bytes: 30_000, withinMs: 30_000 };
const PATIENCE = { startMs: 60_000, bytesPerSecond: 100_000 };
/** As the portal and Telegram show it. */
const NAME = /^[^\p{Cc}/\\]{1,100}$/u;

/** Whether a file may have this name. */
export const isFileName = (name: string) => NAME.test(name);
const MB = 1024 * 1024;

/** Where a file comes from, and how large it may be. */
export interface UploadPlace {
  portalId: bigint;
  maxBytes: number;
}

/** A file while it arrives. */
export interface FileUpload {
  name: string;
  mime: string | null;
  content: AsyncIterable<Buffer>;
}

/** Files that pages and API send as the body of a request. */
@Injectable()
export class FileUploads {
  private readonly uploads = new Semaphore(UPLOADS_AT_ONCE);
  /** By portal, as long as it has any. */
  private readonly ofPortals = new Map<bigint, Semaphore>();

  /**
   * Has `keep` read the file, a few of each portal at a time. `body`: as it arrives. Throws {@link Problem} for a bad name, a file that is
   * empty, too large, too slow or cut; `keep` has then seen the beginning of it.
   */
  async receive<Kept>(
    name: string,
    body: unknown,
    { portalId, maxBytes }: UploadPlace,
    keep: (file: FileUpload) => Promise<Kept>,
  ): Promise<Kept> {
    if (!isFileName(name)) {
      throw new Problem(
        400,
        'bad_file_name',
        'The name of a file is one line of up to 100 characters, without slashes.',
      );
    }
    if (!isReadable(body)) throw emptyFile();
    const release = this.begin(portalId);
    if (!release) {
      throw new Problem(503, 'too_many_uploads', 'Other files are being uploaded. Try again in a moment.', {
        retryAfter: 5,
      });
    }
    try {
      return await keep({ name, mime: mediaTypeOf(name) ?? null, content: limited(body, maxBytes) });
    } finally {
      release();
    }
  }

  /** Answers how it ends; null: too many are under way. */
  private begin(portalId: bigint): Release | null {
    const own = this.ofPortals.get(portalId) ?? new Semaphore(OF_ONE_PORTAL);
    const releaseOwn = own.tryAcquire();
    const release = releaseOwn && this.uploads.tryAcquire();
    if (!release) {
      releaseOwn?.();
      return null;
    }
    this.ofPortals.set(portalId, own);
    return () => {
      release();
      releaseOwn();
      if (own.isIdle) this.ofPortals.delete(portalId);
    };
  }
}

async function* limited(body: Readable, maxBytes: number): AsyncGenerator<Buffer> {
  const totalMs = PATIENCE.startMs + (maxBytes / PATIENCE.bytesPerSecond) * 1_000;
  let isEmpty = true;
  const refuse = (cause: Error) => uploadProblem(cause, maxBytes);
  for await (const bytes of limitStream(body, { maxBytes, pace: PACE, totalMs }, refuse)) {
    isEmpty = false;
    yield bytes as Buffer;
  }
  if (isEmpty) throw emptyFile();
}

function uploadProblem(cause: Error, maxBytes: number): Error {
  if (!(cause instanceof StreamLimitError)) return new Problem(400, 'upload_cut', 'The file did not arrive whole.');
  if (cause.limit === 'too_slow') return new Problem(408, 'upload_too_slow', 'The file arrives too slowly.');
  const limitMb = maxBytes / MB;
  return new Problem(413, 'file_too_large', `A file may have at most ${limitMb} MB.`, { limitMb });
}

function isReadable(content: unknown): content is Readable {
  return typeof content === 'object' && content !== null && Symbol.asyncIterator in content;
}

const emptyFile = () => new Problem(400, 'file_empty', 'The file has no content.');
