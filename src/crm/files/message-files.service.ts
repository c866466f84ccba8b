import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Problem } from '../../common/problem.js';
import { MessageFilesRepository, type FileSender } from '../../storage/crm/message-files.repository.js';
import type { StoredAttachment } from '../../storage/intake/intake.rows.js';
import { FileUploads } from './file-uploads.js';
import { attachmentsOf } from './kept-file.js';
import type { MessageFile } from './message-files.dto.js';

const MB = 1024 * 1024;
/** "50 MB max size for other files" (core.telegram.org/bots/api#sending-files), as for what operators send. */
const FILE_BYTES = 50 * MB;
/** Of one portal, so that none can fill the database for the others. */
const BYTES_OF_PORTAL = 500 * MB;
const HOUR_MS = 3_600_000;

/** Files that somebody attaches to a message of their own. Throws Problems that say what to do. */
@Injectable()
export class MessageFiles {
  private readonly logger = new Logger(MessageFiles.name);

  constructor(
    private readonly files: MessageFilesRepository,
    private readonly uploads: FileUploads,
  ) {}

  /** Keeps what comes, to be named by a message within a day. `body`: as it arrives. */
  async keep(sender: FileSender, name: string, body: unknown): Promise<MessageFile> {
    const kept = await this.uploads.receive(name, body, { portalId: sender.portalId, maxBytes: FILE_BYTES }, (file) =>
      this.files.keep(sender, file, BYTES_OF_PORTAL),
    );
    if (kept === 'gone') throw new Problem(404, 'no_chat', 'The conversation is not there any more.');
    if (kept === 'full') {
      const limitMb = BYTES_OF_PORTAL / MB;
      throw new Problem(409, 'files_waiting', `Files of up to ${limitMb} MB wait to be sent: try again later.`, {
        limitMb,
      });
    }
    return { ...kept, id: kept.id.toString() };
  }

  /** What a message with these files has; they stay until it was sent. Throws 409 `attachment_gone`. */
  async attachments(sender: FileSender, ids: readonly string[]): Promise<StoredAttachment[]> {
    if (ids.length === 0) return [];
    const files = await this.files.use(sender, ids.map(BigInt));
    if (!files)
      throw new Problem(409, 'attachment_gone', 'A file of the message is not kept any more: attach it again.');
    return attachmentsOf(files);
  }

  @Interval(HOUR_MS)
  async forget(): Promise<void> {
    await this.files.purge().catch((error: unknown) => {
      this.logger.warn({ err: error }, 'Files of messages could not be removed; trying again in an hour');
    });
  }
}
