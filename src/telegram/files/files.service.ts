import type { Readable } from 'node:stream';
import { Injectable, Logger } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { Semaphore } from '../../common/semaphore.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { FileLinks } from '../../relay/file-links.js';
import { AttachmentsRepository, type ClientFile } from '../../storage/intake/attachments.repository.js';
import { ChatsRepository } from '../../storage/history/chats.repository.js';
import { BotGoneError, RunningBots } from '../bots/running-bots.js';
import { readRange } from './byte-range.js';
import type { LocatedFile, TelegramFiles } from '../api/telegram-files.js';

/** Files that pass through this process at once, and requests that wait for their turn: each is on the disk meanwhile. */
const FILES_AT_ONCE = 32;
/** Only a Bot API server of the company has larger ones (Telegram's own: 20 MB), up to 2 GB each. */
const LARGE_BYTES = 64 * 1024 * 1024;
const LARGE_FILES_AT_ONCE = 2;
const MAX_QUEUED = 256;
/** A portal gives up a file after about a minute. */
const QUEUE_TIMEOUT_MS = 20_000;

/** What is known about a file without reading it. */
export interface FileFacts {
  name: string;
  mime: string | null;
  /** Bytes, when known. */
  size: number | null;
}

/** A file that is whole, or the part of it that was asked for. */
export interface FilePart {
  stream: Readable;
  /** Bytes of the stream. */
  length: number;
  /** `bytes <first>-<last>/<size>`; null: it is the whole file. */
  contentRange: string | null;
}

interface Located {
  file: ClientFile;
  files: TelegramFiles;
  located: LocatedFile;
}

/**
 * What the links of {@link FileLinks} lead to. Every method throws a Problem: 404 for a link that nobody made and for
 * files that Telegram no longer has or gives to no bot (`file_too_large`), 410 for a link whose time is over, 503
 * when too many files are under way, 502 and 504 when Telegram is in trouble.
 *
 * `over`: the exchange with the caller has ended; what was held for it is given back.
 */
@Injectable()
export class FilesService {
  private readonly logger = new Logger(FilesService.name);
  private readonly all = new Semaphore(FILES_AT_ONCE, MAX_QUEUED);
  private readonly large = new Semaphore(LARGE_FILES_AT_ONCE, MAX_QUEUED);

  constructor(
    private readonly links: FileLinks,
    private readonly attachments: AttachmentsRepository,
    private readonly chats: ChatsRepository,
    private readonly bots: RunningBots,
  ) {}

  /** Whether the file is available, and what it is. */
  async describe(token: string, over: AbortSignal): Promise<FileFacts> {
    const { file, located } = await this.locate(token, over);
    return { name: file.name, mime: file.mime, size: located.size };
  }

  /**
   * The file once it is here to its last byte, or the part of it that the Range header means: Bitrix24 keeps a download
   * that is cut short as if it were whole (main, Main\Web\HttpClient).
   */
  async open(token: string, range: string | undefined, over: AbortSignal): Promise<FileFacts & FilePart> {
    const { file, files, located } = await this.locate(token, over);
    if ((located.size ?? 0) > LARGE_BYTES) await this.acquire(this.large, over);
    const { handle, size } = await this.asked(file, over, files.open(located, over));
    over.addEventListener('abort', () => void handle.close().catch(() => undefined), { once: true });
    const asked = readRange(range, size);
    if (asked.kind === 'unsatisfiable') throw new Problem(416, 'range_outside', 'The file is shorter than that.');
    const { first, last } = asked.kind === 'part' ? asked : { first: 0, last: size - 1 };
    const stream = handle.createReadStream({ start: first, end: Math.max(last, 0), autoClose: true });
    stream.on('error', (error: Error) => this.warn(file, over, error));
    return {
      name: file.name,
      mime: file.mime,
      size,
      stream,
      length: last - first + 1,
      contentRange: asked.kind === 'part' ? `bytes ${first}-${last}/${size}` : null,
    };
  }

  private async locate(token: string, over: AbortSignal): Promise<Located> {
    const file = await this.find(token);
    if (!file) throw new Problem(404, 'no_such_file', 'This link leads to no file.');
    await this.acquire(this.all, over);
    const { files } = await this.botOf(file);
    return { file, files, located: await this.asked(file, over, files.locate(file.telegramFileId, over)) };
  }

  private async acquire(semaphore: Semaphore, over: AbortSignal): Promise<void> {
    if (await semaphore.acquire(QUEUE_TIMEOUT_MS, over)) return;
    throw new Problem(503, 'too_many_files', 'Too many files are under way. Try again in a moment.', {
      retryAfter: 10,
    });
  }

  private async find(token: string): Promise<ClientFile | null> {
    const linked = this.links.read(token, new Date());
    if (linked === 'invalid') return null;
    if (linked === 'expired') {
      throw new Problem(410, 'link_expired', 'The time of this link is over. The message itself still has its file.');
    }
    if (linked.of === 'message') return this.attachments.findClientFile(linked.messageId, linked.ordinal);
    const photo = await this.chats.findProfilePhoto(linked.chatId, linked.photo);
    // Profile photos are always JPEG.
    return photo && { ...photo, name: 'photo.jpg', mime: 'image/jpeg' };
  }

  private async botOf({ botId }: ClientFile): Promise<{ files: TelegramFiles }> {
    try {
      return (await this.bots.find(botId)).api;
    } catch (error) {
      if (error instanceof BotGoneError) throw new Problem(404, 'no_such_file', 'The bot of this file was removed.');
      throw error;
    }
  }

  /** What Telegram says, as it is said to whoever follows the link. */
  private async asked<Value>(file: ClientFile, over: AbortSignal, answer: Promise<Value>): Promise<Value> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      this.warn(file, over, error);
      if (error.code === 'file_too_large') {
        throw new Problem(404, error.code, 'Telegram gives bots no file larger than 20 MB.');
      }
      if (error.kind === 'refused') throw new Problem(404, 'file_gone', 'Telegram does not give this file any more.');
      if (error.code === 'TIMEOUT') throw new Problem(504, 'telegram_silent', 'Telegram did not answer in time.');
      throw error;
    }
  }

  private warn({ botId }: ClientFile, over: AbortSignal, { message }: Error): void {
    // The reader left in the middle and knows it.
    if (over.aborted) return;
    this.logger.warn({ botId: String(botId), reason: message }, "A client's file could not be passed on");
  }
}
