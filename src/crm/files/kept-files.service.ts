import type { Readable } from 'node:stream';
import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { limitStream, StreamLimitError } from '../../common/limited-stream.js';
import { mediaTypeOf } from '../../common/media-types.js';
import { Problem } from '../../common/problem.js';
import { Semaphore } from '../../common/semaphore.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { KeptFilesRepository, type StoredFile } from '../../storage/crm/kept-files.repository.js';
import type { FileOwner, KeptFileRow } from '../../storage/crm/kept-files.js';

const MB = 1024 * 1024;
/** Of one portal, so that none can fill the database for the others. A broadcast has one file. */
const LIMITS = { filesOfAnswer: 10, bytesOfPortal: 100 * MB };
/** Every replica reads it into its memory once. */
const FILE_BYTES = 10 * MB;
const UPLOADS_AT_ONCE = 4;
const UPLOAD = { maxBytes: FILE_BYTES, pace: { bytes: 30_000, withinMs: 30_000 }, totalMs: 180_000 };
/** As the portal and Telegram show it. */
const NAME = /^[^\p{Cc}/\\]{1,100}$/u;
const HOUR_MS = 3_600_000;

/** Something of a portal that has files. */
export interface OwnerOfFiles {
  portalId: bigint;
  owner: FileOwner;
}

/** Files that people upload for ready answers and broadcasts. Throws Problems that say what to do. */
@Injectable()
export class KeptFiles {
  private readonly logger = new Logger(KeptFiles.name);
  private readonly uploads = new Semaphore(UPLOADS_AT_ONCE);

  constructor(
    private readonly files: KeptFilesRepository,
    private readonly portals: PortalsRepository,
  ) {}

  /**
   * Keeps what comes in place of the file of the same name; of a broadcast, in place of the one it had. `content`: as it
   * arrives. False: the owner takes no files any more.
   */
  async keep({ portalId, owner }: OwnerOfFiles, name: string, content: unknown): Promise<boolean> {
    if (!NAME.test(name)) {
      throw new Problem(
        400,
        'bad_file_name',
        'The name of a file is one line of up to 100 characters, without slashes.',
      );
    }
    await this.assertConnected(portalId);
    const mime = mediaTypeOf(name) ?? null;
    const kept = await this.files.keep({ portalId, owner, name, mime, content: await this.read(content) }, LIMITS);
    if (kept === 'too_many') {
      const limit = LIMITS.filesOfAnswer;
      throw new Problem(409, 'too_many_files', `An answer has at most ${limit} files.`, { limit });
    }
    if (kept === 'full') {
      const limitMb = LIMITS.bytesOfPortal / MB;
      throw new Problem(409, 'files_full', `The files of a portal are at most ${limitMb} MB together.`, { limitMb });
    }
    return kept === 'kept';
  }

  /** False: the owner lets none be taken off any more. */
  async remove({ portalId, owner }: OwnerOfFiles, name: string): Promise<boolean> {
    const removed = await this.files.remove(portalId, owner, name);
    if (removed === 'no_file') throw noFile();
    return removed === 'removed';
  }

  async open({ portalId, files }: { portalId: bigint; files: KeptFileRow[] }, name: string): Promise<StoredFile> {
    const known = files.find((file) => file.name === name);
    const file = known && (await this.files.open(portalId, known.id));
    if (!file) throw noFile();
    return file;
  }

  /** A message is about to be accepted with them: see {@link KeptFilesRepository.noteUse}. */
  noteUse(owner: FileOwner, files: KeptFileRow[]): Promise<boolean> {
    return this.files.noteUse(owner, files);
  }

  /** Where the application was removed nothing is kept: it may be erased already, and pages stay open for a while. */
  async assertConnected(portalId: bigint): Promise<void> {
    const portal = await this.portals.findById(portalId);
    if (!portal) throw new Problem(404, 'not_found', `No portal has the id ${portalId}.`);
    if (portal.state === 'uninstalled') {
      throw new Problem(403, 'portal_gone', 'The application was removed from this portal.');
    }
  }

  @Interval(HOUR_MS)
  async forget(): Promise<void> {
    await this.files.purge().catch((error: unknown) => {
      this.logger.warn({ err: error }, 'Files that were taken away could not be removed; trying again in an hour');
    });
  }

  private async read(content: unknown): Promise<Buffer> {
    if (!isReadable(content)) throw emptyFile();
    const release = this.uploads.tryAcquire();
    if (!release) {
      throw new Problem(503, 'too_many_uploads', 'Other files are being uploaded. Try again in a moment.', {
        retryAfter: 5,
      });
    }
    try {
      const parts: Buffer[] = [];
      for await (const part of limitStream(content, UPLOAD, uploadProblem)) parts.push(part as Buffer);
      if (parts.length === 0) throw emptyFile();
      return Buffer.concat(parts);
    } finally {
      release();
    }
  }
}

function uploadProblem(cause: Error): Error {
  if (!(cause instanceof StreamLimitError)) return new Problem(400, 'upload_cut', 'The file did not arrive whole.');
  if (cause.limit === 'too_slow') return new Problem(408, 'upload_too_slow', 'The file arrives too slowly.');
  const limitMb = FILE_BYTES / MB;
  return new Problem(413, 'file_too_large', `A file that is uploaded has at most ${limitMb} MB.`, { limitMb });
}

function isReadable(content: unknown): content is Readable {
  return typeof content === 'object' && content !== null && Symbol.asyncIterator in content;
}

const emptyFile = () => new Problem(400, 'file_empty', 'The file has no content.');
const noFile = () => new Problem(404, 'not_found', 'It has no such file.');
