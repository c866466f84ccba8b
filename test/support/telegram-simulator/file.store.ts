import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';

/** The bytes of a file: given, or only their number, when nobody is going to look at them (zeros then). */
export type FileContent = Uint8Array | { readonly bytes: number };

/** Content as it lies on the disk. */
export interface StoredContent {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** Absolute. */
  readonly path: string;
}

const ZEROS = Buffer.alloc(1 << 20);

/** All contents that went through the server, each once, in a temporary folder that goes with the server. */
export class FileStore {
  private folder: string | undefined;
  private readonly stored = new Map<string, StoredContent>();

  keep(content: FileContent): StoredContent {
    const draft = new Draft(this.pathOf(randomUUID()));
    for (const chunk of chunksOf(content)) draft.write(chunk);
    return this.settle(draft);
  }

  /** Keeps what a stream brings without holding it in memory. */
  async receive(chunks: AsyncIterable<Uint8Array>): Promise<StoredContent> {
    const draft = new Draft(this.pathOf(randomUUID()));
    try {
      for await (const chunk of chunks) draft.write(chunk);
    } catch (error) {
      draft.finish();
      draft.discard();
      throw error;
    }
    return this.settle(draft);
  }

  /** The first bytes, enough for the header of an image. */
  head({ path, size }: StoredContent): Buffer {
    const head = Buffer.alloc(Math.min(size, 1 << 18));
    const file = openSync(path, 'r');
    readSync(file, head);
    closeSync(file);
    return head;
  }

  /** `end` is the last byte, counted from 0. */
  read({ path }: StoredContent, range: { start?: number; end?: number } = {}): Readable {
    return createReadStream(path, range);
  }

  /** The absolute path under which the same file lies as `name`, a path inside the store's folder. */
  link({ path }: StoredContent, name: string): string {
    const link = this.pathOf(name);
    mkdirSync(dirname(link), { recursive: true });
    linkSync(path, link);
    return link;
  }

  close(): void {
    if (this.folder) rmSync(this.folder, { recursive: true, force: true });
    this.folder = undefined;
  }

  private settle(draft: Draft): StoredContent {
    const sha256 = draft.finish();
    const known = this.stored.get(sha256);
    if (known) {
      draft.discard();
      return known;
    }
    const content = { sha256, size: draft.size, path: this.pathOf(sha256) };
    renameSync(draft.path, content.path);
    this.stored.set(sha256, content);
    return content;
  }

  private pathOf(name: string): string {
    this.folder ??= mkdtempSync(join(tmpdir(), 'telegram-simulator-'));
    return join(this.folder, name);
  }
}

/** A file that is being written. */
class Draft {
  size = 0;
  private readonly hash = createHash('sha256');
  private readonly file: number;

  constructor(readonly path: string) {
    this.file = openSync(path, 'w');
  }

  write(chunk: Uint8Array): void {
    this.hash.update(chunk);
    writeSync(this.file, chunk);
    this.size += chunk.length;
  }

  finish(): string {
    closeSync(this.file);
    return this.hash.digest('hex');
  }

  discard(): void {
    rmSync(this.path, { force: true });
  }
}

function* chunksOf(content: FileContent): Generator<Uint8Array> {
  if (content instanceof Uint8Array) return yield content;
  for (let left = content.bytes; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, left);
}
