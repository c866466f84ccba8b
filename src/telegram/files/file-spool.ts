import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { Semaphore, type Release } from '../../common/semaphore.js';
import type { UpstreamError } from '../../common/upstream-error.js';
import { OperatorDownloads } from '../../relay/operator-directory.js';
import { refusal } from '../api/telegram-problems.js';
import { openTemporaryFile } from '../api/temporary-file.js';

/** Messages with files that are under way at once: each holds its files on the disk, at most 10 in practice. */
const MESSAGES_PER_BOT = 2;
const MESSAGES = 6;
const CHUNK_BYTES = 64 * 1024;
/** How long a file of a mailing is kept after its last use. */
const SHARED_FOR_MS = 30_000;

/** A fetched file, on the disk without a name: it disappears with the process, however that ends. */
export class SpooledFile {
  constructor(
    private readonly handle: FileHandle,
    readonly size: number,
    /** SHA-256 of the content. */
    readonly digest: Buffer,
    /** As the portal's answer names them. */
    readonly mime: string | null,
    readonly name: string | null,
  ) {}

  /** The content from its start; may be asked for again. */
  async *content(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.size;) {
      const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, at);
      if (bytesRead === 0) throw new Error('A temporary file ends too early');
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  /** The same file for somebody who may only give it back. */
  lent(giveBack: () => void): SpooledFile {
    const lent = new SpooledFile(this.handle, this.size, this.digest, this.mime, this.name);
    lent.close = () => Promise.resolve(giveBack());
    return lent;
  }
}

/** One file that several messages use at a time. */
class SharedFile {
  isHere = false;
  private users = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param forget called when nobody has used it for a while, or it could not be fetched */
  constructor(
    private readonly file: Promise<SpooledFile>,
    private readonly forget: () => void,
  ) {
    file.then(
      () => (this.isHere = true),
      () => forget(),
    );
  }

  /** The file, to be closed like one of the caller's own. */
  async use(): Promise<SpooledFile> {
    this.users++;
    clearTimeout(this.timer);
    try {
      const file = await this.file;
      return file.lent(() => this.giveBack(file));
    } catch (error) {
      this.users--;
      throw error;
    }
  }

  private giveBack(file: SpooledFile): void {
    if (--this.users > 0) return;
    this.timer = setTimeout(() => {
      this.forget();
      // Nobody reads it any more, and the process forgets it with its handle.
      void file.close().catch(() => undefined);
    }, SHARED_FOR_MS);
    this.timer.unref();
  }
}

/**
 * Keeps operators' files on the disk between the two networks: the content is hashed before the upload and read again
 * when Telegram wants it in another form. Only a few messages may have files here at once.
 */
@Injectable()
export class FileSpool {
  private readonly all = new Semaphore(MESSAGES);
  private readonly ofBots = new Map<bigint, Semaphore>();
  /** Files of mailings, by portal and address: each is fetched once, however many get it. */
  private readonly shared = new Map<string, SharedFile>();

  constructor(private readonly downloads: OperatorDownloads) {}

  /** A permit to fetch the files of one message, which the caller releases; null: none is free now. */
  tryAcquire(botId: bigint): Release | null {
    const ofBot = this.ofBots.get(botId) ?? new Semaphore(MESSAGES_PER_BOT);
    const releaseBot = ofBot.tryAcquire();
    const releaseAll = releaseBot && this.all.tryAcquire();
    const release = () => {
      releaseAll?.();
      releaseBot?.();
      if (ofBot.isIdle) this.ofBots.delete(botId);
    };
    if (releaseBot) this.ofBots.set(botId, ofBot);
    if (releaseAll) return release;
    release();
    return null;
  }

  /** Whether this file of a mailing is here: whoever sends it needs no permit. */
  holds(portalId: bigint, url: string): boolean {
    return this.shared.get(`${portalId} ${url}`)?.isHere === true;
  }

  /** {@link fetch} for a mailing: all who are sent this file within a while share what was fetched once. */
  async fetchShared(portalId: bigint, url: string, maxBytes: number, signal: AbortSignal): Promise<SpooledFile> {
    const key = `${portalId} ${url}`;
    let shared = this.shared.get(key);
    if (!shared) {
      shared = new SharedFile(this.fetch(portalId, url, maxBytes, signal), () => this.shared.delete(key));
      this.shared.set(key, shared);
    }
    return shared.use();
  }

  /**
   * Fetches a file from the portal; the caller closes it. Throws UpstreamError: `refused` when it can never be fetched
   * (`file_too_large` beyond `maxBytes`, `file_empty`), others when it cannot be fetched now.
   */
  async fetch(portalId: bigint, url: string, maxBytes: number, signal: AbortSignal): Promise<SpooledFile> {
    const { stream, mime, name } = await this.downloads.open(portalId, url, { maxBytes, signal });
    let handle: FileHandle | undefined;
    try {
      handle = await openTemporaryFile('operator-file');
      const hash = createHash('sha256');
      const size = await write(stream, handle, hash);
      if (size === 0) throw refusal('file_empty', 'The file has no content.');
      return new SpooledFile(handle, size, hash.digest(), mime, name);
    } catch (error) {
      stream.destroy();
      await handle?.close();
      throw error;
    }
  }
}

async function write(content: AsyncIterable<Uint8Array>, handle: FileHandle, hash: Hash): Promise<number> {
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    hash.update(chunk);
    await handle.writeFile(chunk);
  }
  return size;
}

/** A file larger than a bot may send. */
export function tooLarge(maxBytes: number): UpstreamError {
  return refusal('file_too_large', `A bot may send files of up to ${Math.floor(maxBytes / (1024 * 1024))} MB.`);
}
