import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Problem } from '../../common/problem.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import type { StoredFile } from '../../storage/crm/file-contents.js';
import { KeptFilesRepository } from '../../storage/crm/kept-files.repository.js';
import type { FileOwner, KeptFileRow } from '../../storage/crm/kept-files.js';
import { FileUploads, isFileName } from './file-uploads.js';

const MB = 1024 * 1024;
/** Of one portal, so that none can fill the database for the others. A broadcast has one file. */
const LIMITS = { filesOfAnswer: 10, bytesOfPortal: 100 * MB };
const FILE_BYTES = 10 * MB;
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

  constructor(
    private readonly files: KeptFilesRepository,
    private readonly portals: PortalsRepository,
    private readonly uploads: FileUploads,
  ) {}

  /**
   * Keeps what comes in place of the file of the same name; of a broadcast, in place of the one it had. `content`: as it
   * arrives. False: the owner takes no files any more.
   */
  async keep({ portalId, owner }: OwnerOfFiles, name: string, content: unknown): Promise<boolean> {
    await this.assertConnected(portalId);
    const kept = await this.uploads.receive(name, content, { portalId, maxBytes: FILE_BYTES }, (file) =>
      this.files.keep({ ...file, portalId, owner }, LIMITS),
    );
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
    const removed = isFileName(name) ? await this.files.remove(portalId, owner, name) : 'no_file';
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
}

const noFile = () => new Problem(404, 'not_found', 'It has no such file.');
