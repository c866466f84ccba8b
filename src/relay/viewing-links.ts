import { Injectable } from '@nestjs/common';
import { FileLinks, type LinkedFile } from './file-links.js';

/** For a person who looks at an answer now; milliseconds. */
const VIEWED_MS = 3_600_000;
/** For so long the link to a file stays the same: a page that is read again does not load its pictures again. */
const SAME_MS = 1_800_000;

/** Links to clients' files and photos for people who read the history: each works for an hour at least. */
@Injectable()
export class ViewingLinks {
  constructor(private readonly links: FileLinks) {}

  /** Null without PUBLIC_URL. */
  to(file: LinkedFile): string | null {
    return this.links.to(file, new Date(Math.ceil(Date.now() / SAME_MS) * SAME_MS + VIEWED_MS));
  }
}
